r"""Constant starting weights: all units of a layer start equal, get equal gradients, and stay equal.

$$w = c$$

There to be looked at: a network that starts like this is as wide as one unit.

Source: Goodfellow, Bengio & Courville, Deep Learning, 2016, https://www.deeplearningbook.org, section 8.4.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Strength, spread, strength


def fill_weights(
    shape: tuple[int, ...], value: Strength, *, members: int = 1, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "K *shape"]:
    """Weights that are all `value`, for each of `members`. Usable alone.

    >>> fill_weights((1, 2), 0.5)
    tensor([[[0.5000, 0.5000]]])
    """
    device = value.device if isinstance(value, Tensor) else None
    filled = torch.empty(members, *shape, dtype=dtype, device=device)
    return filled.copy_(torch.as_tensor(spread(value, filled)))


@dataclass(frozen=True, kw_only=True)
class Constant(WeightTechnique):
    """Start all weights at one value, to see what breaking the symmetry is good for.

    Args:
        value: Of every weight.
    """

    value: Strength = strength(0.0, valid=(-100.0, 100.0), search=(-1.0, 1.0))

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return fill_weights(shape, self.value, members=len(key), dtype=dtype).to(key.device)
