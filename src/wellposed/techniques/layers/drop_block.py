r"""DropBlock: during training square blocks of a channel are off, and what is left of the batch is scaled up.

$$\gamma = r\,\frac{H W}{b^2 (H - b + 1)(W - b + 1)}, \qquad y = x \odot M \cdot \frac{|M|}{\sum M}$$

with each place where a whole block fits becoming one with probability $\gamma$; a block overhangs no border, and blocks
may overlap, so that a little less than the share $r$ is off. $b = 1$ is dropout of single units. A map smaller than the
block has blocks of its own size. Each channel draws its own blocks; the last factor is that of a member's whole batch.

Good for convolutions, where what a single unit says can be read off its neighbors; best with a rate that grows over
training (a ramp). Bad for maps of few pixels: there `SpatialDropout` does the same for less.

Source: Ghiasi, Lin & Le, DropBlock, 2018, https://arxiv.org/abs/1810.12890, algorithm 1 and equation 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from wellposed.checks import check_count, refusal
from wellposed.random import Key, bernoulli
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, Technique, strength


def drop_blocks(x: Float[Tensor, "K B C H W"], rate: Strength, *, size: int, key: Key) -> Float[Tensor, "K B C H W"]:
    """Set blocks of `size` x `size` to 0, about a share `rate` of all units, and scale each member's others up.

    Usable alone with images `1 B C H W`, such as `x[None]`; `key` holds one number a member, and the same key draws the
    same blocks.

    >>> drop_blocks(torch.ones(1, 1, 1, 3, 4), 0.3, size=2, key=torch.tensor([12]))
    tensor([[[[[0.0000, 0.0000, 1.5000, 1.5000],
               [0.0000, 0.0000, 1.5000, 1.5000],
               [1.5000, 1.5000, 1.5000, 1.5000]]]]])
    """
    high, wide = x.shape[-2:]
    tall, broad = min(size, high), min(size, wide)
    room = (high - tall + 1, wide - broad + 1)
    share = rate * (high * wide / (tall * broad * room[0] * room[1]))
    kept = ~grow_blocks(bernoulli(key, (*x.shape[1:3], *room), share), (tall, broad))
    left = kept.flatten(1).sum(1).clamp_min(1).to(torch.promote_types(x.dtype, torch.float32))
    factor = (kept[0].numel() / left).to(x.dtype).view(-1, 1, 1, 1, 1)
    return x * torch.where(kept, factor, 0)


def grow_blocks(corners: Bool[Tensor, "... h w"], size: tuple[int, int]) -> Bool[Tensor, "... H W"]:
    """Where the blocks lie of which these are the upper left corners; the maps grow by the size less one.

    >>> grow_blocks(torch.tensor([[True, False]]), (2, 2)).int()
    tensor([[1, 1, 0],
            [1, 1, 0]], dtype=torch.int32)
    """
    tall, broad = size
    flat = corners.reshape(-1, 1, *corners.shape[-2:]).to(torch.float32)
    grown = F.max_pool2d(F.pad(flat, (broad - 1, broad - 1, tall - 1, tall - 1)), size, stride=1)
    return (grown > 0).view(*corners.shape[:-2], *grown.shape[-2:])


@dataclass(frozen=True, kw_only=True)
class DropBlock(LayerTechnique):
    """Switch blocks of neighboring units off at random during training.

    Args:
        where: Before or after the activation.
        size: Pixels of a block's side.
        rate: Share of units that is off, about; 0 changes nothing.
    """

    axes: ClassVar[frozenset[int]] = frozenset({3})
    where: Where = "after"
    size: int = 3
    rate: Strength = strength(0.1, valid=(0.0, 0.99), search=(0.0, 0.3))

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("DropBlock.size", self.size)

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        if len(shape) != 3:
            raise refusal("The shape for DropBlock", "be channels (C, H, W)", shape, "Use Dropout for units.")
        return StackedDropBlock(self)


class StackedDropBlock(StackedModule):
    """The layer for activations `(C, H, W)`. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: DropBlock) -> None:
        super().__init__()
        self.technique = technique
        self.size = technique.size
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B C H W"]) -> Float[Tensor, "K B C H W"]:
        if not self.training:
            return x
        return drop_blocks(x, self.strength(tensors, "rate"), size=self.size, key=tensors["key"])
