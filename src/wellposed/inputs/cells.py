"""Cells of a text file as columns: what is missing, what is a number, what is text."""

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from wellposed.errors import BadInput

USUAL_MARKS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "None", "?", "-")
DECIMAL_COMMA = r"[+-]?\d*(,\d+)?([eE][+-]?\d+)?"
THOUSANDS = r"[+-]?\d{1,3},\d{3}"
FEW_MARKS, FEW_ROWS = 3, 0.05


def read_cells(
    cells: pa.StringArray, *, where: str, missing: Collection[str], keep_text: bool = False
) -> tuple[pd.Series, str]:
    """A column of text cells as numbers or text, NaN where missing, and a note (empty where there is nothing to tell).

    Blanks around a cell do not count. A column is numbers if every cell is one that is not missing; whole numbers
    become integers where none is missing. Text such as `1,5` is read as 1.5 if the whole column is written so.

    Args:
        cells: The cells as written.
        where: What a message calls the column, for example `prices.csv, column 'area'`.
        missing: Marks of missing values besides the usual ones.
        keep_text: Do not look for numbers.
    """
    trimmed = pc.utf8_trim_whitespace(cells)
    marks = pa.array([*USUAL_MARKS, *(mark.strip() for mark in missing)], type=pa.string())
    text = pc.if_else(pc.is_in(trimmed, value_set=marks), pa.scalar(None, pa.string()), trimmed)
    if text.null_count == len(text):
        return pd.Series(np.full(len(text), np.nan)), ""
    if keep_text:
        return text.to_pandas(), ""
    try:
        return _whole(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)), ""
    except pa.ArrowInvalid:
        return _mixed(text, where)


def _mixed(text: pa.StringArray, where: str) -> tuple[pd.Series, str]:
    """A column of which some cells are no plain numbers."""
    encoded = text.dictionary_encode()
    spelled = encoded.dictionary.to_pandas().astype(object)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    values = pd.to_numeric(spelled, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.isnan(values)
    if not wrong.any():
        return _spread(values, codes), ""
    commas = spelled[wrong]
    if commas.str.fullmatch(DECIMAL_COMMA).all() and commas.str.contains(",").any():
        if commas.str.fullmatch(THOUSANDS).all():
            do = "Write it without a mark for thousands, or with a decimal point."
            raise _not_a_number(where, codes, wrong, spelled, do)
        values = pd.to_numeric(spelled.str.replace(",", "."), errors="coerce").to_numpy(dtype=np.float64)
        return _spread(values, codes), f"{where} is written with decimal commas and was read as numbers."
    counts = np.bincount(codes[codes >= 0], minlength=len(spelled))
    n_wrong = int(counts[wrong].sum())
    if wrong.sum() <= FEW_MARKS and n_wrong < FEW_ROWS * len(text):
        raise _not_a_number(where, codes, wrong, spelled, "Name it in --missing.")
    mixed = 2 * n_wrong < counts.sum()
    first = spelled[wrong].iloc[0]
    note = f"{where} holds text such as {first!r} among its numbers and was read as categories." if mixed else ""
    return text.to_pandas(), note


def _not_a_number(where: str, codes: np.ndarray, wrong: np.ndarray, spelled: pd.Series, do: str) -> BadInput:
    row = int((np.append(wrong, False)[codes]).argmax())
    file, _, column = where.partition(", column ")
    return BadInput(f"{file}, row {row + 1}, column {column}: found {spelled[codes[row]]!r}, expected a number. {do}")


def _spread(values: np.ndarray, codes: np.ndarray) -> pd.Series:
    return _whole(np.append(values, np.nan)[codes])


def _whole(values: np.ndarray) -> pd.Series:
    """Integers, where all are whole and none is missing."""
    exact = np.isfinite(values).all() and (np.abs(values) < 2**53).all() and (values == np.floor(values)).all()
    return pd.Series(values.astype(np.int64) if exact else values)
