import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.words import MINUS, known, number, percent, plural

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("value", [None, NAN, INF, -INF])
def test_what_is_not_finite_is_not_known(value: float | None) -> None:
    assert not known(value)
    assert number(value) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0000"), (1.0, "1.0000"), (0.5, "0.5000"), (56.996462, "57.00"), (12345.6, "12,346"), (-3.14159, "−3.142"),
     (0.00012, "1.20e−04"), (2.5e12, "2.500e+12")],
)  # fmt: skip
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) >= 1e-12))
def test_what_is_told_is_near_what_is_meant(value: float) -> None:
    """Four significant digits from 0.1 on, three below 0.001, and at least one between."""
    told = float(number(value).replace(MINUS, "-").replace(",", ""))
    assert told == pytest.approx(value, rel=0.0051 if abs(value) < 1e-3 else 0.0006, abs=0.00005)


def test_percent_says_more_of_more_rows() -> None:
    assert percent(1 / 3, 999) == "33.3\N{NO-BREAK SPACE}%"
    assert percent(-1 / 3, 1000) == "−33.33\N{NO-BREAK SPACE}%"


def test_one_is_no_plural() -> None:
    assert [plural(n, "row") for n in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
