r"""CutMix: paste a piece of another row into each row, and of its target as much as of its content.

$$x' = M \odot x_i + (1 - M) \odot x_j, \qquad y' = m y_i + (1 - m) y_j, \qquad
\lambda \sim \mathrm{Beta}(\alpha, \alpha)$$

$j$ is where a random permutation of the member's batch puts $i$; $m$ is the share of the content that is really kept:

- images: a box of sides $\lfloor H\sqrt{1 - \lambda}\rfloor$ and $\lfloor W\sqrt{1 - \lambda}\rfloor$ around a uniform
  center is pasted, clipped at the border; $m$ is 1 less its area over $HW$;
- tables: each number and each category comes from $j$ with probability $1 - \lambda$; $m$ is the share that stayed;
- sequences: a stretch of $\lfloor (1 - \lambda) l\rfloor$ steps of $j$ at their own places, $l$ being the shorter of
  the two lengths; $m$ is the share of the steps that stayed, and the length stays.

Targets are mixed as they are, which is right for numbers and for class probabilities alike; so are the weights of rows.

Good for images whose objects fill them, where cutout would waste pixels; bad where a small part decides the class and
the share of the content says nothing of it.

Source: Yun et al., CutMix: regularization strategy to train strong classifiers with localizable features, 2019,
https://arxiv.org/abs/1905.04899, section 3.1; for tables: Somepalli et al., SAINT, 2021,
https://arxiv.org/abs/2106.01342, section 4.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.kinds import check_kind, kind_of
from wellposed.techniques.batch.mixup import draw_shares, mix_rows
from wellposed.techniques.batch.positions import draw_below, is_real, take_rows
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def cut_boxes(share: Float[Tensor, "K R"], shape: tuple[int, int], *, key: Key) -> Bool[Tensor, "K R H W"]:
    """The pixels of a box of area `1 - share` around a uniform center, clipped at the border. Usable alone.

    >>> cut_boxes(torch.zeros(1, 1), (2, 2), key=torch.tensor([1])).sum() >= 1
    tensor(True)
    """
    inside = []
    for axis, size in enumerate(shape):
        center = draw_below(make_key(key, step=axis, place="center"), torch.full_like(share, size, dtype=torch.int64))
        side = ((1 - share).sqrt() * size).floor().to(torch.int64)
        low = center - side // 2
        inside.append(is_real(low + side, size) & ~is_real(low, size))
    return inside[0].unsqueeze(-1) & inside[1].unsqueeze(-2)


def cut_cells(share: Float[Tensor, "K R"], cells: int, *, key: Key) -> Bool[Tensor, "K R cells"]:
    """Each cell with probability `1 - share`, none where `share` is 1. Usable alone.

    >>> cut_cells(torch.ones(1, 2), 3, key=torch.tensor([1])).any()
    tensor(False)
    """
    return random.uniform(key, (*share.shape[1:], cells), dtype=torch.float64) >= share.unsqueeze(-1)


def cut_stretches(
    share: Float[Tensor, "K B"], length: Int64[Tensor, "K B"], size: int, *, key: Key
) -> Bool[Tensor, "K B size"]:
    """A stretch of `1 - share` of `length` steps, anywhere within them. Usable alone.

    >>> cut_stretches(torch.full((1, 1), 0.5), torch.tensor([[4]]), 6, key=torch.tensor([1])).sum()
    tensor(2)
    """
    n = ((1 - share) * length).floor().to(torch.int64)
    start = draw_below(key, length - n + 1)
    return is_real(start + n, size) & ~is_real(start, size)


def paste_pieces(batch: Batch, partner: Int64[Tensor, "K B"], share: Float[Tensor, "K R"], *, key: Key) -> Batch:
    """A batch of rows with a piece of their partners, targets and weights mixed as much; `R` is `B`, or 1 for one share
    and piece of the whole batch."""
    kind, (members, rows) = kind_of(batch), batch.y.shape[:2]
    x, codes, theirs = batch.x, batch.codes, take_rows(batch.codes, partner)
    if kind == "images":
        cut = cut_boxes(share, (x.shape[-2], x.shape[-1]), key=key)
        kept = 1 - cut.to(torch.float64).mean((-2, -1))
        cut = cut.unsqueeze(2)
    elif kind == "a table":
        width = x.shape[-1]
        cut = cut_cells(share, width + codes.shape[-1], key=key)
        kept = 1 - cut.to(torch.float64).mean(-1)
        codes, cut = torch.where(cut[..., width:], theirs, codes), cut[..., :width]
    else:
        length, shorter = codes[..., 0], torch.minimum(codes, theirs)[..., 0]
        cut = cut_stretches(share.expand(members, rows), shorter, x.shape[2], key=key)
        kept = 1 - cut.sum(-1) / length.clamp(min=1).to(torch.float64)
        cut = cut.unsqueeze(-1)
    kept = kept.expand(members, rows)
    return batch._replace(
        x=torch.where(cut, take_rows(x, partner), x),
        codes=codes,
        y=mix_rows(batch.y, partner, kept),
        weight=None if batch.weight is None else mix_rows(batch.weight, partner, kept),
    )


@dataclass(frozen=True, kw_only=True)
class CutMix(BatchTechnique):
    """Train on rows with a piece of another row; metrics still see the true rows. Not for texts.

    Args:
        alpha: Of the beta distribution of the shares: near 0 one row has nearly all, at 1 all shares are equally
            likely, above 1 halves prevail. 0 changes nothing.
        probability: Of a draw to be used at all; 0 changes nothing.
        each: Whether share and piece are drawn once for the whole batch or for each row. (Where a stretch begins is
            always drawn for each sequence: they differ in length.)
    """

    alpha: Strength = strength(1.0, valid=(0.0, 100.0), search=(0.1, 2.0), log=True)
    probability: Strength = strength(1.0, valid=(0.0, 1.0), search=(0.0, 1.0))
    each: Literal["batch", "row"] = "batch"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "a table", "images", "sequences")
        keys = {name: make_key(key, step=0, place=name) for name in ("share", "used", "piece", "partner")}
        rows = batch.y.shape[1]
        draws = rows if self.each == "row" else 1
        share = draw_shares(self.alpha, draws, key=keys["share"])
        share = torch.where(random.bernoulli(keys["used"], (draws,), self.probability), share, 1.0)
        return paste_pieces(batch, random.permutation(keys["partner"], rows), share, key=keys["piece"])
