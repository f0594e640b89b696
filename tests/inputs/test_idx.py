import gzip
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.idx import read_idx, read_idx_pair


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


def write_pair(folder: Path, part: str, n: int = 6, *, n_labels: int | None = None, suffix: str = "") -> np.ndarray:
    images = np.arange(n * 12, dtype=np.uint8).reshape(n, 3, 4)
    for name, array in (("images-idx3", images), ("labels-idx1", np.arange(n_labels or n, dtype=np.uint8) % 3)):
        raw = idx(array)
        (folder / f"{part}-{name}-ubyte{suffix}").write_bytes(gzip.compress(raw) if suffix == ".gz" else raw)
    return images


def slow_reader(path: Path, n: int) -> tuple[tuple[int, ...], list[int]]:
    """Sizes and the first values, byte by byte."""
    with gzip.open(path) as file:
        zeros, code, n_axes = struct.unpack(">HBB", file.read(4))
        assert (zeros, code) == (0, 8)
        return struct.unpack(f">{n_axes}I", file.read(4 * n_axes)), [file.read(1)[0] for _ in range(n)]


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_mnist_as_a_slow_reader_reads_it(shared_data: Path, name: str) -> None:
    array = read_idx(shared_data / "mnist" / name)
    shape, first = slow_reader(shared_data / "mnist" / name, 2000)
    assert (array.shape, array.dtype.name) == (shape, "uint8")
    assert array.ravel()[:2000].tolist() == first


@pytest.mark.parametrize(("code", "dtype"), [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0E, ">f8")])
def test_every_type_of_number(tmp_path: Path, code: int, dtype: str) -> None:
    array = np.array([[1, 2, 100], [3, 4, 5]], dtype=dtype)
    (tmp_path / "a").write_bytes(idx(array, code))
    found = read_idx(tmp_path / "a")
    assert found.dtype.isnative
    assert found.flags.writeable
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(("suffix", "part"), list(itertools.product(["", ".gz"], ["train", "t10k"])))
def test_images_and_labels_of_a_part(tmp_path: Path, suffix: str, part: str) -> None:
    images = write_pair(tmp_path, part, suffix=suffix)
    pair = read_idx_pair(tmp_path, part)
    assert pair is not None
    np.testing.assert_array_equal(pair[0], images)
    assert pair[1].tolist() == [0, 1, 2, 0, 1, 2]
    assert read_idx_pair(tmp_path, "other") is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (
            idx(np.zeros((2, 3), dtype=np.uint8))[:-1],
            "a must hold 18 bytes, as its header says. Got 17: it is cut short",
        ),
        (idx(np.zeros((2, 3), dtype=np.uint8)) + b"x", "Got 19: it is too long"),
        (b"\0\0\x08\x03\0\0\0\1", "a must hold a header of 16 bytes. Got 8 bytes: it is cut short"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "it is cut short"),
        (b"\x89PNG\r\n", "a must begin with the four bytes of an IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "four bytes of an IDX file"),
        (b"\0\0", "four bytes of an IDX file"),
        (b"", "a must hold data. Got an empty file"),
        (gzip.compress(idx(np.zeros((20, 30), dtype=np.uint8)))[:-9], "a must be a whole gzip file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(raw)
    with pytest.raises(BadInput, match=words):
        read_idx(tmp_path / "a")


def test_images_and_labels_that_differ_in_number_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", 6, n_labels=5)
    with pytest.raises(BadInput, match=r"a label for every image. Got 6 images, 5 labels"):
        read_idx_pair(tmp_path, "train")


@pytest.mark.parametrize("gone", ["images-idx3", "labels-idx1"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, gone: str) -> None:
    write_pair(tmp_path, "train")
    (tmp_path / f"train-{gone}-ubyte").unlink()
    with pytest.raises(BadInput, match=rf"must hold train-{gone}-ubyte\[.gz\]"):
        read_idx_pair(tmp_path, "train")


def test_files_that_changed_places_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "train")
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    raw = images.read_bytes(), labels.read_bytes()
    images.write_bytes(raw[1])
    labels.write_bytes(raw[0])
    with pytest.raises(BadInput, match=r"Are these the images\?"):
        read_idx_pair(tmp_path, "train")
