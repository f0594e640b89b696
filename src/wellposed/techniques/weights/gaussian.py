r"""Gaussian starting weights of one given deviation, whatever the size of the layer.

$$w \sim \mathcal N(0, s^2)$$

Source: Krizhevsky, Sutskever & Hinton, ImageNet classification with deep convolutional neural networks, 2012,
section 5 ($s = 0.01$); that signals then shrink or grow with depth: He et al., 2015,
https://arxiv.org/abs/1502.01852, section 2.2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Strength, spread, strength


def draw_gaussian(
    shape: tuple[int, ...], deviation: Strength, *, key: Key, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "K *shape"]:
    """Weights with mean 0 and this deviation for each of `K` keys; usable alone, with a key of one number.

    >>> draw_gaussian((2, 3), 0.01, key=torch.tensor([7])).shape
    torch.Size([1, 2, 3])
    """
    drawn = random.normal(key, shape, dtype=dtype)
    return drawn.mul_(spread(deviation, drawn))


@dataclass(frozen=True, kw_only=True)
class Gaussian(WeightTechnique):
    """Draw weights from a normal distribution of one deviation for all layers.

    Args:
        deviation: Standard deviation; 0 starts all weights at 0.
    """

    deviation: Strength = strength(0.01, valid=(0.0, 100.0), search=(1e-3, 1.0), log=True)

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_gaussian(shape, self.deviation, key=key, dtype=dtype)
