"""IDX files, MNIST's format: two zero bytes, a type, a number of axes, their sizes, and the values, big-endian."""

import math
from pathlib import Path

import numpy as np

from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.inputs.table import read_bytes

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, gzip-compressed or not; a file cut short or of another format is refused."""
    raw = read_bytes(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in TYPES or raw[3] == 0:
        raise refusal(path.name, "begin with the four bytes of an IDX file", raw[:4], "It is damaged or no IDX file.")
    dtype, n_axes = np.dtype(TYPES[raw[2]]), raw[3]
    start = 4 + 4 * n_axes
    if len(raw) < start:
        raise BadInput(f"{path.name} must hold a header of {start} bytes. Got {len(raw)} bytes: it is cut short.")
    shape = tuple(int(size) for size in np.frombuffer(raw, dtype=">u4", count=n_axes, offset=4))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(raw) != expected:
        state = "it is cut short" if len(raw) < expected else "it is too long"
        raise BadInput(f"{path.name} must hold {expected} bytes, as its header says. Got {len(raw)}: {state}.")
    return np.frombuffer(raw, dtype=dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_idx_pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Images and labels of a part (`train` or `t10k`), or None where the folder has neither file."""
    found = {what: _find(folder, part, what) for what in ("images", "labels")}
    if not any(found.values()):
        return None
    for what, paths in found.items():
        if not paths:
            raise BadInput(f"{folder.name} must hold {part}-{what}-idx{3 if what == 'images' else 1}-ubyte[.gz].")
    images, labels = read_idx(found["images"][0]), read_idx(found["labels"][0])
    if images.ndim not in (3, 4):
        raise refusal(found["images"][0].name, "have three axes", images.shape, "Are these the images?")
    if labels.ndim != 1:
        raise refusal(found["labels"][0].name, "have one axis", labels.shape, "Are these the labels?")
    if len(images) != len(labels):
        raise BadInput(
            f"{folder.name} must have a label for every image. Got {len(images)} images, {len(labels)} labels."
        )
    return images, labels


def _find(folder: Path, part: str, what: str) -> list[Path]:
    """The files of a part, plain ones first."""
    found = [path for path in folder.glob(f"{part}-{what}*") if path.is_file()]
    return sorted(found, key=lambda path: (path.suffix == ".gz", path.name))
