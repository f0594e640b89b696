r"""Feature noise: during training each hidden value is moved a little.

$$y = x + \sigma \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1)$$

Input noise, inside the network: for small $\sigma$ it penalizes how steeply the answer hangs on the hidden values. Good
behind a norm or a bounded activation, where $\sigma$ has a meaning; bad where the network can make its values large and
the noise negligible.

Source: Poole, Sohl-Dickstein & Ganguli, Analyzing noise in autoencoders and deep networks, 2014,
https://arxiv.org/abs/1406.1831, section 2; Goodfellow, Bengio & Courville, Deep Learning, 2016,
https://www.deeplearningbook.org, section 7.5.
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


def shake_units(x: Float[Tensor, "..."], deviation: Strength, *, key: Key) -> Float[Tensor, "..."]:
    """Add normal noise of this deviation to each number.

    Usable alone: the axes of `key` are the first axes of `x`, none draws for all of `x`; a tensor `deviation` has one
    number for each entry of the first axis. The same key draws the same noise.

    >>> shake_units(torch.zeros(2, 5), 0.1, key=torch.tensor([1, 2])).shape
    torch.Size([2, 5])
    """
    noise = normal(key, x.shape[key.dim() :], dtype=torch.promote_types(x.dtype, torch.float32))
    return x + (noise * spread(deviation, noise)).to(x.dtype)


@dataclass(frozen=True, kw_only=True)
class FeatureNoise(LayerTechnique):
    """Add noise to hidden values during training.

    Args:
        where: Before or after the activation.
        deviation: Of the noise; 0 changes nothing.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    deviation: Strength = strength(0.1, valid=(0.0, 100.0), search=(0.01, 1.0), log=True)

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedFeatureNoise(self)


class StackedFeatureNoise(StackedModule):
    """The layer for activations of any shape. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: FeatureNoise) -> None:
        super().__init__()
        self.technique = technique
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        return shake_units(x, self.strength(tensors, "deviation"), key=tensors["key"]) if self.training else x
