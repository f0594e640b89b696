r"""He's starting weights: a layer followed by a rectifier keeps the variance of its signal.

$$\mathrm{Var}[w] = \frac{2}{(1 + a^2)\,n}$$

with $n$ the fan-in (signals forward) or the fan-out (gradients backward) and $a$ the rectifier's slope below 0.

Source: He, Zhang, Ren & Sun, Delving deep into rectifiers, 2015, https://arxiv.org/abs/1502.01852, equations 10, 14
and 15.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_number
from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Technique
from wellposed.techniques.weights.fans import count_fans
from wellposed.techniques.weights.scaled import Distribution, draw_scaled


def draw_he(
    shape: tuple[int, ...],
    *,
    key: Key,
    distribution: Distribution = "normal",
    mode: Literal["fan_in", "fan_out"] = "fan_in",
    negative_slope: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "..."]:
    """Weights of variance `2 / ((1 + a^2) n)` for each key. Usable alone, with a key of one number.

    >>> draw_he((4, 3), key=torch.tensor(7)).shape
    torch.Size([4, 3])
    """
    fans = count_fans(shape)
    n = fans.into if mode == "fan_in" else fans.out
    deviation = math.sqrt(2 / ((1 + negative_slope**2) * n))
    return draw_scaled(shape, deviation, key=key, distribution=distribution, dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class He(WeightTechnique):
    """Draw weights so that signals neither shrink nor grow from layer to layer of rectified units.

    Args:
        distribution: "normal" or "uniform", of the same variance.
        mode: "fan_in" keeps the variance of signals, "fan_out" that of gradients.
        negative_slope: The rectifier's slope below 0.
    """

    distribution: Distribution = "normal"
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    negative_slope: float = 0.0

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
            dtype=dtype,
        )
