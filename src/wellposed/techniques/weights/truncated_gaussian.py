r"""Truncated Gaussian starting weights: normal ones, none of them large.

$$w = \frac{s}{0.8796}\,z, \qquad z \sim \mathcal N(0, 1) \text{ given } |z| \le 2$$

Cutting at two deviations leaves a deviation of 0.8796; dividing by it makes $s$ the true one. Good where a single large
weight may saturate its unit; like any deviation of one size for all layers, bad for deep networks without norms.

Source: Keras, `initializers.TruncatedNormal` and `VarianceScaling`, https://keras.io/api/layers/initializers/; moments
of the truncated normal: Johnson, Kotz & Balakrishnan, Continuous univariate distributions 1, 1994, section 13.10.1.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Strength, spread, strength

KEPT = 0.8796256610342398
"""Standard deviation of a standard normal number that lies within 2."""
BELOW = 0.022750131948179195
"""Share of standard normal numbers below -2."""


def draw_truncated(shape: tuple[int, ...], *, key: Key, dtype: torch.dtype = torch.float32) -> Float[Tensor, "..."]:
    """Truncated normal numbers of deviation 1 for each key, all within 2 / 0.8796, drawn in float32 at least.

    Usable alone.

    >>> bool(draw_truncated((100,), key=torch.tensor(7)).abs().max() <= 2 / 0.8796)
    True
    """
    wide = torch.promote_types(dtype, torch.float32)
    share = random.uniform(key, shape, dtype=wide).mul_(1 - 2 * BELOW).add_(BELOW)
    drawn: Tensor = torch.special.ndtri(share)
    return drawn.clamp_(-2, 2).div_(KEPT).to(dtype)


@dataclass(frozen=True, kw_only=True)
class TruncatedGaussian(WeightTechnique):
    """Draw weights from a normal distribution without its tails, of one deviation for all layers.

    Args:
        deviation: Standard deviation of what is drawn, after the cut; 0 starts all weights at 0.
    """

    deviation: Strength = strength(0.01, valid=(0.0, 100.0), search=(1e-3, 1.0), log=True)

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        drawn = draw_truncated(shape, key=key, dtype=dtype)
        return drawn.mul_(spread(self.deviation, drawn))
