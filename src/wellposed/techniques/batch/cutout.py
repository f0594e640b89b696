r"""Cutout: a part of each row is covered, so that no single part may carry the answer.

Of an image it is a square:

$$x'_{c,i,j} = v \quad\text{where}\quad -\tfrac L2 \le i - i_0 < \tfrac L2, \quad -\tfrac L2 \le j - j_0 < \tfrac L2$$

with a side of $L = \mathrm{round}(a \min(H, W))$ pixels and a middle $(i_0, j_0)$ drawn among all pixels, so that the
square may stick out. Of a row of a table it is $\mathrm{round}(a D)$ of its $D$ cells, drawn for each row: numbers
become $v$, categories missing. (`FeatureMasking` draws for each cell on its own.)

DeVries and Taylor cover with 0, the mean of standardized data; 16 of CIFAR-10's 32 pixels are $a = 0.5$. Good for
natural images, and for tables in which no column should decide alone; bad for small things that the square can hide
whole, and tables of few columns.

Source: DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, 2017,
https://arxiv.org/abs/1708.04552, section 3.2; for tables: Kadra, Lindauer, Hutter & Grabocka, Well-tuned simple nets
excel on tabular datasets, 2021, https://arxiv.org/abs/2106.11189, table 1 (their program covers the same columns of all
rows of a batch).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.images import bounds_of, chosen, uniform_each
from wellposed.techniques.batch.kinds import check_kind, kind_of
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, spread, strength


def cut_out(
    x: Float[Tensor, "*B C H W"],
    share: Float[Tensor, "*B"],
    middle: tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]],
    *,
    value: Float[Tensor, "C 1 1"],
) -> Float[Tensor, "*B C H W"]:
    """Cover a square of each image; its middle is given from 0 to 1, down and across. Usable alone.

    >>> x, middle = torch.ones(1, 1, 4), torch.tensor(0.5)
    >>> cut_out(x, torch.tensor(1.0), (middle, middle), value=torch.zeros(1, 1, 1))
    tensor([[[1., 1., 0., 1.]]])
    """
    side = (share * min(x.shape[-2:])).round()[..., None, None, None]
    covered = torch.ones((), dtype=torch.bool, device=x.device)
    for axis, place in ((-2, middle[0]), (-1, middle[1])):
        n = x.shape[axis]
        pixels = torch.arange(n, dtype=place.dtype, device=x.device).view((n, 1) if axis == -2 else (1, n))
        distance = pixels - (place * n).floor().clamp(max=n - 1)[..., None, None, None]
        covered = covered & (-side / 2 <= distance) & (distance < side / 2)
    return torch.where(covered, value, x)


def pick_cells(share: Float[Tensor, "K B"], cells: int, *, key: Key) -> Bool[Tensor, "K B cells"]:
    """A share of each row's cells, rounded to whole cells, any set of so many as likely. Usable alone.

    >>> pick_cells(torch.tensor([[0.5, 1.0]]), 4, key=torch.tensor([1])).sum(-1)
    tensor([[2, 4]])
    """
    rows = torch.arange(share.shape[1], device=share.device)
    order = random.permutation(make_key(key.unsqueeze(-1), step=rows, place="cells"), cells)
    return order < (share * cells).round().unsqueeze(-1)


@dataclass(frozen=True, kw_only=True)
class Cutout(BatchTechnique):
    """Cover a square of each image, or cells of each row of a table, at places of its own.

    Args:
        size: Side of the square, as a share of the image's shorter side; or share of the cells. 0 changes nothing.
        probability: Of a row to be covered at all; 0 changes nothing.
        fill: "zero", which is the mean of standardized data, or "low": black, or each column's lowest number.
    """

    size: Strength = strength(0.5, valid=(0.0, 2.0), search=(0.0, 0.7))
    probability: Strength = strength(1.0, valid=(0.0, 1.0), search=(0.0, 1.0))
    fill: Literal["zero", "low"] = "zero"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "a table", "images")
        used = chosen(self.probability, key, batch, "used")
        if kind_of(batch) == "images":
            middle = uniform_each(key, batch, "down"), uniform_each(key, batch, "across")
            share = torch.ones_like(middle[0]) * spread(self.size, middle[0])
            low = bounds_of(batch)[0]
            value = low if self.fill == "low" else torch.zeros_like(low)
            return batch._replace(x=cut_out(batch.x, torch.where(used, share, 0.0), middle, value=value))
        width = batch.x.shape[-1]
        share = torch.ones_like(used, dtype=torch.float64) * spread(self.size, used)
        covered = pick_cells(share, width + batch.codes.shape[-1], key=key) & used.unsqueeze(-1)
        lowest = 0.0 if batch.facts is None or self.fill == "zero" else batch.facts.low.to(batch.x)
        return batch._replace(
            x=torch.where(covered[..., :width], lowest, batch.x),
            codes=torch.where(covered[..., width:], 0, batch.codes),
        )
