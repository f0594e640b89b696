r"""Gains: by how much weights must exceed $1/\sqrt n$, so that a layer and its activation keep the size of a signal.

| activation | gain | where it comes from |
|---|---|---|
| linear, sigmoid | 1 | kept as it is |
| tanh | 5/3 | LeCun et al., Efficient BackProp, 1998, section 4.4 |
| relu, leaky_relu | $\sqrt{2 / (1 + a^2)}$ | He et al., 2015, https://arxiv.org/abs/1502.01852, equation 15 |
| selu | 3/4 | found by trial (PyTorch); 1 is what its fixed point asks for |
| elu, gelu, silu, mish, softsign | $1 / \sqrt{\mathrm E f(z)^2}$, $z \sim \mathcal N(0, 1)$ | what He keeps |

The first four rows are those of `torch.nn.init.calculate_gain`; PyTorch has none of the last. There the gain holds at
signals of variance 1 alone, as these activations are no multiples of their arguments.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

Gain: TypeAlias = Literal[
    "linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softsign"
]

SQUARES = {"linear": 1.0, "sigmoid": 1.0, "tanh": 25 / 9, "relu": 2.0, "selu": 9 / 16}
MEASURED: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "softsign": F.softsign,
}


def measure_gain(activation: Callable[[Tensor], Tensor]) -> float:
    """The gain that keeps the second moment of a standard normal signal, for any activation. Usable alone.

    The expectation is a sum over a fine grid, which is exact to 1e-10 for smooth activations and to 1e-6 for those
    with a kink.

    >>> round(measure_gain(torch.relu) ** 2, 6)
    2.0
    """
    z = torch.linspace(-12, 12, 24001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return 1 / math.sqrt(float((activation(z).square() * density).sum()) / 1000)


@lru_cache(maxsize=16)
def _measured_square(activation: str) -> float:
    return measure_gain(MEASURED[activation]) ** 2


def square_gain(activation: Gain, negative_slope: float = 0.01) -> float:
    """The square of the gain of an activation; the slope is that of `leaky_relu` below 0. Usable alone.

    >>> square_gain("relu")
    2.0
    """
    if activation == "leaky_relu":
        return 2 / (1 + negative_slope**2)
    return SQUARES[activation] if activation in SQUARES else _measured_square(activation)
