from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wellposed.errors import BadInput
from wellposed.inputs import source
from wellposed.inputs.source import RawImages, RawTable, read_folder, read_source


def write_idx(folder: Path, part: str, n: int) -> None:
    folder.mkdir(exist_ok=True)
    header = bytes([0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 2])
    (folder / f"{part}-images-idx3-ubyte").write_bytes(header + bytes(range(4 * n)))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, n, *range(n)]))


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.csv.gz", "a.parquet"])
def test_files_of_tables(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    path = tmp_path / name
    if name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if "TSV" in name else ",")
    raw = read_source(str(path), limit=2)
    assert isinstance(raw, RawTable)
    assert (raw.name, raw.target, raw.frame.to_dict("list")) == (name, None, {"a": [1, 2], "b": ["x", "y"]})


def test_arrays_with_2_axes_are_a_table(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.arange(6.0).reshape(3, 2), y=np.array([7, 8, 9]))
    raw = read_source(str(tmp_path / "a.npz"), limit=2)
    assert isinstance(raw, RawTable)
    assert (raw.target, raw.frame.to_dict("list")) == ("y", {"x0": [0, 2], "x1": [1, 3], "y": [7, 8]})


def test_arrays_with_more_axes_are_images(tmp_path: Path) -> None:
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    np.savez(tmp_path / "a.npz", X=images, y=np.array(["u", "v", "u"]))
    raw = read_source(str(tmp_path / "a.npz"), limit=2)
    assert isinstance(raw, RawImages)
    np.testing.assert_array_equal(raw.images, images[:2])
    assert (raw.labels.tolist(), raw.target, raw.test) == (["u", "v"], "y", None)


def test_a_folder_of_idx_files_brings_its_test_set(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", 6)
    assert read_folder(tmp_path).test is None
    write_idx(tmp_path, "t10k", 5)
    raw = read_source(str(tmp_path), limit=3)
    assert isinstance(raw, RawImages)
    assert raw.test is not None
    assert (raw.labels.tolist(), raw.test[1].tolist()) == ([0, 1, 2], [0, 1, 2, 3, 4])
    assert (raw.name, raw.images[1].tolist()) == (tmp_path.name, [[4, 5], [6, 7]])


def test_a_path_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(read_source("iris"), RawTable)
    write_idx(tmp_path / "iris", "train", 3)
    assert isinstance(read_source("iris"), RawImages)


def test_the_environment_wins_over_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WELLPOSED_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    write_idx(tmp_path / "data" / "mnist", "train", 3)
    raw = read_source("mnist")
    assert isinstance(raw, RawImages)
    assert (raw.name, len(raw.images)) == ("mnist", 3)


def test_the_customary_split_of_what_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WELLPOSED_DATA", raising=False)
    everything = np.zeros((70_000, 1, 1), dtype=np.uint8), np.arange(70_000)
    monkeypatch.setattr(source, "fetch_images", lambda name: everything)
    for limit, n in ((None, 60_000), (10, 10)):
        raw = read_source("fashion_mnist", limit=limit)
        assert isinstance(raw, RawImages)
        assert raw.test is not None
        assert (len(raw.labels), raw.labels[-1]) == (n, n - 1)
        assert (len(raw.test[1]), raw.test[1][0]) == (10_000, 60_000)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("irs", r"DATA must be a file, a folder, or a built-in name. Got 'irs'. Did you mean 'iris'\?"),
        ("prces.csv", r"Did you mean 'prices.csv'\?"),
        ("nowhere/prices.csv", "Got 'nowhere/prices.csv'. Known: breast_cancer, "),
        ("x" * 10_000, "Known: breast_cancer, "),
        ("a\0b", r"Got 'a\\x00b'"),
        ("", "Got ''. Known: "),
        ("notes.txt", r"notes.txt must end in .csv, .tsv, .parquet, .npz. Got '.txt'"),
        ("folder", r"The folder 'folder' must hold IDX files .*, or a sub-folder of pictures for each class. Got none"),
    ],
)
def test_what_is_no_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("prices.csv", "notes.txt"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match=words):
        read_source(asked)


def test_cells_that_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('said,x\n" NA ",NA\n?,1\n')
    raw = read_source(str(tmp_path / "a.csv"), verbatim=("said",))
    assert isinstance(raw, RawTable)
    assert raw.frame["said"].tolist() == [" NA ", "?"]
    assert raw.frame["x"].isna().tolist() == [True, False]


def test_a_folder_of_pictures_is_one_of_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for label in "ab":
        (tmp_path / label).mkdir()
        image.new("L", (4, 3)).save(tmp_path / label / "0.png")
    raw = read_source(str(tmp_path), size=5)
    assert isinstance(raw, RawImages)
    assert (raw.images.shape, raw.labels.tolist(), raw.target, raw.test) == ((2, 5, 5), ["a", "b"], "class", None)
    write_idx(tmp_path, "train", 3)
    assert read_folder(tmp_path).target == "label"
    with pytest.raises(BadInput, match="--size must go with a folder that has a sub-folder of pictures"):
        read_source(str(tmp_path), size=5)
