r"""Segment permutation: a sequence is cut into pieces of equal length, and they are put together in another order.

Of $l$ steps, step $t$ belongs to segment $\lfloor t n / l \rfloor$, so the lengths of the $n$ segments differ by one at
most (of sequences shorter than $n$ the steps are the segments). Steps keep their order within a segment, and padding
stays behind. (The order drawn may be the old one: once in $n!$ draws.)

Good where what happens counts and not when; bad where the order is the answer.

Source: Um et al., Data augmentation of wearable sensor data for Parkinson's disease monitoring, 2017,
https://arxiv.org/abs/1706.00527, section 3 ("permutation"; there the lengths are random).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import check_count
from wellposed.random import Key, make_key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.batch.positions import shuffle_groups
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, strength


def permute_segments(
    x: Float[Tensor, "K B T D"], length: Int64[Tensor, "K B"], rate: Strength, *, segments: int = 4, key: Key
) -> Float[Tensor, "K B T D"]:
    """With probability `rate`, shuffle the segments of a sequence. Usable alone.

    `key` holds one number a member.

    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0, 0.0]).view(1, 1, 5, 1)
    >>> permute_segments(x, torch.tensor([[4]]), 1.0, segments=2, key=torch.tensor([2])).flatten()
    tensor([3., 4., 1., 2., 0.])
    """
    rows, size = x.shape[1:3]
    at = torch.arange(size, device=x.device)
    segment = (at * segments // length.clamp(min=1).unsqueeze(-1)).clamp(max=size - 1)
    segment = torch.where((length > segments).unsqueeze(-1), segment, at)
    order = shuffle_groups(segment, length, key=make_key(key, step=0, place="order"))
    moved = random.bernoulli(make_key(key, step=0, place="moved"), (rows,), rate)
    index = torch.where(moved.unsqueeze(-1), order, at)
    return x.gather(2, index.unsqueeze(-1).expand_as(x))


@dataclass(frozen=True, kw_only=True)
class SegmentPermutation(BatchTechnique):
    """Train on sequences whose pieces were shuffled. For sequences only.

    Args:
        rate: Share of sequences that are shuffled; 0 changes nothing.
        segments: Into how many pieces.
    """

    rate: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.0, 1.0))
    segments: int = 4

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("SegmentPermutation.segments", self.segments, least=2)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "sequences")
        x = permute_segments(batch.x, batch.codes[..., 0], self.rate, segments=self.segments, key=key)
        return batch._replace(x=x)
