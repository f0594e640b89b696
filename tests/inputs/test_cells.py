import contextlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.inputs.cells import USUAL_MARKS, read_cells

WHERE = "prices.csv, column 'area'"


def read(cells: list[str], *missing: str) -> pd.Series:
    return read_cells(pa.array(cells), where=WHERE, missing=missing)[0]


@pytest.mark.parametrize(
    ("cells", "values", "dtype"),
    [
        (["1", " 2 ", "-3"], [1, 2, -3], "int64"),
        (["1.0", "2.0"], [1, 2], "int64"),
        (["1", "NA"], [1.0, None], "float64"),
        (["1.5", "+2", "1e3"], [1.5, 2.0, 1000.0], "float64"),
        (["1", "inf"], [1.0, np.inf], "float64"),
        (["9007199254740993", "1"], [9007199254740992.0, 1.0], "float64"),
        (["", "?"], [None, None], "float64"),
    ],
)
def test_a_column_of_numbers(cells: list[str], values: list[float | None], dtype: str) -> None:
    pd.testing.assert_series_equal(read(cells), pd.Series(values, dtype=dtype))


@pytest.mark.parametrize("mark", USUAL_MARKS)
def test_usual_marks_are_missing(mark: str) -> None:
    assert read([mark, "a"]).isna().tolist() == [True, False]


def test_named_marks_are_missing() -> None:
    assert read(["1", "nobody knows"], "nobody knows").isna().tolist() == [False, True]


def test_text_stays_text_where_it_is_asked_to() -> None:
    series, note = read_cells(pa.array(["01", "", "2.0"]), where=WHERE, missing=(), keep_text=True)
    assert series.isna().tolist() == [False, True, False]
    assert (series[0], series[2], note) == ("01", "2.0", "")


def test_a_few_marks_among_numbers_are_refused_with_row_and_column() -> None:
    cells = [str(i) for i in range(100)]
    cells[16] = "unknown"
    with pytest.raises(BadInput) as error:
        read(cells)
    sentence = "prices.csv, row 17, column 'area': found 'unknown', expected a number. Name it in --missing."
    assert str(error.value) == sentence
    assert read(cells, "unknown").isna().sum() == 1


@pytest.mark.parametrize("wrong", [["a", "b", "c", "d"], ["a"] * 5])
def test_many_marks_make_categories(wrong: list[str]) -> None:
    cells = [*wrong, *(str(i) for i in range(100 - len(wrong)))]
    series, note = read_cells(pa.array(cells), where=WHERE, missing=())
    assert series.tolist() == cells
    assert note == f"{WHERE} holds text such as 'a' among its numbers and was read as categories."


def test_text_with_a_few_numbers_is_told_of_nothing() -> None:
    assert read_cells(pa.array(["a", "b", "1"]), where=WHERE, missing=())[1] == ""


def test_decimal_commas_are_read_and_told() -> None:
    series, note = read_cells(pa.array(["1,5", "-2", "3,125", ""]), where=WHERE, missing=())
    assert series.tolist()[:3] == [1.5, -2.0, 3.125]
    assert np.isnan(series[3])
    assert "decimal commas" in note


def test_a_comma_that_may_mark_thousands_is_refused() -> None:
    with pytest.raises(BadInput, match=r"prices.csv, row 2, column 'area': found '1,234', expected a number"):
        read(["7", "1,234", "2,500"])


def test_lists_with_commas_are_categories() -> None:
    assert read(["1,2,3", "4,5", "1"]).tolist() == ["1,2,3", "4,5", "1"]


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_numbers_as_written_come_back(values: list[float | None]) -> None:
    series = read(["" if value is None else repr(value) for value in values])
    expected = np.array([np.nan if value is None else value for value in values])
    np.testing.assert_array_equal(series.to_numpy(dtype=float), expected)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=20))
def test_any_text_is_read_or_refused_in_plain_words(cells: list[str]) -> None:
    with contextlib.suppress(BadInput):
        assert len(read(cells)) == len(cells)
