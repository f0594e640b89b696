"""Sequences to tensors: against a loop over sequences, with categories, and cut where they are too long."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Sequences
from wellposed.inputs.sequences import SequenceEncoder, within


def sequences(lengths: list[int], seed: int = 0) -> Sequences:
    draw, n = np.random.default_rng(seed), sum(lengths)
    steps = pd.DataFrame({"a": draw.normal(size=n), "mood": draw.choice(["x", "y"], n), "b": draw.normal(size=n)})
    return Sequences(steps, np.array(lengths), np.arange(len(lengths)), "id", "t")


@settings(max_examples=20)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=6), st.sampled_from([torch.float32, torch.float64]))
def test_it_is_what_a_loop_makes(lengths: list[int], dtype: torch.dtype) -> None:
    given = sequences([3, 2, *lengths])
    encoder = SequenceEncoder.fit(given)
    x, codes = encoder.encode(given, dtype=dtype)
    assert (x.shape, x.dtype) == ((len(given), max(3, *lengths), 4), dtype)
    assert encoder.channels == ("a", "b", "mood: x", "mood: y")
    start = 0
    for row, n in enumerate([3, 2, *lengths]):
        own = given.steps.iloc[start : start + n]
        table = np.stack([own["a"], own["b"], own["mood"] == "x", own["mood"] == "y"], axis=1).astype(np.float64)
        torch.testing.assert_close(x[row, :n], torch.from_numpy(table).to(dtype))
        assert (x[row, n:] == 0).all() and codes[row].tolist() == [n]
        start += n


def test_longer_sequences_than_those_of_training_are_cut_and_told() -> None:
    encoder = SequenceEncoder.fit(sequences([2, 3]))
    longer = sequences([5, 1, 4], seed=1)
    x, codes = encoder.encode(longer)
    assert x.shape[:2] == (3, 3) and codes.flatten().tolist() == [3, 1, 3]
    np.testing.assert_allclose(x[2, :, 0], longer.steps["a"].iloc[6:9], rtol=1e-6)
    assert encoder.told(longer) == ("2 sequences are longer than the longest of the training rows and cut at 3 steps.",)
    assert encoder.told(sequences([3])) == ()


def test_sequences_taken_and_encoded_are_sequences_encoded_and_taken() -> None:
    given = sequences([3, 1, 4, 2])
    encoder, rows = SequenceEncoder.fit(given), np.array([2, 0, 2])
    for taken, whole in zip(encoder.encode(given.take(rows)), encoder.encode(given), strict=True):
        assert torch.equal(taken, whole[rows])


def test_unseen_categories_are_zeros_and_missing_numbers_the_training_median() -> None:
    given = sequences([3, 3])
    encoder = SequenceEncoder.fit(given)
    other = sequences([2])
    other.steps["mood"] = [None, "new"]
    other.steps["a"] = np.nan
    x, _ = encoder.encode(other)
    assert (x[0, :, 2:] == 0).all()
    np.testing.assert_allclose(x[0, :2, 0], given.steps["a"].median(), rtol=1e-6)


def test_channels_that_say_nothing_are_dropped_and_told() -> None:
    given = sequences([3, 3])
    given.steps["same"] = 1.0
    encoder = SequenceEncoder.fit(given)
    assert "same" not in encoder.channels and "'same'" in encoder.notes[0]
    with pytest.raises(BadInput, match="must have a column to learn from"):
        SequenceEncoder.fit(Sequences(given.steps[["same"]], given.lengths, given.ids, "id"))


def test_it_survives_json() -> None:
    encoder = SequenceEncoder.fit(sequences([3, 2]))
    assert SequenceEncoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


def test_steps_within() -> None:
    assert within(torch.tensor([0, 2, 5]), 3).sum(1).tolist() == [0, 2, 3]
