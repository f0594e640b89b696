import math

import altair as alt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.charts.style import log_ticks, marks, plain, score_axis, styled
from wellposed.errors import BadInput


def test_rows_are_plain_and_what_is_not_finite_is_none() -> None:
    frame = pd.DataFrame({"a": [1.5, math.nan], "b": [math.inf, 2.0], "c": [pd.NA, np.int64(3)], "d": ["x", None]})
    assert plain(frame, "a", "d") == [
        {"a": 1.5, "b": None, "c": None, "d": "x"},
        {"a": None, "b": 2.0, "c": 3, "d": None},
    ]
    assert type(plain(frame)[1]["c"]) is int


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(BadInput, match=r"must have the columns a, z\. Got \['a'\]"):
        plain(pd.DataFrame({"a": [1]}), "a", "z")


@given(st.floats(1e-12, 1e12), st.floats(20, 1e9))
def test_lines_of_a_logarithmic_axis_lie_within_and_are_few(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 15
    assert ticks == sorted(set(ticks))
    assert low <= ticks[0] and ticks[-1] <= low * ratio


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ([0.1, 2.0], "log"),
        ([0.1, 1.9], None),
        ([0.0, 9.0], None),
        ([-1.0, 50.0], None),
        ([math.nan, 3.0], None),
        ([], None),
    ],
)
def test_scores_are_logarithmic_where_positive_and_far_apart(scores: list[float], kind: str | None) -> None:
    axis = score_axis("score", scores, "loss").to_dict()
    assert axis["scale"].get("type") == kind
    assert ("logarithmic" in axis["title"]) == (kind == "log")


def test_a_chart_fills_its_place_and_says_what_it_shows() -> None:
    spec = styled(alt.layer(marks([{"x": 1}]).mark_point().encode(x="x:Q")), "One point.", height=50).to_dict()
    assert (spec["width"], spec["height"], spec["description"]) == ("container", 50, "One point.")
    assert spec["config"]["autosize"]["type"] == "fit-x"
