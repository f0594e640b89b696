"""DATA as the user names it, read, checked and described; nothing is fitted to it yet."""

import hashlib
import os
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from wellposed.checks import nearest, refusal
from wellposed.inputs.columns import column_kind, numbers
from wellposed.inputs.dataset import Data, Features, Kind, Part
from wellposed.inputs.frame import require_columns
from wellposed.inputs.labels import check_rows, check_test_rows, decide_task, settle_rows
from wellposed.inputs.source import RawImages, RawTable, read_source

TASKS = ("auto", "classification", "regression")
Given: TypeAlias = tuple[Features, pd.Series]  # features and target as read


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
        given: Given = _part_of_table(raw, column, infinite_is_missing)
        given_test = _test_table(test, raw, column, missing, infinite_is_missing) if test else None
    else:
        column = raw.target
        if target not in (None, column):
            raise refusal("--target", f"be {column!r} for images", target)
        given = raw.images, pd.Series(raw.labels, name=column)
        given_test = _test_images(test, raw) if test else _own_test_images(raw)
    kind: Kind = "table" if isinstance(raw, RawTable) else "images"
    asked, told = decide_task(given[1], task, kind=kind, where=raw.name)
    notes += told if isinstance(raw, RawImages) or raw.target is None else ()
    settle = partial(settle_rows, task=asked, infinite_is_missing=infinite_is_missing)
    rows, told = settle(given[0], given[1], where=raw.name)
    notes += told + check_rows(rows, asked, where=raw.name, target=column)
    test_rows = None
    if given_test is not None:
        test_rows, told = settle(given_test[0], given_test[1], where="The test set")
        notes += told
        check_test_rows(test_rows, rows, asked)
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
            digest.update(np.ascontiguousarray(features).data)
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


def _part_of_table(raw: RawTable, target: str, infinite_is_missing: bool) -> Given:
    """The features, without infinities, and the target."""
    frame = raw.frame.copy(deep=False)
    for name, column in frame.items():
        if pd.api.types.is_float_dtype(column.dtype) and np.isinf(column.to_numpy(np.float64, na_value=np.nan)).any():
            frame[name] = numbers(column, where=raw.name, infinite_is_missing=infinite_is_missing)
    return frame.drop(columns=[target]), frame[target]


def _test_table(test: str, raw: RawTable, target: str, missing: tuple[str, ...], infinite_is_missing: bool) -> Given:
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


def _test_images(test: str, raw: RawImages) -> Given:
    found = _existing(test, (), ())
    if not isinstance(found, RawImages):
        raise refusal("--test", "hold images like the training rows", test)
    images, labels = found.test or (found.images, found.labels)
    if images.shape[1:] != raw.images.shape[1:]:
        raise refusal("The images of --test", f"be of the shape {raw.images.shape[1:]}", images.shape[1:])
    return images, pd.Series(labels, name=raw.target)


def _own_test_images(raw: RawImages) -> Given | None:
    return None if raw.test is None else (raw.test[0], pd.Series(raw.test[1], name=raw.target))


def _existing(test: str, missing: tuple[str, ...], text: list[str] | tuple[()]) -> RawTable | RawImages:
    if not os.path.exists(test):  # unlike Path.exists, False for a name that no path can have
        folder, name = os.path.split(test)
        beside = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
        raise refusal("--test", "be a file of test rows", test, nearest(name, beside))
    return read_source(test, missing=missing, text=text)
