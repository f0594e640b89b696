import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wellposed.inputs.fields import LIMIT, CategoryField, DateField, Field, NumericField, field_from_json

NAN = float("nan")


def test_ordinary_numbers_are_left_as_they_are() -> None:
    field = NumericField.fit(np.array([1.0, -5.0, 2.5]), name="a")
    assert field == NumericField(name="a", fill=1.0)
    assert field.encode(np.array([7.0, NAN])).tolist() == [[7.0], [1.0]]
    assert (field.names, field.note(np.array([1.0, -5.0]))) == (("a",), "")


def test_missing_numbers_are_the_median_and_say_so() -> None:
    field = NumericField.fit(np.array([1.0, NAN, 3.0, 10.0]), name="a")
    assert field.names == ("a", "a is missing")
    assert field.encode(np.array([NAN, 4.0])).tolist() == [[3.0, 1.0], [4.0, 0.0]]


def test_a_number_too_large_for_its_column_is_cut_and_told() -> None:
    values = np.array([1.0, 2.0, 3.0, 1e300])
    field = NumericField.fit(values, name="a")
    assert field.encode(values)[:, 0].tolist() == [1.0, 2.0, 3.0, LIMIT]
    assert "1 of its numbers were cut at +-1e+15" in field.note(values)


@pytest.mark.parametrize(("size", "unit"), [(3e299, 1e299), (6e23, 1e23), (2e-30, 1e-30), (5e-324, 1e-300)])
def test_a_column_beyond_float32_changes_its_unit(size: float, unit: float) -> None:
    values = size * np.array([0.9, 1.0, 1.1])
    field = NumericField.fit(values, name="a")
    assert field.unit == pytest.approx(unit, rel=1e-12)
    scaled = field.encode(values)[:, 0]
    np.testing.assert_allclose(scaled, values / unit, rtol=1e-12)
    assert np.isfinite(scaled.astype(np.float32)).all()


def test_small_differences_of_large_numbers_survive_float32() -> None:
    values = 1.7e9 + np.arange(100.0)
    field = NumericField.fit(values, name="seconds")
    encoded = field.encode(values)[:, 0].astype(np.float32)
    assert field.center == 1.7e9 + 49.5
    np.testing.assert_array_equal(encoded, np.arange(100) - 49.5)
    assert len(np.unique(values.astype(np.float32))) < 5  # what would have been left
    assert "was taken off" in field.note(values)


@given(
    arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e300, 1e300)),
    st.lists(st.one_of(st.just(NAN), st.floats(-1e300, 1e300)), min_size=1),
)
def test_whatever_the_numbers_what_comes_out_is_finite(train: np.ndarray, new: list[float]) -> None:
    field = NumericField.fit(train, name="a")
    assert np.isfinite(field.encode(np.array(new)).astype(np.float32)).all()
    assert (np.abs(field.encode(train).astype(np.float32) ** 2) < np.inf).all()


def test_dates_are_days_and_points_on_circles() -> None:
    moments = pd.to_datetime(pd.Series(["1970-01-01", "1970-04-06 12:00", None]), utc=True, format="ISO8601")
    field = DateField.fit(moments, name="d")
    assert field.names == (
        "d", "d, month sine", "d, month cosine", "d, weekday sine", "d, weekday cosine", "d is missing",
    )  # fmt: skip
    thursday, monday = 2 * np.pi * 3 / 7, 0.0
    expected = [
        [0.0, 0.0, 1.0, np.sin(thursday), np.cos(thursday), 0.0],
        [95.5, 1.0, 0.0, np.sin(monday), np.cos(monday), 0.0],
        [47.75, 0.0, 0.0, 0.0, 0.0, 1.0],
    ]
    np.testing.assert_allclose(field.encode(moments), expected, atol=1e-12)


def test_categories_missing_unseen_known() -> None:
    field = CategoryField(name="town", known=("a", "b"))
    assert field.cardinality == 4
    assert field.encode(np.array([0, 1, -1, 2]), ["b", "z", "a"]).tolist() == [3, 1, 0, 2]
    assert field.encode(np.array([-1]), []).tolist() == [0]


@pytest.mark.parametrize(
    "field",
    [
        NumericField(name="ä\n'", fill=0.1 + 0.2, center=1e9, unit=1e20, indicator=True),
        DateField(days=NumericField(name="d", fill=19000.0)),
        CategoryField(name="<script>", known=("", "\u202e", "ß")),
    ],
)
def test_json_round_trip(field: Field) -> None:
    assert field_from_json(json.loads(json.dumps(field.to_json()))) == field
