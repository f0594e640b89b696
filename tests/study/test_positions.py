"""There and back is the same value; conditions along a chain of choices."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.search_space import Dimension
from wellposed.study.positions import exists, filled, fits, position, value_at

NORM = Dimension(name="norm", kind="choice", options=("none", "batch", "layer"))
DROP = Dimension(name="drop", kind="choice", options=("off", "on"), when=("norm", ("batch", "layer")))
RATE = Dimension(name="rate", kind="real", low=0.0, high=0.5, when=("drop", ("on",)))
UNITS = Dimension(name="units", kind="whole", low=16, high=1024, log=True)


@given(st.floats(1e-6, 1e3), st.floats(1.001, 1e6), st.booleans(), st.floats(0, 1))
def test_there_and_back(low: float, ratio: float, log: bool, u: float) -> None:
    """Positions survive to rounding, which the narrowest range here (a thousandth of its place) magnifies."""
    dimension = Dimension(name="x", kind="real", low=low, high=low * ratio, log=log)
    value = value_at(dimension, u)
    assert low <= value <= low * ratio
    assert position(dimension, value) == pytest.approx(u, abs=1e-10)


@given(st.integers(1, 1000), st.integers(1, 1000), st.booleans(), st.floats(0, 1))
def test_whole_numbers_stay_whole(low: int, width: int, log: bool, u: float) -> None:
    dimension = Dimension(name="x", kind="whole", low=low, high=low + width, log=log)
    value = value_at(dimension, u)
    assert isinstance(value, int) and low <= value <= low + width
    assert value_at(dimension, 0.0) == low and value_at(dimension, 1.0) == low + width


def test_equal_ratios_are_equally_far_on_a_logarithmic_scale() -> None:
    steps = [position(UNITS, 2**k) for k in range(4, 11)]
    assert steps == pytest.approx([k / 6 for k in range(7)])
    assert position(UNITS, 100) == pytest.approx(math.log2(100 / 16) / 6)


def test_what_exists_follows_the_choices() -> None:
    assert exists(RATE, {"norm": "batch", "drop": "on"})
    assert not exists(RATE, {"norm": "batch", "drop": "off"})
    assert not exists(RATE, {"norm": "none"})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"norm": "none", "units": 16}, True),
        ({"norm": "batch", "drop": "on", "rate": 0.5, "units": 1024}, True),
        ({"norm": "batch", "drop": "on", "units": 1024}, False),  # one is missing
        ({"norm": "none", "drop": "on", "units": 16}, False),  # one should not be there
        ({"norm": "none", "units": 15}, False),
        ({"norm": "none", "units": 16.5}, False),
        ({"norm": "group", "units": 16}, False),
        ({"norm": "none", "units": "16"}, False),
        ({}, False),
    ],
)
def test_what_fits(values: dict[str, float | int | str], expected: bool) -> None:
    assert fits([NORM, DROP, RATE, UNITS], values) is expected


def test_what_does_not_exist_is_filled_with_the_middle_or_the_first() -> None:
    assert filled([NORM, DROP, RATE, UNITS], {"norm": "none", "units": 64}) == {
        "norm": "none",
        "drop": "off",
        "rate": 0.25,
        "units": 64,
    }
