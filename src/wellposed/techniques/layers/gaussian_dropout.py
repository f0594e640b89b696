r"""Gaussian dropout: during training each unit is multiplied by a random number near 1, as spread out as dropout's.

$$y = x \odot n, \qquad n \sim \mathcal N\!\left(1, \tfrac{r}{1 - r}\right)$$

Mean and variance of the factor are those of inverted dropout of rate $r$, so the penalty on a linear model is the same;
nothing is left to do afterwards. Good where dropout is good, and smoother: no unit is ever quite off. A unit may change
its sign, so at high rates it is bad before what expects positive numbers.

Source: Srivastava et al., Dropout, JMLR 15 (2014), 1929-1958, https://jmlr.org/papers/v15/srivastava14a.html,
section 10.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.random import Key, normal
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, spread, strength


def multiply_by_noise(x: Float[Tensor, "..."], rate: Strength, *, key: Key) -> Float[Tensor, "..."]:
    """Multiply each number by its own draw from a normal distribution of mean 1 and variance `rate / (1 - rate)`.

    Usable alone: the axes of `key` are the first axes of `x`, none draws for all of `x`; a tensor `rate` has one number
    for each entry of the first axis. The same key draws the same noise.

    >>> multiply_by_noise(torch.ones(2, 5), 0.5, key=torch.tensor([1, 2])).shape
    torch.Size([2, 5])
    """
    deviation = (rate / (1 - rate)) ** 0.5
    noise = normal(key, x.shape[key.dim() :], dtype=torch.promote_types(x.dtype, torch.float32))
    return x * (1 + noise * spread(deviation, noise)).to(x.dtype)


@dataclass(frozen=True, kw_only=True)
class GaussianDropout(LayerTechnique):
    """Multiply hidden units by noise during training.

    Args:
        where: Before or after the activation.
        rate: Of the dropout with the same mean and variance; 0 changes nothing.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "after"
    rate: Strength = strength(0.5, valid=(0.0, 0.99), search=(0.0, 0.7))

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedGaussianDropout(self)


class StackedGaussianDropout(StackedModule):
    """The layer for activations of any shape. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: GaussianDropout) -> None:
        super().__init__()
        self.technique = technique
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        return multiply_by_noise(x, self.strength(tensors, "rate"), key=tensors["key"]) if self.training else x
