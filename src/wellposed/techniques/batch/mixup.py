r"""Mixup: train on points between two rows, with targets in between, so that the network is linear there.

$$x' = \lambda x_i + (1 - \lambda) x_j, \qquad y' = \lambda y_i + (1 - \lambda) y_j, \qquad
\lambda \sim \mathrm{Beta}(\alpha, \alpha)$$

$j$ is where a random permutation of the member's batch puts $i$. Targets are mixed as they are, which is right for
numbers and for class probabilities alike; so are the weights of rows. What cannot be mixed comes from the row with the
larger share: categories (of two equal shares, from $i$). A mixed sequence is as long as the longer of the two.

Good for images and for tables of numbers with few rows, and for calibration; bad where a point between two rows means
nothing (texts, tables of categories) or the target is far from linear. The loss in training is not comparable with
that on validation rows: soft targets cannot be met exactly.

Source: Zhang et al., mixup: beyond empirical risk minimization, 2018, https://arxiv.org/abs/1710.09412, section 2.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.beta import symmetric_beta
from wellposed.techniques.batch.kinds import check_kind, kind_of
from wellposed.techniques.batch.positions import take_rows
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, spread, strength


def draw_shares(alpha: Strength, rows: int, *, key: Key) -> Float[Tensor, "K rows"]:
    """What a row keeps of itself: Beta(alpha, alpha), in float64; 1 where `alpha` is 0. Usable alone.

    >>> draw_shares(torch.tensor([0.0, 0.2]), 1, key=torch.tensor([1, 2]))[0]
    tensor([1.], dtype=torch.float64)
    """
    drawn = symmetric_beta(key, (rows,), alpha)
    return torch.where(torch.as_tensor(spread(alpha, drawn), device=key.device) > 0, drawn, 1.0)


def mix_rows(
    tensor: Float[Tensor, "K B ..."], partner: Int64[Tensor, "K B"], share: Float[Tensor, "K B"]
) -> Float[Tensor, "K B ..."]:
    """`share` of each row and the rest of its partner, both exact where they are alone. Usable alone.

    >>> mix_rows(torch.tensor([[0.0, 1.0]]), torch.tensor([[1, 0]]), torch.tensor([[0.75, 0.75]]))
    tensor([[0.2500, 0.7500]])
    """
    rest = (1 - share).to(tensor.dtype).view(*share.shape, *[1] * (tensor.dim() - 2))
    return torch.lerp(tensor, take_rows(tensor, partner), rest)


def mix_batch(batch: Batch, partner: Int64[Tensor, "K B"], share: Float[Tensor, "K B"]) -> Batch:
    """A batch of rows that are mixed with their partners, targets and weights as well."""
    theirs = take_rows(batch.codes, partner)
    if kind_of(batch) == "sequences":
        codes = torch.maximum(  # a row without share has no say in the length
            torch.where(share.unsqueeze(-1) > 0, batch.codes, 0), torch.where(share.unsqueeze(-1) < 1, theirs, 0)
        )
    else:
        codes = torch.where(share.unsqueeze(-1) >= 0.5, batch.codes, theirs)
    weight = None if batch.weight is None else mix_rows(batch.weight, partner, share)
    x, y = mix_rows(batch.x, partner, share), mix_rows(batch.y, partner, share)
    return batch._replace(x=x, codes=codes, y=y, weight=weight)


@dataclass(frozen=True, kw_only=True)
class Mixup(BatchTechnique):
    """Train on mixtures of two rows of the batch and of their targets; metrics still see the true rows.

    Args:
        alpha: Of the beta distribution of the shares: near 0 one row has nearly all, at 1 all shares are equally
            likely, above 1 halves prevail. 0 changes nothing.
        each: Whether one share is drawn for the whole batch or for each row.
    """

    alpha: Strength = strength(0.2, valid=(0.0, 100.0), search=(0.05, 2.0), log=True)
    each: Literal["batch", "row"] = "batch"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "a table", "images", "sequences")
        members, rows = batch.y.shape[:2]
        share = draw_shares(self.alpha, rows if self.each == "row" else 1, key=make_key(key, step=0, place="share"))
        partner = random.permutation(make_key(key, step=0, place="partner"), rows)
        return mix_batch(batch, partner, share.expand(members, rows))
