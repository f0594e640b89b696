"""The kinds of DATA: which reader a path or a name goes to, and what comes of it, before anything is decided."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput
from wellposed.inputs.arrays import read_npz
from wellposed.inputs.builtin import BUILT_IN, N_TRAIN, TABLES, builtin_folder, builtin_table, fetch_images
from wellposed.inputs.folder import read_class_folders, sub_folders
from wellposed.inputs.frame import as_pandas
from wellposed.inputs.idx import read_idx_pair
from wellposed.inputs.table import SUFFIXES, read_table, table_suffix

KNOWN_SUFFIXES = ", ".join((*SUFFIXES, ".npz"))


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as read, the target among its columns; the last one, unless the source names it or the user does."""

    name: str
    frame: pd.DataFrame
    target: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RawImages:
    """Images `N H W` or `N H W C` as read, the name of what is to be predicted, and the source's own test images."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    target: str
    test: tuple[np.ndarray, np.ndarray] | None = None
    notes: tuple[str, ...] = ()


def read_source(
    source: str,
    *,
    missing: Collection[str] = (),
    limit: int | None = None,
    text: Collection[str] = (),
    verbatim: Collection[str] = (),
    size: int | None = None,
) -> RawTable | RawImages:
    """What a path or a built-in name stands for; a path that exists wins over a name.

    Args:
        source: A path or a name.
        missing: Marks of missing values besides the usual ones of a text file.
        limit: Read the first training rows only.
        text: Names of columns that stay text even where they look like numbers.
        verbatim: Names of columns whose cells stay as they are written.
        size: Make pictures of a folder squares of this size.
    """
    if os.path.exists(source):  # unlike Path.exists, False for a name that no path can have
        path = Path(source)
        if path.is_dir():
            return read_folder(path, limit=limit, size=size)
        _refuse_size(size, source)
        return _read_file(path, missing, limit, text, verbatim)
    _refuse_size(size, source)
    if source in TABLES:
        frame, notes = builtin_table(source)
        return RawTable(source, frame.iloc[:limit], "target", notes)
    if source in BUILT_IN:
        folder = builtin_folder(source)
        if folder is not None:
            return read_folder(folder, limit=limit)
        images, labels = fetch_images(source)
        first = slice(0, min(N_TRAIN, limit or N_TRAIN))
        test = (images[N_TRAIN:], labels[N_TRAIN:])
        return RawImages(source, images[first], labels[first], "label", test)
    raise refusal("DATA", "be a file, a folder, or a built-in name", source, _hint(source))


def read_folder(folder: Path, *, limit: int | None = None, size: int | None = None) -> RawImages:
    """The images of a folder: of IDX files, whose `t10k` files are the test set; or of sub-folders, one a class."""
    name = folder.resolve().name
    pair = read_idx_pair(folder, "train")
    if pair is not None:
        _refuse_size(size, name)
        images, labels = pair
        return RawImages(name, images[:limit], labels[:limit], "label", read_idx_pair(folder, "t10k"))
    if not sub_folders(folder):
        must = "hold IDX files such as train-images-idx3-ubyte.gz, or a sub-folder of pictures for each class"
        raise BadInput(f"The folder {name!r} must {must}. Got none. For another file, name the file itself.")
    train, test = read_class_folders(folder, size=size, limit=limit)
    own_test = None if test is None else (test.pixels, test.labels)
    return RawImages(name, train.pixels, train.labels, "class", own_test, train.notes)


def _refuse_size(size: int | None, name: str) -> None:
    if size is not None:
        raise refusal("--size", "go with a folder that has a sub-folder of pictures for each class", name)


def _read_file(
    path: Path, missing: Collection[str], limit: int | None, text: Collection[str], verbatim: Collection[str]
) -> RawTable | RawImages:
    if path.suffix.lower() == ".npz":
        features, target = read_npz(path)
        if features.ndim != 2:
            return RawImages(path.name, features[:limit], target[:limit], "y")
        return RawTable(path.name, as_pandas(features[:limit]).assign(y=target[:limit]), "y")
    if table_suffix(path) not in SUFFIXES:
        raise refusal(path.name, f"end in {KNOWN_SUFFIXES}", path.suffix)
    frame, notes = read_table(path, missing=missing, limit=limit, text=text, verbatim=verbatim)
    return RawTable(path.name, frame, notes=notes)


def _hint(source: str) -> str:
    """The nearest built-in name or neighbouring file."""
    folder = os.path.dirname(source) or "."
    beside = os.listdir(folder) if os.path.isdir(folder) and os.access(folder, os.R_OK) else []
    paths = [name if os.path.dirname(source) == "" else os.path.join(folder, name) for name in beside]
    near = nearest(source, [*BUILT_IN, *paths])
    return near if near.startswith("Did") else nearest("", BUILT_IN)
