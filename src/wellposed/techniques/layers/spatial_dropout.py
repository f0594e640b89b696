r"""Spatial dropout: during training whole channels of an image are off, and the others are scaled up.

$$y_{chw} = \frac{m_c\, x_{chw}}{1 - r}, \qquad m_c \sim \mathrm{Bernoulli}(1 - r)$$

Neighboring pixels of a channel say nearly the same, so that dropout of single units takes little away; a channel is one
feature as a unit of a dense layer is. Good behind convolutions that overfit; bad where channels are few.

Source: Tompson et al., Efficient object localization using convolutional networks, 2015,
https://arxiv.org/abs/1411.4280, section 3.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import refusal
from wellposed.random import Key, mask
from wellposed.techniques.layers.dropout import keep_units
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, strength


def drop_channels(x: Float[Tensor, "... C H W"], rate: Strength, *, key: Key) -> Float[Tensor, "... C H W"]:
    """Set a share `rate` of the channels to 0 and scale the others by `1 / (1 - rate)`.

    Usable alone: the axes of `key` are the first axes of `x`, none draws for all of `x`; a tensor `rate` has the shape
    of `key`. The same key draws the same channels.

    >>> drop_channels(torch.ones(6, 1, 2), 0.5, key=torch.tensor(7)).flatten(1)
    tensor([[2., 2.],
            [2., 2.],
            [0., 0.],
            [2., 2.],
            [0., 0.],
            [0., 0.]])
    """
    drawn = mask(key, x.shape[key.dim() : -2], 1 - rate)
    return keep_units(x, drawn[..., None, None], rate)


@dataclass(frozen=True, kw_only=True)
class SpatialDropout(LayerTechnique):
    """Switch whole channels off at random during training.

    Args:
        where: Before or after the activation.
        rate: Probability that a channel is off; 0 changes nothing.
    """

    axes: ClassVar[frozenset[int]] = frozenset({3})
    where: Where = "after"
    rate: Strength = strength(0.2, valid=(0.0, 0.99), search=(0.0, 0.5))

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        if len(shape) != 3:
            raise refusal("The shape for SpatialDropout", "be channels (C, H, W)", shape, "Use Dropout for units.")
        return StackedSpatialDropout(self)


class StackedSpatialDropout(StackedModule):
    """The layer for activations `(C, H, W)`. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: SpatialDropout) -> None:
        super().__init__()
        self.technique = technique
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B C H W"]) -> Float[Tensor, "K B C H W"]:
        return drop_channels(x, self.strength(tensors, "rate"), key=tensors["key"]) if self.training else x
