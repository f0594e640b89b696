"""Where a value lies in its dimension, from 0 at the low end to 1 at the high end, and which values belong together.

On a logarithmic scale equal ratios are equally far apart: $u = \\log(x / l) / \\log(h / l)$; else $(x - l) / (h - l)$.
"""

import math
from collections.abc import Mapping, Sequence

from wellposed.search_space import Dimension, Value


def exists(dimension: Dimension, values: Mapping[str, Value]) -> bool:
    """Whether a dimension is there under what was chosen before it.

    >>> rate = Dimension(name="rate", kind="real", low=0.0, high=0.5, when=("norm", ("batch", "layer")))
    >>> exists(rate, {"norm": "layer"}), exists(rate, {"norm": "none"}), exists(rate, {})
    (True, False, False)
    """
    return dimension.when is None or values.get(dimension.when[0]) in dimension.when[1]


def fits(dimensions: Sequence[Dimension], values: Mapping[str, Value]) -> bool:
    """Whether values name the dimensions that exist among them, no others, and lie within each."""
    there = [d for d in dimensions if exists(d, values)]
    return {d.name for d in there} == set(values) and all(_lies_in(d, values[d.name]) for d in there)


def position(dimension: Dimension, value: Value) -> float:
    """Where a number lies in its range, on its own scale.

    >>> position(Dimension(name="rate", kind="real", low=1e-4, high=1.0, log=True), 0.01)
    0.5
    """
    low, high, x = dimension.low, dimension.high, float(value)
    return math.log(x / low) / math.log(high / low) if dimension.log else (x - low) / (high - low)


def value_at(dimension: Dimension, u: float) -> float | int:
    """The number at a position: never outside the range, rounded where numbers are whole.

    >>> value_at(Dimension(name="units", kind="whole", low=16, high=1024, log=True), 0.5)
    128
    """
    low, high = dimension.low, dimension.high
    if u in (0.0, 1.0):  # what is computed may be rounded away from the end
        x = high if u else low
    else:
        x = low * (high / low) ** u if dimension.log else low + u * (high - low)
    x = min(max(x, low), high)
    return round(x) if dimension.kind == "whole" else float(x)


def filled(dimensions: Sequence[Dimension], values: Mapping[str, Value]) -> dict[str, Value]:
    """A value for every dimension: those given, and for the others the middle of the range or the first option."""
    return {d.name: values.get(d.name, d.options[0] if d.kind == "choice" else value_at(d, 0.5)) for d in dimensions}


def _lies_in(dimension: Dimension, value: Value) -> bool:
    if dimension.kind == "choice":
        return value in dimension.options
    if isinstance(value, str) or not dimension.low <= value <= dimension.high:
        return False
    return dimension.kind == "real" or value == int(value)
