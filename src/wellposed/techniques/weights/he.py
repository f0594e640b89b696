r"""He's starting weights: a layer followed by a rectifier keeps the variance of its signal.

$$\mathrm{Var}[w] = \frac{g^2}{n}, \qquad g^2 = \frac{2}{1 + a^2}$$

with $n$ the fan-in (signals forward), the fan-out (gradients backward) or their mean (a bit of both), and $a$ the
rectifier's slope below 0. Other activations have other gains $g$. Good for deep rectified networks without norms; with
a norm behind each layer the scale of its weights no longer matters to the signal.

Source: He, Zhang, Ren & Sun, Delving deep into rectifiers, 2015, https://arxiv.org/abs/1502.01852, equations 10, 14
and 15.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_number
from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Technique
from wellposed.techniques.weights.fans import Mode, choose_fan
from wellposed.techniques.weights.gains import Gain, square_gain
from wellposed.techniques.weights.scaled import Distribution, draw_scaled


def draw_he(
    shape: tuple[int, ...],
    *,
    key: Key,
    distribution: Distribution = "normal",
    mode: Mode = "fan_in",
    negative_slope: float = 0.0,
    gain: Gain = "leaky_relu",
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "..."]:
    """Weights of variance `g^2 / n`, by default `2 / ((1 + a^2) n)`, for each key.

    Usable alone, with a key of one number.

    >>> draw_he((4, 3), key=torch.tensor(7)).shape
    torch.Size([4, 3])
    """
    deviation = math.sqrt(square_gain(gain, negative_slope) / choose_fan(shape, mode))
    return draw_scaled(shape, deviation, key=key, distribution=distribution, dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class He(WeightTechnique):
    """Draw weights so that signals neither shrink nor grow from layer to layer of rectified units.

    Args:
        distribution: "normal", "uniform" or "truncated" (normal within two deviations), of the same variance.
        mode: "fan_in" keeps the variance of signals, "fan_out" that of gradients, "fan_avg" stands between.
        negative_slope: The rectifier's slope below 0.
        gain: The activation behind the layer; "leaky_relu" is a rectifier of the slope above, which may be 0.
    """

    distribution: Distribution = "normal"
    mode: Mode = "fan_in"
    negative_slope: float = 0.0
    gain: Gain = "leaky_relu"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("He.negative_slope", self.negative_slope)

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_he(
            shape,
            key=key,
            distribution=self.distribution,
            mode=self.mode,
            negative_slope=self.negative_slope,
            gain=self.gain,
            dtype=dtype,
        )
