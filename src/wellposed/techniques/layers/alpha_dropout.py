r"""Alpha dropout: units are off at the lowest value of SELU, and all are then moved so that mean and variance stay.

$$y = a\,(m \odot x + (1 - m)\,\alpha') + b, \qquad m \sim \mathrm{Bernoulli}(q), \quad q = 1 - r$$

$$\alpha' = -\lambda \alpha \approx -1.7581, \qquad a = \bigl(q + \alpha'^2 q (1 - q)\bigr)^{-1/2}, \qquad
b = -a\,(1 - q)\,\alpha'$$

Units of mean 0 and variance 1 keep both. Good for networks of SELU, which normalize themselves and which plain dropout
would throw off; pointless behind other activations, whose lowest value is another.

Source: Klambauer, Unterthiner, Mayr & Hochreiter, Self-normalizing neural networks, 2017,
https://arxiv.org/abs/1706.02515, section "New Dropout Technique".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.random import Key, mask
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, spread, strength

LOWEST = -1.0507009873554805 * 1.6732632423543772
"""What SELU gives far left of 0: minus scale times alpha."""


def saturate_units(x: Float[Tensor, "..."], rate: Strength, *, key: Key) -> Float[Tensor, "..."]:
    """Set a share `rate` of the units to SELU's lowest value, then scale and move all to mean 0 and variance 1 again.

    Usable alone: the axes of `key` are the first axes of `x`, none draws one mask for all of `x`; a tensor `rate` has
    one number for each entry of the first axis. The same key draws the same mask.

    >>> saturate_units(torch.zeros(6), 0.5, key=torch.tensor(7))
    tensor([ 0.7792,  0.7792, -0.7792,  0.7792, -0.7792, -0.7792])
    """
    kept = 1 - rate
    a = (kept + LOWEST**2 * kept * rate) ** -0.5
    b = -a * rate * LOWEST
    drawn = mask(key, x.shape[key.dim() :], kept)
    return torch.where(drawn != 0, x, LOWEST) * spread(a, x) + spread(b, x)


@dataclass(frozen=True, kw_only=True)
class AlphaDropout(LayerTechnique):
    """Switch hidden units of SELU off at random during training.

    Args:
        where: Before or after the activation.
        rate: Probability that a unit is off; 0 changes nothing.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1})
    where: Where = "after"
    rate: Strength = strength(0.1, valid=(0.0, 0.99), search=(0.0, 0.3))

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedAlphaDropout(self)


class StackedAlphaDropout(StackedModule):
    """The layer for activations of any shape. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: AlphaDropout) -> None:
        super().__init__()
        self.technique = technique
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        return saturate_units(x, self.strength(tensors, "rate"), key=tensors["key"]) if self.training else x
