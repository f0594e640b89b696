r"""Uniform starting weights within one given bound, whatever the size of the layer.

$$w \sim \mathrm U(-b, b), \qquad \mathrm{Var}[w] = b^2 / 3$$

Good as a plain control; bad for deep networks without norms, where one size fits no two layers.

Source: LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998, section 4.6 (on the size of the weights),
http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Strength, spread, strength


def draw_uniform(
    shape: tuple[int, ...], limit: Strength, *, key: Key, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "K *shape"]:
    """Weights that lie evenly within `limit` of 0, for each of `K` keys. Usable alone, with a key of one number.

    >>> draw_uniform((2, 3), 0.05, key=torch.tensor([7])).shape
    torch.Size([1, 2, 3])
    """
    drawn = random.uniform(key, shape, dtype=dtype).mul_(2).sub_(1)
    return drawn.mul_(spread(limit, drawn))


@dataclass(frozen=True, kw_only=True)
class Uniform(WeightTechnique):
    """Draw weights evenly from within one bound for all layers.

    Args:
        limit: No weight exceeds it; 0 starts all weights at 0.
    """

    limit: Strength = strength(0.05, valid=(0.0, 100.0), search=(1e-3, 1.0), log=True)

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_uniform(shape, self.limit, key=key, dtype=dtype)
