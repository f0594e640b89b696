"""How a table is read: by flags, by names of columns, and how flags are refused."""

import pandas as pd
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Sequences, Texts
from wellposed.inputs.forms import Form, as_texts, find_form

FRAME = pd.DataFrame(
    {"sequence_id": ["1", "1", "2"], "step": [0, 1, 0], "said": ["hi", "", "12"], "a": [1.0, 2, 3], "y": [0, 0, 1]}
)


def find(frame: pd.DataFrame = FRAME, **asked: str) -> tuple[Form, tuple[str, ...]]:
    every = {name: asked.get(name) for name in ("text", "sequence", "step", "target")}
    return find_form(frame, infinite_is_missing=False, where="a.csv", **every)


def test_columns_are_taken_for_what_they_are_called() -> None:
    form, notes = find()
    assert form == Form(kind="sequence", column="sequence_id", step="step")
    assert "'sequence_id' was taken to say which sequence" in notes[0] and "'step' was taken to order" in notes[1]
    assert form.columns == ("sequence_id", "step")
    assert form.flags == ("--sequence", "sequence_id", "--step", "step")


@pytest.mark.parametrize("frame", [FRAME.drop(columns="sequence_id"), FRAME.iloc[1:]])
def test_a_table_without_sequences_stays_a_table(frame: pd.DataFrame) -> None:
    form, notes = find(frame)
    assert (form.kind, form.flags, form.columns, notes) == ("table", (), (), ())


def test_what_is_asked_for_wins() -> None:
    assert find(sequence="none")[0].kind == find(target="sequence_id")[0].kind == "table"
    assert find(sequence="y", target="a")[0] == Form(kind="sequence", column="y", step="step")
    assert find(sequence="y", step="a")[0].step == "a"
    assert find(target="step")[0].step == ""
    form, notes = find(text="said")
    assert (form, form.flags, notes) == (Form(kind="text", column="said"), ("--text", "said"), ())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"text": "sad"}, r"--text must name a column of a.csv. Got 'sad'. Did you mean 'said'\?"),
        ({"text": "said", "step": "step"}, "--text must go without --sequence and --step"),
        ({"text": "y", "target": "y"}, "--text must be another column than --target"),
        ({"text": "a"}, r"a.csv, column 'a': --text must name a column of texts. Got '1.0' in the first row"),
        ({"sequence": "id"}, "--sequence must name a column of a.csv. Got 'id'"),
        ({"sequence": "y", "target": "y"}, "--sequence must be another column than --target"),
        ({"step": "sep"}, r"--step must name a column of a.csv. Got 'sep'. Did you mean 'step'\?"),
        ({"sequence": "y", "step": "y"}, "--step must be another column than --sequence"),
        ({"sequence": "none", "step": "step"}, "--step must go with sequences"),
    ],
)
def test_flags_that_make_no_sense_are_refused(asked: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        find(**asked)


def test_a_step_alone_asks_for_sequences() -> None:
    with pytest.raises(BadInput, match="--step must go with --sequence"):
        find(FRAME.drop(columns="sequence_id"), step="step")


def test_texts_of_empty_cells_alone_are_refused() -> None:
    with pytest.raises(BadInput, match="Got empty cells alone"):
        find(FRAME.assign(said=None), text="said")


def test_each_form_reads_features_and_targets() -> None:
    features, target = FRAME.drop(columns="y"), FRAME["y"]
    assert Form().read(features, target, where="a.csv")[0] is features
    texts, label, notes = Form(kind="text", column="said").read(features, target, where="a.csv")
    assert isinstance(texts, Texts)
    assert (texts.values.tolist(), label.tolist()) == (["hi", "", "12"], [0, 0, 1])
    assert notes == ("Only the texts in 'said' are learnt from; not used: 'sequence_id', 'step', 'a'.",)
    sequences, label, _ = find()[0].read(features, target, where="a.csv")
    assert isinstance(sequences, Sequences)
    assert (sequences.ids.tolist(), sequences.lengths.tolist(), label.tolist()) == (["1", "2"], [2, 1], [0, 1])


def test_texts_of_any_type() -> None:
    assert as_texts(pd.Series(["a", None, float("nan"), 1.5], name="b")).values.tolist() == ["a", "", "", "1.5"]
    assert as_texts(pd.Series(["x", None], dtype="category", name="b")).values.tolist() == ["x", ""]
