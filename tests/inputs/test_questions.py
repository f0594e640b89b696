"""Rows to answer for: in the form of the training data, with a name for each where there is one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Sequences, Texts
from wellposed.inputs.encode import TableEncoder
from wellposed.inputs.images import ImageEncoder
from wellposed.inputs.questions import read_questions
from wellposed.inputs.sequences import SequenceEncoder
from wellposed.inputs.text import TextEncoder

STEPS = pd.DataFrame({"a": [1.0, 2.0, 4.0], "mood": ["1", "x", "1"]})
SEQUENCE = SequenceEncoder.fit(Sequences(STEPS, np.array([2, 1]), np.array(["u", "v"]), "id", "t"))
TEXT = TextEncoder.fit(Texts(np.array(["a a"], dtype=object), "said"))
IMAGES = ImageEncoder(shape=(1, 3, 4))


def write(folder: Path, text: str) -> str:
    (folder / "q.csv").write_text(text, encoding="utf-8")
    return str(folder / "q.csv")


def test_texts_stand_as_they_are_written(tmp_path: Path) -> None:
    asked = read_questions(write(tmp_path, 'x,said\n1, NA \n2,?\n3,\n4,"a\nb"\n'), TEXT)
    assert isinstance(asked.features, Texts)
    assert asked.features.values.tolist() == [" NA ", "?", "", "a\nb"]
    assert (asked.column, len(asked.names)) == ("", 0)
    with pytest.raises(BadInput, match=r"q.csv must have the columns it was trained on. Missing: 'said'"):
        read_questions(write(tmp_path, "x\n1\n"), TEXT)


def test_sequences_bring_their_names(tmp_path: Path) -> None:
    path = write(tmp_path, "t,a,mood,id,more\n1,3,1,007,x\n0,,1,007,x\n0,5,?,7,x\n2,6,x,7,x\n1,5,x,7,x\n")
    asked = read_questions(path, SEQUENCE)
    assert isinstance(asked.features, Sequences)
    assert (asked.column, asked.names.tolist()) == ("id", ["007", "7"])
    assert asked.features.steps["a"].tolist() == [3, 3, 5, 5, 6]
    assert asked.features.steps["mood"].tolist() == ["1", "1", "x", "x", "x"]
    assert asked.notes == (
        "q.csv: filled 2 missing cells from their neighbors in the same sequence.",
        "1 sequence is longer than the longest of the training rows and cut at 2 steps.",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,t,a\nu,0,1\n", "Missing: 'mood'"),
        ("id,t,a,mood\nu,1,1,x\nu,0,big,x\n", r"q.csv, row 2, column 'a': found 'big', expected a number"),
        ("id,t,a,mood\nu,1,inf,x\n", r"q.csv, row 1, column 'a': found inf"),
    ],
)
def test_sequences_that_do_not_fit_are_refused_by_the_row_of_the_file(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_questions(write(tmp_path, text), SEQUENCE)


def test_tables_are_read_as_the_training_table_was(tmp_path: Path) -> None:
    encoder = TableEncoder.fit(pd.DataFrame({"code": ["01", "x"], "a": [1.0, 2.0]}))
    asked = read_questions(write(tmp_path, "code,a\n01,?\n"), encoder)
    assert isinstance(asked.features, pd.DataFrame)
    assert asked.features["code"].tolist() == ["01"] and asked.features["a"].isna().all()
    assert asked.names.size == 0


def test_pictures_flat_or_in_folders_take_the_shape_trained_on(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    (tmp_path / "some").mkdir()
    image.new("L", (8, 6), 9).save(tmp_path / "some" / "b.png")
    image.new("RGB", (8, 6), (9, 9, 9)).save(tmp_path / "a.png")
    asked = read_questions(str(tmp_path), IMAGES)
    assert isinstance(asked.features, np.ndarray)
    assert (asked.column, asked.names.tolist(), asked.features.shape) == ("file", ["a.png", "some/b.png"], (2, 3, 4))
    colored = read_questions(str(tmp_path), ImageEncoder(shape=(3, 3, 4)))
    assert isinstance(colored.features, np.ndarray) and colored.features.shape == (2, 3, 4, 3)


def test_arrays_of_images_have_no_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 3, 4)), y=np.zeros(2))
    asked = read_questions(str(tmp_path / "a.npz"), IMAGES)
    assert isinstance(asked.features, np.ndarray) and asked.features.shape == (2, 3, 4) and asked.names.size == 0


@pytest.mark.parametrize(("encoder", "kind"), [(TEXT, "texts"), (SEQUENCE, "sequences"), (IMAGES, "images")])
def test_data_of_another_kind_are_refused(tmp_path: Path, encoder: TextEncoder, kind: str) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 3, 4)), y=np.zeros(2))
    other = write(tmp_path, "a,b\n1,2\n") if encoder is IMAGES else str(tmp_path / "a.npz")
    with pytest.raises(BadInput, match=rf"DATA must be {kind}, as this model was trained on"):
        read_questions(other, encoder)
