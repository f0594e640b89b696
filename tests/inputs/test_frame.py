import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.frame import as_pandas, check_frame, check_names, require_columns


def test_pandas_comes_back_with_names_of_text_and_rows_from_0() -> None:
    frame = pd.DataFrame({0: [1, 2], "b": ["x", "y"]}, index=[7, 7])
    after = as_pandas(frame)
    pd.testing.assert_frame_equal(after, pd.DataFrame({"0": [1, 2], "b": ["x", "y"]}))
    assert frame.columns.tolist() == [0, "b"]  # what was given is left as it was


def test_other_libraries_come_through_narwhals() -> None:
    table = pa.table({"a": [1, None, 3], "b": ["x", None, "z"]})
    after = as_pandas(table)
    assert after["a"].isna().tolist() == after["b"].isna().tolist() == [False, True, False]
    assert after.iloc[2].tolist() == [3, "z"]


def test_polars_eager_and_lazy() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1.5, None], "b": ["x", None]})
    for given in (frame, frame.lazy(), nw.from_native(frame)):
        after = as_pandas(given.to_native() if isinstance(given, nw.DataFrame) else given)
        assert after["a"].tolist()[0] == 1.5
        assert after.isna().to_numpy().tolist() == [[False, False], [True, True]]


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(BadInput, match=r"A table must be a data frame or a 2-D array. Got 'list'"):
        as_pandas([1, 2])
    with pytest.raises(BadInput, match=r"must have 2 axes. Got \(3,\)"):
        as_pandas(np.zeros(3))


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match=r"a.csv: columns 1 and 3 must differ in name. Got 'x' twice"):
        check_names(["x", "y", "x"], "a.csv")


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a.csv, column 2: found an empty name"):
        check_names(["x", " ", "y"], "a.csv")


@pytest.mark.parametrize("cell", [[1], {"a": 1}, (1, 2), {1}, np.array([1])])
def test_nested_cells_are_refused_with_row_and_column(cell: object) -> None:
    frame = pd.DataFrame({"a": pd.Series([1, cell, 2], dtype=object)})
    with pytest.raises(BadInput, match=f"t, row 2, column 'a': found a {type(cell).__name__}, expected one value"):
        check_frame(frame, "t")


def test_nested_arrow_columns_are_refused() -> None:
    frame = pd.DataFrame({"a": pd.Series([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))})
    with pytest.raises(BadInput, match=r"t, row 1, column 'a'"):
        check_frame(frame, "t")


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match=r"row 1, column 'z'.*expected a real number"):
        check_frame(pd.DataFrame({"z": [1j, 2j]}), "t")


def test_missing_columns_are_refused_by_name_with_the_nearest() -> None:
    frame = pd.DataFrame({"aera": [1], "town": [2]})
    with pytest.raises(BadInput, match=r"new.csv must have .*Missing: 'area', 'rooms'. Did you mean 'aera'?"):
        require_columns(frame, ["area", "rooms", "town"], "new.csv")
    require_columns(frame, ["town"], "new.csv")
