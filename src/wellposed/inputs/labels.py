"""The target as read: which task it asks for, which rows have one, and what cannot be learnt from it."""

import numpy as np
import pandas as pd

from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.inputs.columns import column_kind, numbers, texts
from wellposed.inputs.dataset import Features, Kind, Part, Sequences, Task, take

FEWEST_ROWS = 5
MOST_GRADES = 20  # integers with more distinct values than this are a quantity, not classes


def decide_task(label: pd.Series, task: str, *, kind: Kind, where: str) -> tuple[Task, tuple[str, ...]]:
    """What is asked, and a note where that is doubtful.

    `auto` takes for classes what is no number, and whole numbers of which at most 20 differ and each occurs twice on
    average; whole numbers that belong to images are classes however many.

    >>> decide_task(pd.Series([1, 2] * 5), "auto", kind="table", where="a.csv")[0]
    'classification'
    >>> decide_task(pd.Series([1.5, 2] * 5), "auto", kind="table", where="a.csv")[0]
    'regression'
    """
    name = str(label.name)
    present = label.dropna()
    if present.empty:
        raise BadInput(f"{where}, column {name!r}: every value of the target is missing, expected some that are not.")
    numeric = column_kind(label) == "numeric"
    if task == "regression":
        wrong = label.notna() & pd.to_numeric(label.astype(object), errors="coerce").isna()
        if wrong.any() and not numeric:
            row = int(wrong.to_numpy().argmax())
            found = f"found {label.iloc[row]!r}, expected a number, as --task regression asks"
            raise BadInput(f"{where}, row {row + 1}, column {name!r}: {found}. Take --task classification.")
        return "regression", ()
    if task == "classification" or not numeric:
        return "classification", ()
    values = numbers(present, where=where, infinite_is_missing=True)
    distinct = np.unique(values[~np.isnan(values)])
    few = len(distinct) <= MOST_GRADES and 2 * len(distinct) <= len(values)
    if not (distinct == np.floor(distinct)).all() or (kind != "images" and not few):
        return "regression", ()
    if len(distinct) == 2 or kind == "images":
        return "classification", ()
    doubt = f"The target {name!r} has {len(distinct)} whole values and was taken as classes"
    return "classification", (f"{doubt}; --task regression takes it as a number.",)


def settle_rows(
    features: Features, label: pd.Series, *, task: Task, where: str, infinite_is_missing: bool
) -> tuple[Part, tuple[str, ...]]:
    """The rows that have a target, the target in its final type, and a note of what was dropped."""
    if task == "regression":
        label = pd.Series(numbers(label, where=where, infinite_is_missing=infinite_is_missing), name=label.name)
    keep = label.notna().to_numpy()
    target = label[keep]
    final = target.to_numpy(dtype=np.float64) if task == "regression" else _labels(target, where)
    if keep.all():
        return Part(features, final), ()
    kept = take(features, np.flatnonzero(keep))
    if isinstance(kept, pd.DataFrame):
        kept = kept.reset_index(drop=True)
    n, noun = int((~keep).sum()), "sequence" if isinstance(features, Sequences) else "row"
    return Part(kept, final), (f"{where}: dropped {n} {noun}{'s' if n > 1 else ''} without a target.",)


def check_rows(rows: Part, task: Task, *, where: str, target: str) -> tuple[str, ...]:
    """Refuse training rows that nothing can be learnt from; a note names classes of a single row."""
    if len(rows) < FEWEST_ROWS:
        noun = "sequences" if isinstance(rows.features, Sequences) else "rows"
        raise refusal(where, f"have at least {FEWEST_ROWS} {noun} with a target", len(rows))
    if task == "regression":
        return ()
    counts = pd.Series(rows.target).value_counts()
    column = f"{where}, column {target!r}"
    if len(counts) == 1:
        raise BadInput(f"{column}: the target must have at least two classes. Got {counts.index[0]!r} in every row.")
    if counts.max() == 1:
        raise BadInput(f"{column}: a class must have more than one row. Got {len(counts)} rows and as many classes.")
    single = [str(label) for label in counts.index[counts == 1]]
    if not single:
        return ()
    listed = ", ".join(single[:5]) + (", ..." if len(single) > 5 else "")
    who = f"class {listed} has one row only" if len(single) == 1 else f"classes {listed} have one row each"
    return (f"{column}: {who}, which can be learnt from but not be tested.",)


def check_test_rows(test: Part, rows: Part, task: Task) -> None:
    """Refuse test rows of which none has a target, or of which some have a class that training has not."""
    if len(test) == 0:
        raise BadInput("The test set must have rows with a target. Got none.")
    if task == "classification":
        known = set(rows.target.tolist())
        unseen = sorted({str(label) for label in test.target.tolist() if label not in known})
        if unseen:
            found = ", ".join(unseen[:10]) + (", ..." if len(unseen) > 10 else "")
            do = "If --limit left them out, raise it."
            raise BadInput(f"The test set must have the classes of the training rows alone. Got also {found}. {do}")


def _labels(label: pd.Series, where: str) -> np.ndarray:
    """Class labels as read: booleans, integers (also where written 1.0), other numbers, or text."""
    if isinstance(label.dtype, pd.CategoricalDtype):
        return _labels(label.astype(label.cat.categories.dtype), where)
    if column_kind(label) != "numeric":
        codes, known = texts(label)
        return np.asarray(np.array(known, dtype=object)[codes])
    if pd.api.types.infer_dtype(label) == "boolean":
        return label.to_numpy(dtype=bool)
    if pd.api.types.is_integer_dtype(label.dtype):
        return label.to_numpy(dtype=np.int64)
    values = numbers(label, where=where)
    return values.astype(np.int64) if (values == np.floor(values)).all() else values
