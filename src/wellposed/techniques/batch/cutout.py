r"""Cutout: a square of each image is covered, so that no single part may carry the answer.

$$x'_{c,i,j} = v \quad\text{where}\quad -\tfrac L2 \le i - i_0 < \tfrac L2, \quad -\tfrac L2 \le j - j_0 < \tfrac L2$$

with a side of $L = \mathrm{round}(a \min(H, W))$ pixels and a middle $(i_0, j_0)$ drawn among all pixels, so that the
square may stick out. DeVries and Taylor cover with 0, the mean of standardized data; 16 of CIFAR-10's 32 pixels are
$a = 0.5$. Good for natural images; bad for small things that the square can hide whole.

Source: DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, 2017,
https://arxiv.org/abs/1708.04552, section 3.2.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.images import bounds_of, check_images, uniform_each
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


@dataclass(frozen=True, kw_only=True)
class Cutout(BatchTechnique):
    """Cover a square of each image, at a place of its own.

    Args:
        size: Side of the square, as a share of the image's shorter side; 0 changes nothing.
        fill: "zero", which is the mean of standardized data, or "low", which is black.
    """

    size: Strength = strength(0.5, valid=(0.0, 2.0), search=(0.0, 0.7))
    fill: Literal["zero", "low"] = "zero"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Cutout", batch)
        middle = uniform_each(key, batch, "down"), uniform_each(key, batch, "across")
        share = torch.ones_like(middle[0]) * spread(self.size, middle[0])
        low = bounds_of(batch)[0]
        value = low if self.fill == "low" else torch.zeros_like(low)
        return batch._replace(x=cut_out(batch.x, share, middle, value=value))
