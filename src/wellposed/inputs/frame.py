"""Any data frame as pandas, and the refusals that every frame has to pass, wherever it came from."""

from collections.abc import Collection
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput

NESTED = (list, tuple, dict, set, frozenset, np.ndarray, pd.Series, pd.DataFrame)


def as_pandas(frame: object) -> pd.DataFrame:
    """A table of any library that narwhals understands, or a 2-D array, as pandas: names are text, rows count from 0.

    >>> as_pandas(np.array([[1, 2], [3, 4]])).columns.tolist()
    ['x0', 'x1']
    """
    if isinstance(frame, np.ndarray):
        if frame.ndim != 2:
            raise refusal("A table given as an array", "have 2 axes", frame.shape)
        return pd.DataFrame(frame, columns=[f"x{j}" for j in range(frame.shape[1])])
    if isinstance(frame, pd.DataFrame):
        return frame.set_axis([str(name) for name in frame.columns], axis=1).reset_index(drop=True)
    given: Any = frame
    try:
        native: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(given)
    except TypeError as fault:
        raise refusal("A table", "be a data frame or a 2-D array", type(frame).__name__) from fault
    eager = native.collect() if isinstance(native, nw.LazyFrame) else native
    return eager.to_pandas().reset_index(drop=True)


def check_names(names: Collection[str], where: str) -> None:
    """Refuse a column without a name and two columns of one name."""
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if not name.strip():
            do = "Name it, or delete it if it only numbers the rows."
            raise BadInput(f"{where}, column {place}: found an empty name, expected one. {do}")
        if name in seen:
            raise BadInput(f"{where}: columns {seen[name]} and {place} must differ in name. Got {name!r} twice.")
        seen[name] = place


def check_frame(frame: pd.DataFrame, where: str) -> None:
    """Refuse what no column can be: bad names, complex numbers, and cells that hold lists, dicts or arrays."""
    check_names([str(name) for name in frame.columns], where)
    for name, column in frame.items():
        if pd.api.types.is_complex_dtype(column.dtype):
            found = f"found {complex(column.iloc[0])!r}, expected a real number"
            raise BadInput(f"{where}, row 1, column {str(name)!r}: {found}.")
        nested = isinstance(column.dtype, pd.ArrowDtype) and column.dtype.kind == "O"
        if column.dtype == object or nested:
            row = next((i for i, cell in enumerate(column) if isinstance(cell, NESTED)), None)
            if row is not None:
                kind = type(column.iloc[row]).__name__
                do = "Spread it over several columns, or drop it."
                raise BadInput(
                    f"{where}, row {row + 1}, column {str(name)!r}: found a {kind}, expected one value. {do}"
                )


def require_columns(frame: pd.DataFrame, names: Collection[str], where: str) -> None:
    """Refuse a frame in which one of these columns is missing; other columns do not matter."""
    absent = [name for name in names if name not in frame.columns]
    if absent:
        listed = ", ".join(repr(name) for name in absent[:10]) + (", ..." if len(absent) > 10 else "")
        hint = nearest(absent[0], [str(name) for name in frame.columns])
        raise BadInput(f"{where} must have the columns it was trained on. Missing: {listed}. {hint}".rstrip())
