r"""Xavier's starting weights: a layer near the linear range of its activation keeps variances forward and backward.

$$\mathrm{Var}[w] = g^2\,\frac{2}{n_\mathrm{in} + n_\mathrm{out}}$$

The paper's gain $g$ is 1; other activations have others. (Some books and libraries call $1 / n_\mathrm{in}$ by this
name: that is the mode "fan_in".) Good for tanh-like units; a rectifier halves the second moment, so that in 30
rectified layers both signal and gradient are lost.

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
from wellposed.techniques.weights.fans import Mode, choose_fan
from wellposed.techniques.weights.gains import Gain, square_gain
from wellposed.techniques.weights.scaled import Distribution, draw_scaled


def draw_xavier(
    shape: tuple[int, ...],
    *,
    key: Key,
    distribution: Distribution = "normal",
    mode: Mode = "fan_avg",
    gain: Gain = "linear",
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "..."]:
    """Weights of variance `2 g^2 / (n_in + n_out)` for each key. Usable alone, with a key of one number.

    >>> draw_xavier((4, 3), key=torch.tensor(7)).shape
    torch.Size([4, 3])
    """
    deviation = math.sqrt(square_gain(gain) / choose_fan(shape, mode))
    return draw_scaled(shape, deviation, key=key, distribution=distribution, dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class Xavier(WeightTechnique):
    """Draw weights so that signals and gradients keep their size between tanh-like units.

    Args:
        distribution: "normal", "uniform" or "truncated" (normal within two deviations), of the same variance.
        mode: "fan_avg" is the paper's; "fan_in" looks at signals alone, "fan_out" at gradients alone.
        gain: The activation behind the layer.
    """

    distribution: Distribution = "normal"
    mode: Mode = "fan_avg"
    gain: Gain = "linear"

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_xavier(shape, key=key, distribution=self.distribution, mode=self.mode, gain=self.gain, dtype=dtype)
