"""DATA as the user names it, read, checked and described; nothing is fitted to it yet."""

import hashlib
import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from wellposed.checks import check_count, nearest, refusal
from wellposed.inputs.columns import column_kind, numbers
from wellposed.inputs.dataset import Data, Features, Kind, Part, Sequences, Texts, take
from wellposed.inputs.folder import read_test_folder
from wellposed.inputs.forms import NONE, SEQUENCE, Form, find_form
from wellposed.inputs.frame import require_columns
from wellposed.inputs.idx import read_idx_pair
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
    text: str | None = None,
    sequence: str | None = None,
    step: str | None = None,
    size: int | None = None,
) -> Data:
    """Read a data set.

    Task `auto`: a target that is no number asks for classification. A numeric one does too if all its values are
    whole, at most 20 differ, and there are at least two rows for each on average; otherwise it asks for regression.

    Args:
        source: A `.csv`, `.tsv` or `.parquet` file (also gzip-compressed), an `.npz` with `X` and `y`, a folder of
            IDX files or of pictures (a sub-folder for each class, perhaps within `train` and `test`), or a built-in
            name; a path that exists wins over a name.
        target: Name of the column to predict; the last one by default.
        task: What is asked.
        test: A file of test rows in the same format; for a folder, another one.
        limit: Keep the first training rows (texts, sequences, images) only.
        infinite_is_missing: Take infinities as missing instead of refusing them.
        missing: Marks of missing values besides the usual ones (empty, NA, N/A, NaN, null, None, ?, -).
        text: Name of the column of texts to learn from, alone.
        sequence: Name of the column that says which sequence a row belongs to; a column `sequence_id` is taken without
            being asked for, unless this is "none".
        step: Name of the column that orders the rows of a sequence; a column `step` likewise.
        size: Make the pictures of a folder squares of this size.
    """
    if task not in TASKS:
        raise refusal("--task", f"be one of {', '.join(TASKS)}", task, nearest(task, TASKS))
    if limit is not None and limit < 1:
        raise refusal("--limit", "be at least 1", limit)
    if isinstance(missing, str):
        raise refusal("missing", "be a tuple of marks", missing)
    if size is not None:
        check_count("--size", size)
    ids = (sequence or SEQUENCE,) if text is None and sequence != NONE else ()
    reading = partial(read_source, source, missing=missing, text=ids, verbatim=() if text is None else (text,))
    raw = reading(limit=limit, size=size)
    notes: list[str] = []
    form = Form(infinite_is_missing=infinite_is_missing)
    if isinstance(raw, RawTable):
        form, told = find_form(
            raw.frame, text=text, sequence=sequence, step=step, target=target, where=raw.name,
            infinite_is_missing=infinite_is_missing,
        )  # fmt: skip
        if form.kind == "sequence" and limit is not None:
            raw = reading()
    if isinstance(raw, RawTable):
        notes += [*raw.notes, *told]
        column = _pick_target(raw, target, form, notes)
        given, told = _part_of_table(raw, column, form)
        notes += told
        if form.kind == "sequence":
            given = take(given[0], np.arange(len(given[1]))[:limit]), given[1].iloc[:limit]
        given_test = _test_table(test, raw, column, missing, form) if test else None
    else:
        notes += raw.notes
        for flag, name in {"--text": text, "--sequence": sequence, "--step": step}.items():
            if name is not None:
                raise refusal(flag, "go with a table", f"images in {raw.name}")
        column = raw.target
        if target not in (None, column):
            raise refusal("--target", f"be {column!r} for images", target)
        given = raw.images, pd.Series(raw.labels, name=column)
        given_test = _test_images(test, raw) if test else _own_test_images(raw)
    kind: Kind = form.kind if isinstance(raw, RawTable) else "images"
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
    content, flags = fingerprint(rows, test_rows), form.flags if size is None else ("--size", str(size))
    return Data(raw.name, kind, asked, column, rows, test_rows, tuple(dict.fromkeys(notes)), content, flags)


def fingerprint(rows: Part, test: Part | None) -> str:
    """SHA-256 over the names and values of the features and the targets, whatever file they came from."""
    digest = hashlib.sha256()
    for part in (rows, test) if test is not None else (rows,):
        features = part.features
        if isinstance(features, np.ndarray):
            digest.update(f"\0{features.shape}{features.dtype}".encode())
            digest.update(np.ascontiguousarray(features).data)
        elif isinstance(features, Texts):
            digest.update(_named(features.column, features.values))
        else:
            if isinstance(features, Sequences):
                digest.update(b"\0sequences\0" + _content(features.lengths))
                features = features.steps
            for name, column in features.items():
                digest.update(_named(str(name), column.to_numpy()))
        digest.update(b"\0target\0" + _content(part.target))
    return digest.hexdigest()


def _named(name: str, values: np.ndarray) -> bytes:
    return f"\0{name}\0".encode(errors="surrogatepass") + _content(values)


def _content(values: np.ndarray) -> bytes:
    if values.dtype.kind in "iufb":
        return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
    return "\0".join([str(value) for value in values.tolist()]).encode(errors="surrogatepass")


def _pick_target(raw: RawTable, target: str | None, form: Form, notes: list[str]) -> str:
    names = [str(name) for name in raw.frame.columns]
    free = [name for name in names if name not in form.columns]
    if len(names) < 2 or not free:
        raise refusal(raw.name, "have a column to predict and one to learn from", names)
    if target is None and raw.target is not None:
        return raw.target
    if target is None:
        which = "last column" if free[-1] == names[-1] else "last of the other columns"
        notes.append(f"The target is the {which}, {free[-1]!r}; --target names another.")
        return free[-1]
    if target in names:
        return target
    if target.strip() in names:
        return target.strip()
    raise refusal("--target", f"name a column of {raw.name}", target, nearest(target, names))


def _part_of_table(raw: RawTable, target: str, form: Form) -> tuple[Given, tuple[str, ...]]:
    """The features, without infinities, and the target; and notes."""
    frame = raw.frame.copy(deep=False)
    for name, column in frame.items() if form.kind != "text" else ():
        if pd.api.types.is_float_dtype(column.dtype) and np.isinf(column.to_numpy(np.float64, na_value=np.nan)).any():
            frame[name] = numbers(column, where=raw.name, infinite_is_missing=form.infinite_is_missing)
    features, label, notes = form.read(frame.drop(columns=[target]), frame[target], where=raw.name)
    return (features, label), notes


def _test_table(test: str, raw: RawTable, target: str, missing: tuple[str, ...], form: Form) -> Given:
    """Test rows, typed as the training rows are."""
    train = raw.frame[[form.column, target]] if form.kind == "text" else raw.frame
    text = [str(name) for name, column in train.items() if column_kind(column) != "numeric" and column.notna().any()]
    found = _existing(test, missing, text, (form.column,) if form.kind == "text" else ())
    if not isinstance(found, RawTable):
        raise refusal("--test", "be a table like the training rows", test)
    require_columns(found.frame, [str(name) for name in train.columns], found.name)
    for name in train.columns.difference(text):
        if train[name].notna().any():
            numbers(found.frame[name], where=found.name, infinite_is_missing=form.infinite_is_missing)
    return _part_of_table(found, target, form)[0]


def _test_images(test: str, raw: RawImages) -> Given:
    if os.path.isdir(test) and read_idx_pair(Path(test), "train") is None:
        pictures = read_test_folder(Path(test), raw.images.shape[1:])
        return pictures.pixels, pd.Series(pictures.labels, name=raw.target)
    found = _existing(test, (), ())
    if not isinstance(found, RawImages):
        raise refusal("--test", "hold images like the training rows", test)
    images, labels = found.test or (found.images, found.labels)
    if images.shape[1:] != raw.images.shape[1:]:
        raise refusal("The images of --test", f"be of the shape {raw.images.shape[1:]}", images.shape[1:])
    return images, pd.Series(labels, name=raw.target)


def _own_test_images(raw: RawImages) -> Given | None:
    return None if raw.test is None else (raw.test[0], pd.Series(raw.test[1], name=raw.target))


def _existing(
    test: str, missing: tuple[str, ...], text: Collection[str], verbatim: Collection[str] = ()
) -> RawTable | RawImages:
    if not os.path.exists(test):  # unlike Path.exists, False for a name that no path can have
        folder, name = os.path.split(test)
        beside = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
        raise refusal("--test", "be a file of test rows", test, nearest(name, beside))
    return read_source(test, missing=missing, text=text, verbatim=verbatim)
