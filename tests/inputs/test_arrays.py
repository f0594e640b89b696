import zipfile
from pathlib import Path

import numpy as np
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.arrays import read_npz


def write(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "a.npz", allow_pickle=True, **arrays)
    return folder / "a.npz"


@pytest.mark.parametrize("shape", [(6, 3), (6, 4, 5), (6, 4, 5, 3)])
def test_what_was_saved_comes_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    features, target = np.random.default_rng(0).normal(size=shape), np.arange(6)
    found, labels = read_npz(write(tmp_path, X=features, y=target[:, None]))
    np.testing.assert_array_equal(found, features)
    np.testing.assert_array_equal(labels, target)


def test_compressed_archives_and_text(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", X=np.array([["a", "b"]] * 3), y=np.array(["u", "v", "u"]))
    features, labels = read_npz(tmp_path / "a.npz")
    assert (features[0].tolist(), labels.tolist()) == (["a", "b"], ["u", "v", "u"])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((5, 2)), "y": np.zeros(5)}, r"a.npz must hold the arrays X and y. Got \['x', 'y'\]"),
        ({"X": np.zeros((5, 2)), "Y": np.zeros(5)}, r"Got \['X', 'Y'\]"),
        ({"X": np.zeros((5, 2)), "y": np.zeros(4)}, "X and y in a.npz must be of one length. Got 5 and 4"),
        ({"X": np.zeros((5, 2)), "y": np.zeros((5, 3))}, r"y in a.npz must have one axis. Got \(5, 3\)"),
        ({"X": np.zeros(5), "y": np.zeros(5)}, r"X in a.npz must have 2 axes .* Got \(5,\)"),
        ({"X": np.zeros((0, 2)), "y": np.zeros(0)}, "X in a.npz must hold rows and columns"),
        ({"X": np.array([[{}]] * 5), "y": np.zeros(5)}, "a.npz must hold no pickled objects"),
        ({"X": np.zeros((5, 2)), "y": np.array([None] * 5)}, "a.npz must hold no pickled objects"),
        ({"X": np.zeros((5, 2), dtype=complex), "y": np.zeros(5)}, "X in a.npz must be numbers.* Got 'complex128'"),
        ({"X": np.full((5, 2, 2), "a"), "y": np.zeros(5)}, "X in a.npz must be numbers. Got '<U1'"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_npz(write(tmp_path, **arrays))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = write(tmp_path, X=np.array([[Trap(tmp_path / "executed")]] * 5), y=np.zeros(5))
    with pytest.raises(BadInput, match="pickles are never read"):
        read_npz(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("cut", [10, 100, -30])
def test_a_damaged_archive_is_refused(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, X=np.zeros((5, 2)), y=np.zeros(5))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput, match=r"a.npz must be a whole .npz archive"):
        read_npz(path)


def test_one_array_alone_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 2)))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(BadInput, match=r"a.npz must be a whole .npz archive. .* numpy.savez writes one"):
        read_npz(tmp_path / "a.npz")


class Trap:
    """What a pickle would execute on reading."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("dtype", ["f2", ">f4", ">f8", "u1", ">i2", "?", "U4", "M8[D]"])
def test_any_plain_type_comes_back(tmp_path: Path, dtype: str) -> None:
    features, target = np.arange(12).reshape(6, 2).astype(dtype), np.arange(6).astype(dtype)
    found, labels = read_npz(write(tmp_path, X=features, y=target))
    np.testing.assert_array_equal(found, features)
    np.testing.assert_array_equal(labels, target)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.array(3), r"y in a.npz must have one axis. Got \(\)"),
        (np.array([b"a"] * 5), r"y in a.npz must be numbers, text or dates. Got '\|S1'"),
        (np.zeros(5, dtype=[("a", int)]), r"y in a.npz must be numbers, text or dates"),
    ],
)
def test_targets_that_are_none_are_refused(tmp_path: Path, y: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_npz(write(tmp_path, X=np.zeros((5, 2)), y=y))


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("X.npy", "no array")
        archive.writestr("y.npy", "no array")
    with pytest.raises(BadInput, match=r"X in a.npz must be numbers"):
        read_npz(tmp_path / "a.npz")
