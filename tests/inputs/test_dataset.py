import numpy as np
import pandas as pd
import torch

from wellposed.inputs.dataset import Part, Rows, Sequences, Texts, take


def test_rows_of_a_part_are_taken_in_the_order_asked_for() -> None:
    table = Part(pd.DataFrame({"a": [1, 2, 3]}), np.array(["x", "y", "z"])).take(np.array([2, 0]))
    assert (table.features["a"].tolist(), table.target.tolist(), len(table)) == ([3, 1], ["z", "x"], 2)
    images = Part(np.arange(12).reshape(3, 2, 2), np.array([0, 1, 2])).take(np.array([1]))
    assert (np.asarray(images.features).tolist(), images.target.tolist()) == ([[[4, 5], [6, 7]]], [1])


def test_encoded_rows_are_taken_with_their_weights() -> None:
    x, codes = torch.arange(6.0).reshape(3, 2), torch.tensor([[2], [3], [4]])
    rows = Rows(x, codes, torch.tensor([0, 1, 0]), torch.tensor([1.0, 2.0, 3.0])).take(torch.tensor([2, 1]))
    assert rows.x.tolist() == [[4.0, 5.0], [2.0, 3.0]]
    assert rows.codes.tolist() == [[4], [3]]
    assert rows.y.tolist() == [0, 1]
    assert rows.weight is not None
    assert rows.weight.tolist() == [3.0, 2.0]
    assert Rows(x, codes, x[:, :1]).take(torch.tensor([0])).weight is None


def test_rows_go_to_another_device_whole() -> None:
    rows = Rows(torch.zeros(1, 2), torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 1), torch.ones(1))
    there = rows.to(torch.device("meta"), torch.float64)
    moved = (there.x, there.codes, there.y, there.weight)
    assert [t.device.type for t in moved if t is not None] == ["meta"] * 4
    assert [t.dtype for t in moved if t is not None] == [torch.float64, torch.int64, torch.float64, torch.float64]


def test_texts_and_sequences_are_taken_whole() -> None:
    texts = Part(Texts(np.array(["a", "b", "c"], dtype=object), "said"), np.array([1, 2, 3])).take(np.array([2, 0]))
    assert isinstance(texts.features, Texts)
    assert (texts.features.values.tolist(), texts.features.column, len(texts.features)) == (["c", "a"], "said", 2)
    steps = pd.DataFrame({"a": [1, 2, 3, 4, 5, 6]})
    sequences = Sequences(steps, np.array([2, 3, 1]), np.array(["u", "v", "w"]), "id", "t")
    taken = take(sequences, np.array([1, 2, 1]))
    assert isinstance(taken, Sequences)
    assert taken.steps["a"].tolist() == [3, 4, 5, 6, 3, 4, 5]
    assert (taken.lengths.tolist(), taken.ids.tolist(), taken.step) == ([3, 1, 3], ["v", "w", "v"], "t")
    assert len(take(sequences, np.array([], dtype=np.int64))) == 0


def test_rows_keep_their_words() -> None:
    rows = Rows(torch.zeros(2, 0), torch.tensor([[2], [1]]), torch.tensor([0, 1]), words=("", "?", "a"))
    assert rows.take(torch.tensor([0])).words == rows.to(torch.device("cpu"), torch.float64).words == ("", "?", "a")
