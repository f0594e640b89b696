import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.inputs.columns import as_text, column_kind, days, numbers, texts


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.Series([1, 2]), "numeric"),
        (pd.Series([True, False]), "numeric"),
        (pd.Series([True, None], dtype="boolean"), "numeric"),
        (pd.Series([1, None], dtype="Int64"), "numeric"),
        (pd.Series([1, 2.5, None], dtype=object), "numeric"),
        (pd.Series([Decimal("1.5"), None]), "numeric"),
        (pd.Series(pd.to_timedelta([1, 2], unit="D")), "numeric"),
        (pd.Series(["1", "2"]), "category"),
        (pd.Series(["a", 1, None]), "category"),
        (pd.Series([1, 2], dtype="category"), "category"),
        (pd.Series([None, None], dtype=object), "category"),
        (pd.Series(["a", None], dtype="string"), "category"),
        (pd.Series(["2024-02-29", None]), "date"),
        (pd.Series(["2024-02-29T12:30:00Z", "2024/2/9"]), "date"),
        (pd.Series(["2024-02-29", "2023-02-29"]), "category"),
        (pd.Series(["2024-02-29", "soon"]), "category"),
        (pd.Series(["20240229"]), "category"),
        (pd.Series([datetime.date(2024, 2, 29), None]), "date"),
        (pd.Series(pd.to_datetime(["2024-02-29"])), "date"),
        (pd.Series(pd.to_datetime(["2024-02-29"], utc=True)), "date"),
        (pd.Series(pd.period_range("2024-01", periods=2, freq="M")), "date"),
    ],
)
def test_what_a_column_is(column: pd.Series, kind: str) -> None:
    assert column_kind(column) == kind


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pd.Series([True, None], dtype="boolean"), [1.0, np.nan]),
        (pd.Series([1, None], dtype="Int64"), [1.0, np.nan]),
        (pd.Series([Decimal("1.5"), None]), [1.5, np.nan]),
        (pd.Series(pd.to_timedelta([36, None], unit="h")), [1.5, np.nan]),
        (pd.Series(["1.5", None, " 2"]), [1.5, np.nan, 2.0]),
        (pd.Series([None, None], dtype=object), [np.nan, np.nan]),
        (pd.Series([1e308, -1e308]), [1e300, -1e300]),
    ],
)
def test_numbers_of_a_column(column: pd.Series, values: list[float]) -> None:
    np.testing.assert_array_equal(numbers(column, where="t"), values)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pd.Series(["1", "x"], name="a"), "'x'"),
        (pd.Series([1, "x"], name="a", dtype=object), "'x'"),
        (pd.Series(["1", "x"], name="a", dtype="category"), "'x'"),
    ],
)
def test_text_among_numbers_is_refused_with_row_and_column(column: pd.Series, found: str) -> None:
    with pytest.raises(BadInput) as error:
        numbers(column, where="new.csv")
    assert str(error.value) == f"new.csv, row 2, column 'a': found {found}, expected a number."


def test_a_date_is_no_number() -> None:
    with pytest.raises(BadInput, match=r"row 1, column 'a': found .*2024.*expected a number"):
        numbers(pd.Series(pd.to_datetime(["2024-02-29"]), name="a"), where="t")


def test_infinities_are_refused_or_missing() -> None:
    column = pd.Series([1.0, -np.inf, np.inf], name="a")
    with pytest.raises(BadInput) as error:
        numbers(column, where="t.csv")
    assert "t.csv, row 2, column 'a': found -inf, expected a finite number." in str(error.value)
    assert "--inf missing" in str(error.value)
    np.testing.assert_array_equal(numbers(column, where="t", infinite_is_missing=True), [1, np.nan, np.nan])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["2024-02-29", None, "1969-12-31"]),
        pd.Series(["2024/2/29", None, "1969-12-31T00:00:00+00:00"]),
        pd.Series([datetime.date(2024, 2, 29), None, datetime.date(1969, 12, 31)]),
        pd.to_datetime(pd.Series(["2024-02-29", None, "1969-12-31"])),
        pd.to_datetime(pd.Series(["2024-02-29 01:00", None, "1969-12-31 01:00"])).dt.tz_localize("Europe/Berlin"),
        pd.Series(pd.PeriodIndex(["2024-02-29", None, "1969-12-31"], freq="D")),
    ],
)
def test_dates_however_they_are_kept(column: pd.Series) -> None:
    moments = days(column, where="t")
    assert moments.dt.strftime("%Y-%m-%d %H").tolist()[::2] == ["2024-02-29 00", "1969-12-31 00"]
    assert moments.isna().tolist() == [False, True, False]


@pytest.mark.parametrize(("cell", "found"), [("soon", "'soon'"), (5, "5")])
def test_what_is_no_date_is_refused(cell: object, found: str) -> None:
    with pytest.raises(BadInput, match=f"t.csv, row 1, column 'when': found {found}, expected a date"):
        days(pd.Series([cell, cell], name="when"), where="t.csv")


def test_a_column_without_a_value_has_no_dates() -> None:
    assert days(pd.Series([np.nan, np.nan]), where="t").isna().all()


def test_texts_of_mixed_types_meet() -> None:
    codes, known = texts(pd.Series(["2", 2, 2.0, None, True, "b", 0.5], dtype=object))
    assert known == ["0.5", "2", "True", "b"]
    assert codes.tolist() == [1, 1, 1, -1, 2, 3, 0]


def test_texts_of_a_categorical_with_missing_values() -> None:
    codes, known = texts(pd.Series(pd.Categorical(["b", None, "a"], categories=["b", "c", "a"])))
    assert (codes.tolist(), known) == ([1, -1, 0], ["a", "b"])


@given(st.lists(st.one_of(st.none(), st.text(), st.integers(), st.floats(allow_nan=False)), min_size=1))
def test_texts_give_each_row_its_text(values: list[object]) -> None:
    codes, known = texts(pd.Series(values, dtype=object))
    assert known == sorted(set(known))
    assert [None if code < 0 else known[code] for code in codes] == [v if v is None else as_text(v) for v in values]
