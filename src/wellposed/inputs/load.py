"""DATA as the user names it, read, checked and described; nothing is fitted to it yet."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput
from wellposed.inputs.columns import as_text, column_kind, numbers
from wellposed.inputs.dataset import Data, Features, Kind, Part, Task
from wellposed.inputs.frame import require_columns
from wellposed.inputs.source import RawImages, RawTable, read_folder, read_source

TASKS = ("auto", "classification", "regression")
FEWEST_ROWS = 5
MOST_GRADES = 20  # integers with more distinct values than this are a quantity, not classes


def load(
    source: str,
    *,
    target: str | None = None,
    task: Literal["auto", "classification", "regression"] = "auto",
    test: str | None = None,
    limit: int | None = None,
    infinite_is_missing: bool = False,
    missing: tuple[str, ...] = (),
) -> Data:
    """Read a data set.

    Task `auto`: a target that is no number asks for classification. A numeric one does too if all its values are
    whole, at most 20 differ, and there are at least two rows for each on average; otherwise it asks for regression.

    Args:
        source: A `.csv`, `.tsv` or `.parquet` file (also gzip-compressed), an `.npz` with `X` and `y`, a folder of
            IDX files, or a built-in name; a path that exists wins over a name.
        target: Name of the column to predict; the last one by default.
        task: What is asked.
        test: A file of test rows in the same format; for a folder of IDX files, another one.
        limit: Keep the first training rows only.
        infinite_is_missing: Take infinities as missing instead of refusing them.
        missing: Marks of missing values besides the usual ones (empty, NA, N/A, NaN, null, None, ?, -).
    """
    if task not in TASKS:
        raise refusal("--task", f"be one of {', '.join(TASKS)}", task, nearest(task, TASKS))
    if limit is not None and limit < 1:
        raise refusal("--limit", "be at least 1", limit)
    if isinstance(missing, str):
        raise refusal("missing", "be a tuple of marks", missing)
    raw = read_source(source, missing=missing, limit=limit)
    notes = list(raw.notes)
    if isinstance(raw, RawTable):
        column = _pick_target(raw, target, notes)
        features, label = _part_of_table(raw, column, infinite_is_missing)
        own_test = _test_table(test, raw, column, missing, infinite_is_missing) if test else None
    else:
        column = raw.target
        if target not in (None, column):
            raise refusal("--target", f"be {column!r} for images", target)
        features, label = raw.images, pd.Series(raw.labels, name=column)
        own_test = _test_images(test, raw) if test else raw.test and (raw.test[0], pd.Series(raw.test[1], name=column))
    asked = _decide_task(label, task, raw, notes)
    rows = _settle(features, label, asked, raw.name, infinite_is_missing, notes)
    test_rows = None
    if own_test is not None:
        test_rows = _settle(own_test[0], own_test[1], asked, "The test set", infinite_is_missing, notes)
    _check_rows(rows, test_rows, asked, raw.name, column, notes)
    kind: Kind = "table" if isinstance(raw, RawTable) else "images"
    return Data(raw.name, kind, asked, column, rows, test_rows, tuple(notes), fingerprint(rows, test_rows))


def fingerprint(rows: Part, test: Part | None) -> str:
    """SHA-256 over the names and values of the features and the targets, whatever file they came from."""
    digest = hashlib.sha256()
    for part in (rows, test) if test is not None else (rows,):
        features = part.features
        if isinstance(features, pd.DataFrame):
            for name, column in features.items():
                digest.update(f"\0{name}\0".encode(errors="surrogatepass"))
                digest.update(_content(column.to_numpy()))
        else:
            digest.update(f"\0{features.shape}{features.dtype}".encode())
            digest.update(np.ascontiguousarray(features))
        digest.update(b"\0target\0" + _content(part.target))
    return digest.hexdigest()


def _content(values: np.ndarray) -> bytes:
    if values.dtype.kind in "iufb":
        return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
    return "\0".join([str(value) for value in values.tolist()]).encode(errors="surrogatepass")


def _pick_target(raw: RawTable, target: str | None, notes: list[str]) -> str:
    names = [str(name) for name in raw.frame.columns]
    if len(names) < 2:
        raise refusal(raw.name, "have a column to predict and one to learn from", names)
    if target is None and raw.target is not None:
        return raw.target
    if target is None:
        notes.append(f"The target is the last column, {names[-1]!r}; --target names another.")
        return names[-1]
    if target in names:
        return target
    if target.strip() in names:
        return target.strip()
    raise refusal("--target", f"name a column of {raw.name}", target, nearest(target, names))


def _part_of_table(raw: RawTable, target: str, infinite_is_missing: bool) -> tuple[pd.DataFrame, pd.Series]:
    """The features, without infinities, and the target."""
    frame = raw.frame.copy(deep=False)
    for name, column in frame.items():
        if pd.api.types.is_float_dtype(column.dtype) and np.isinf(column.to_numpy(np.float64, na_value=np.nan)).any():
            frame[name] = numbers(column, where=raw.name, infinite_is_missing=infinite_is_missing)
    return frame.drop(columns=[target]), frame[target]


def _test_table(
    test: str, raw: RawTable, target: str, missing: tuple[str, ...], infinite_is_missing: bool
) -> tuple[pd.DataFrame, pd.Series]:
    """Test rows, typed as the training rows are."""
    train = raw.frame
    text = [str(name) for name, column in train.items() if column_kind(column) != "numeric" and column.notna().any()]
    found = _existing(test, missing, text)
    if not isinstance(found, RawTable):
        raise refusal("--test", "be a table like the training rows", test)
    require_columns(found.frame, [str(name) for name in train.columns], found.name)
    for name in train.columns.difference(text):
        if train[name].notna().any():
            numbers(found.frame[name], where=found.name, infinite_is_missing=infinite_is_missing)
    return _part_of_table(found, target, infinite_is_missing)


def _test_images(test: str, raw: RawImages) -> tuple[np.ndarray, pd.Series]:
    found = read_folder(Path(test)) if Path(test).is_dir() else _existing(test, (), ())
    if not isinstance(found, RawImages):
        raise refusal("--test", "hold images like the training rows", test)
    images, labels = found.test or (found.images, found.labels)
    if images.shape[1:] != raw.images.shape[1:]:
        raise refusal("The images of --test", f"be of the shape {raw.images.shape[1:]}", images.shape[1:])
    return images, pd.Series(labels, name=raw.target)


def _existing(test: str, missing: tuple[str, ...], text: list[str] | tuple[()]) -> RawTable | RawImages:
    if not Path(test).exists():
        beside = Path(test).parent
        names = [path.name for path in beside.iterdir()] if beside.is_dir() else []
        raise refusal("--test", "be a file of test rows", test, nearest(Path(test).name, names))
    return read_source(test, missing=missing, text=text)


def _decide_task(label: pd.Series, task: str, raw: RawTable | RawImages, notes: list[str]) -> Task:
    """What is asked, where the user leaves it open; whole numbers that belong to images are classes however many."""
    name, is_table = raw.name, isinstance(raw, RawTable)
    present = label.dropna()
    if present.empty:
        raise BadInput(f"{name}, column {str(label.name)!r}: every value of the target is missing, expected some.")
    numeric = column_kind(label) == "numeric"
    if task == "regression":
        if not numeric:
            row = int(label.notna().to_numpy().argmax())
            found = f"found {label.iloc[row]!r}, expected a number, as --task regression asks"
            raise BadInput(f"{name}, row {row + 1}, column {str(label.name)!r}: {found}. Take --task classification.")
        return "regression"
    if task == "classification" or not numeric:
        return "classification"
    values = numbers(present, where=name, infinite_is_missing=True)
    distinct = np.unique(values)
    few = len(distinct) <= MOST_GRADES and 2 * len(distinct) <= len(values)
    if not (distinct == np.floor(distinct)).all() or (is_table and not few):
        return "regression"
    if len(distinct) > 2 and isinstance(raw, RawTable) and raw.target is None:
        what = f"The target {str(label.name)!r} has {len(distinct)} whole values and was taken as classes"
        notes.append(f"{what}; --task regression takes it as a number.")
    return "classification"


def _settle(
    features: Features, label: pd.Series, task: Task, name: str, infinite_is_missing: bool, notes: list[str]
) -> Part:
    """The rows that have a target, and the target in its final type."""
    if task == "regression":
        label = pd.Series(numbers(label, where=name, infinite_is_missing=infinite_is_missing), name=label.name)
    keep = label.notna().to_numpy()
    if not keep.all():
        n = int((~keep).sum())
        notes.append(f"{name}: dropped {n} row{'s' if n > 1 else ''} without a target.")
        features = features[keep].reset_index(drop=True) if isinstance(features, pd.DataFrame) else features[keep]
    target = label[keep]
    return Part(features, target.to_numpy(np.float64) if task == "regression" else _labels(target))


def _labels(label: pd.Series) -> np.ndarray:
    """Class labels as read: booleans, integers (also where written 1.0), other numbers, or text."""
    if column_kind(label) == "numeric":
        if pd.api.types.infer_dtype(label) == "boolean":
            return label.to_numpy(dtype=bool)
        if pd.api.types.is_integer_dtype(label.dtype):
            return label.to_numpy(dtype=np.int64)
        values = numbers(label, where="The target")
        whole = (values == np.floor(values)).all()
        return values.astype(np.int64) if whole else values
    if isinstance(label.dtype, pd.CategoricalDtype):
        return _labels(label.astype(label.cat.categories.dtype))
    return np.array([as_text(value) for value in label], dtype=object)


def _check_rows(rows: Part, test: Part | None, task: Task, name: str, column: str, notes: list[str]) -> None:
    if len(rows) < FEWEST_ROWS:
        raise refusal(name, f"have at least {FEWEST_ROWS} rows with a target", len(rows))
    if test is not None and len(test) == 0:
        raise BadInput("The test set must have rows with a target. Got none.")
    if task == "regression":
        return
    counts = pd.Series(rows.target).value_counts()
    where = f"{name}, column {column!r}"
    if len(counts) == 1:
        raise BadInput(f"{where}: the target must have at least two classes. Got {counts.index[0]!r} in every row.")
    if counts.max() == 1:
        raise BadInput(f"{where}: a class must have more than one row. Got {len(counts)} rows and as many classes.")
    single = [str(label) for label in counts.index[counts == 1]]
    if single:
        listed = ", ".join(single[:5]) + (", ..." if len(single) > 5 else "")
        who = f"class {listed} has one row" if len(single) == 1 else f"classes {listed} have one row each"
        notes.append(f"{where}: {who}, to learn from only.")
    if test is not None:
        known = set(rows.target.tolist())
        unseen = sorted({str(label) for label in test.target.tolist() if label not in known})
        if unseen:
            do = "A larger --limit may bring them in."
            raise BadInput(
                f"The test set must have the classes of the training rows. Got also {', '.join(unseen)}. {do}"
            )
