r"""Xavier's starting weights: a layer near the linear range of its activation keeps variances forward and backward.

$$\mathrm{Var}[w] = \frac{2}{n_\mathrm{in} + n_\mathrm{out}}$$

Source: Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010,
https://proceedings.mlr.press/v9/glorot10a.html, equations 12 and 16 (there uniform).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.weights.fans import count_fans
from wellposed.techniques.weights.scaled import Distribution, draw_scaled


def draw_xavier(
    shape: tuple[int, ...], *, key: Key, distribution: Distribution = "normal", dtype: torch.dtype = torch.float32
) -> Float[Tensor, "..."]:
    """Weights of variance `2 / (n_in + n_out)` for each key. Usable alone, with a key of one number.

    >>> draw_xavier((4, 3), key=torch.tensor(7)).shape
    torch.Size([4, 3])
    """
    deviation = math.sqrt(2 / sum(count_fans(shape)))
    return draw_scaled(shape, deviation, key=key, distribution=distribution, dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class Xavier(WeightTechnique):
    """Draw weights so that signals and gradients keep their size between tanh-like units.

    Args:
        distribution: "normal" or "uniform", of the same variance.
    """

    distribution: Distribution = "normal"

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_xavier(shape, key=key, distribution=self.distribution, dtype=dtype)
