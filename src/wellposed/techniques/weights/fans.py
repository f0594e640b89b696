"""Fan-in and fan-out: how many units a unit hears, and how many hear a unit of the layer before."""

import math
from typing import Literal, NamedTuple, TypeAlias

Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg"]


class Fans(NamedTuple):
    """Numbers of connections.

    Attributes:
        into: Inputs of one output unit.
        out: Outputs that one input unit reaches.
    """

    into: int
    out: int


def count_fans(shape: tuple[int, ...]) -> Fans:
    """The fans of a weight in PyTorch's order `(out, in, ...)`; for convolutions times the size of the kernel.

    >>> count_fans((64, 16, 3, 3))
    Fans(into=144, out=576)
    """
    kernel = math.prod(shape[2:])
    return Fans(shape[1] * kernel, shape[0] * kernel)


def choose_fan(shape: tuple[int, ...], mode: Mode) -> float:
    """Fan-in, fan-out, or the mean of both.

    >>> choose_fan((64, 16, 3, 3), "fan_avg")
    360.0
    """
    fans = count_fans(shape)
    return {"fan_in": float(fans.into), "fan_out": float(fans.out), "fan_avg": sum(fans) / 2}[mode]
