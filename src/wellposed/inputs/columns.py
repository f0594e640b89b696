"""What a column of a frame is (numbers, categories, dates), and its values in that form."""

from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from wellposed.errors import BadInput

ColumnKind: TypeAlias = Literal["numeric", "category", "date"]

ISO_DATE = r"\d{4}([-/])\d{1,2}\1\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?\s?(Z|[+-]\d{2}:?\d{2})?"
LARGEST = 1e300  # beyond this even the median of two numbers overflows


def column_kind(column: pd.Series) -> ColumnKind:
    """What a column is, by its type; where that says nothing, by all of its values.

    Text is a category unless every value is a date written as ISO 8601 has it. Text that looks like numbers stays
    text: whoever read the file has decided that.

    >>> column_kind(pd.Series([1.5, None])), column_kind(pd.Series(["a", 1])), column_kind(pd.Series(["2024-02-29"]))
    ('numeric', 'category', 'date')
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        return "numeric"
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return "date"
    values = column.dropna()
    if values.empty:
        return "category"
    kind = pd.api.types.infer_dtype(values)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal", "boolean", "timedelta", "timedelta64"):
        return "numeric"
    if kind in ("date", "datetime", "datetime64"):
        return "date"
    first = values.iloc[:1].astype(str)
    if kind == "string" and first.str.fullmatch(ISO_DATE).all() and not _moments(column)[values.index].isna().any():
        return "date"
    return "category"


def numbers(column: pd.Series, *, where: str, infinite_is_missing: bool = False) -> Float64[np.ndarray, " N"]:
    """The numbers of a column, NaN where missing; text among them and infinities are refused with their row.

    Args:
        column: Numbers, booleans, durations (in days), or text of which every cell is a number.
        where: What a message calls the table.
        infinite_is_missing: Take infinities as missing instead of refusing them.
    """
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        values = column.dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan) / 86400
    elif column_kind(column) == "numeric":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = _read_numbers(column, where)
    infinite = np.isinf(values)
    if infinite.any() and not infinite_is_missing:
        row = int(infinite.argmax())
        do = "Take infinities as missing with --inf missing (infinite_is_missing=True)."
        found = f"found {values[row]}, expected a finite number"
        raise BadInput(f"{where}, row {row + 1}, column {str(column.name)!r}: {found}. {do}")
    return np.clip(np.where(infinite, np.nan, values), -LARGEST, LARGEST)


def days(column: pd.Series, *, where: str) -> pd.Series:
    """The moments of a column in universal time, NaT where missing; what is no date is refused with its row."""
    numeric = column_kind(column) == "numeric"
    moments = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]") if numeric else _moments(column)
    wrong = (moments.isna() & column.notna()).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        found = f"found {_plain(column.iloc[row])!r}, expected a date such as 2024-02-29"
        raise BadInput(f"{where}, row {row + 1}, column {str(column.name)!r}: {found}.")
    return moments


def texts(column: pd.Series) -> tuple[Int64[np.ndarray, " N"], list[str]]:
    """A column as categories: for each row the place of its text in the sorted list of distinct texts, -1 if missing.

    >>> texts(pd.Series([2.0, "b", None, "2"]))
    (array([ 0,  1, -1,  0]), ['2', 'b'])
    """
    codes, found = pd.factorize(column)
    spelled = [as_text(value) for value in found]
    known = sorted(set(spelled))
    place = {text: i for i, text in enumerate(known)}
    return np.append([place[text] for text in spelled], -1).astype(np.int64)[codes], known


def as_text(value: object) -> str:
    """How a value is compared with others of another type: whole numbers have no point.

    >>> as_text(3.0), as_text(3), as_text("3"), as_text(0.5)
    ('3', '3', '3', '0.5')
    """
    plain = _plain(value)
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _read_numbers(column: pd.Series, where: str) -> Float64[np.ndarray, " N"]:
    plain = column.astype(object)
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.isnan(values) & column.notna().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        found = f"found {_plain(plain.iloc[row])!r}, expected a number"
        raise BadInput(f"{where}, row {row + 1}, column {str(column.name)!r}: {found}.")
    return values


def _moments(column: pd.Series) -> pd.Series:
    """Moments in universal time; NaT for what is missing or no date."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True)
    dates = column.astype(object).map(lambda cell: cell if isinstance(cell, str) else str(cell), na_action="ignore")
    written = dates.astype("str").str.fullmatch(ISO_DATE).fillna(False).astype(bool)
    moments: pd.Series = pd.to_datetime(
        dates.where(written).astype(object).str.replace("/", "-"), utc=True, format="ISO8601", errors="coerce"
    )
    return moments
