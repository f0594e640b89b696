"""Tables in long form, one row a step, as sequences: grouped, put in order, gaps filled within each sequence."""

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput
from wellposed.inputs.columns import as_text, column_kind, days, numbers
from wellposed.inputs.dataset import Sequences


def as_sequences(
    frame: pd.DataFrame, *, column: str, step: str = "", where: str, infinite_is_missing: bool = False
) -> tuple[Sequences, Int64[np.ndarray, " S"], tuple[str, ...]]:
    """The sequences of a table in the order in which they begin, the sequence of each row, and notes.

    Numbers that are missing are put on a straight line between their neighbors in time within the sequence, or are
    like the nearest one at an end; what is no number is carried forward. What a sequence never has stays missing.
    Rows that repeat a step are averaged.

    Args:
        frame: One row a step, without the target.
        column: Name of the column that says which sequence a row belongs to.
        step: Name of the column of numbers or dates that orders the rows of a sequence; empty for the order written.
        where: What a message calls the table.
        infinite_is_missing: Take infinities as missing instead of refusing them.

    >>> frame = pd.DataFrame({"id": ["u", "v", "u", "u"], "t": [2, 0, 0, 1], "a": [3.0, 9.0, 1.0, None]})
    >>> found, codes, notes = as_sequences(frame, column="id", step="t", where="a.csv")
    >>> found.steps["a"].tolist(), found.lengths.tolist(), codes.tolist()
    ([1.0, 2.0, 3.0, 9.0], [3, 1], [0, 1, 0, 0])
    >>> notes
    ('a.csv: filled 1 missing cell from its neighbors in the same sequence.',)
    """
    names = [str(name) for name in frame.columns]
    for what, name in (("--sequence", column), ("--step", step)):
        if name and name not in names:
            raise refusal(what, f"name a column of {where}", name, nearest(name, names))
    channels = [name for name in names if name not in (column, step)]
    if not channels:
        raise refusal(where, "have a channel beside the columns of sequences, steps and target", names)
    refuse_missing(frame[column], where, "the name of a sequence")
    codes, ids = pd.factorize(frame[column])
    moments = np.arange(len(frame), dtype=np.float64)
    if step:
        moments = step_numbers(frame[step], where)
    order = np.lexsort((moments, codes))
    sorted_codes, moments = codes[order], moments[order] if step else moments
    steps = frame.iloc[order][channels].reset_index(drop=True)
    for name in channels:
        if column_kind(steps[name]) == "numeric":
            steps[name] = numbers(frame[name], where=where, infinite_is_missing=infinite_is_missing)[order]
    notes: list[str] = []
    new = np.r_[True, (np.diff(sorted_codes) != 0) | (np.diff(moments) != 0)]
    if step and not new.all():
        n = int((~new).sum())
        what = "1 row repeats a step of its sequence" if n == 1 else f"{n} rows repeat a step of their sequence"
        notes.append(f"{where}: {what}; numbers of one step were averaged, of the rest the first was taken.")
        steps, sorted_codes, moments = averaged(steps, np.cumsum(new) - 1), sorted_codes[new], moments[new]
    n = fill_gaps_(steps, sorted_codes, moments)
    if n:
        cells = "1 missing cell from its neighbors" if n == 1 else f"{n} missing cells from their neighbors"
        notes.append(f"{where}: filled {cells} in the same sequence.")
    lengths = np.bincount(sorted_codes, minlength=len(ids)).astype(np.int64)
    return Sequences(steps, lengths, np.asarray(ids, dtype=object), column, step), codes.astype(np.int64), tuple(notes)


def targets_of(
    target: pd.Series, codes: Int64[np.ndarray, " S"], ids: np.ndarray, *, where: str, column: str
) -> pd.Series:
    """The one target of each sequence, missing where no row of it has one; two of them are refused.

    Args:
        target: Of each row.
        codes: The sequence of each row.
        ids: Names of the sequences.
        where: What a message calls the table.
        column: Name of the column of sequences.

    >>> targets_of(pd.Series([1, 0, 1]), np.array([0, 1, 0]), np.array(["u", "v"]), where="a.csv", column="id").tolist()
    [1, 0]
    """
    known = target.notna().to_numpy()
    first = pd.Series(np.flatnonzero(known)).groupby(codes[known]).first()
    places = first.reindex(range(len(ids)))
    values = target.astype(object).to_numpy()
    expected = values[places.fillna(0).to_numpy(dtype=np.int64)]
    expected[places.isna().to_numpy()] = None
    wrong = known & (values != expected[codes])
    if wrong.any():
        row = int(wrong.argmax())
        name = as_text(ids[codes[row]])
        found = f"found {as_text(values[row])!r}, expected {as_text(expected[codes[row]])!r}"
        do = f"as in an earlier row of the sequence {name!r}: the target must be the same for all rows of one {column}"
        raise BadInput(f"{where}, row {row + 1}, column {str(target.name)!r}: {found}, {do}.")
    if not places.isna().any():
        return target.iloc[places.to_numpy(dtype=np.int64)].reset_index(drop=True)
    return pd.Series(expected, name=target.name).infer_objects()


def step_numbers(column: pd.Series, where: str) -> Float64[np.ndarray, " S"]:
    """Steps or dates as numbers, none of them missing."""
    refuse_missing(column, where, "a step")
    if column_kind(column) == "date":
        return days(column, where=where).to_numpy(dtype="datetime64[us]").astype(np.int64).astype(np.float64)
    return numbers(column, where=where)


def refuse_missing(column: pd.Series, where: str, expected: str) -> None:
    """Refuse a column with a missing value, by its row."""
    missing = column.isna().to_numpy()
    if missing.any():
        row = int(missing.argmax()) + 1
        raise BadInput(f"{where}, row {row}, column {str(column.name)!r}: found a missing value, expected {expected}.")


def averaged(steps: pd.DataFrame, group: Int64[np.ndarray, " S"]) -> pd.DataFrame:
    """Rows of one group as one: means of numbers, and the first of what is no number, missing ones aside."""
    groups = steps.groupby(group)
    numeric = {str(name): column_kind(column) == "numeric" for name, column in steps.items()}
    return pd.DataFrame({name: groups[name].mean() if mean else groups[name].first() for name, mean in numeric.items()})


def fill_gaps_(steps: pd.DataFrame, codes: Int64[np.ndarray, " S"], moments: Float64[np.ndarray, " S"]) -> int:
    """Fill missing cells from the same sequence, in place; how many were filled.

    Args:
        steps: All steps, sequence by sequence, in order.
        codes: The sequence of each.
        moments: When each was.
    """
    n_filled = 0
    for name, column in steps.items():
        missing = column.isna().to_numpy()
        if not missing.any() or missing.all():
            continue
        if column_kind(column) == "numeric":
            values = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
            for code in np.unique(codes[missing]):
                own = slice(*np.searchsorted(codes, [code, code + 1]))
                gap = missing[own]
                if not gap.all():
                    values[own][gap] = np.interp(moments[own][gap], moments[own][~gap], values[own][~gap])
            steps[name] = values
        else:
            groups = column.groupby(codes)
            steps[name] = groups.ffill().fillna(groups.bfill())
        n_filled += int(missing.sum() - steps[name].isna().sum())
    return n_filled
