"""Segments stay whole, as long as those of numpy.array_split; all orders come; padding stays."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import SegmentPermutation
from wellposed.techniques.batch.segment_permutation import permute_segments
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="segments")


def numbered(length: int, size: int, rows: int) -> torch.Tensor:
    steps = torch.arange(1.0, size + 1)
    return torch.where(steps <= length, steps, 0).view(1, 1, size, 1).expand(1, rows, size, 1)


@given(length=st.integers(0, 15), padding=st.integers(0, 3), segments=st.integers(2, 6), seed=st.integers(0, 9999))
@settings(max_examples=30, deadline=None)
def test_segments_stay_whole(length: int, padding: int, segments: int, seed: int) -> None:
    size = max(length + padding, 1)
    x = numbered(length, size, 1)
    found = permute_segments(x, torch.tensor([[length]]), 1.0, segments=segments, key=torch.tensor([seed])).flatten()
    assert found[length:].tolist() == [0] * (size - length)
    steps = found[:length].long().tolist()
    assert sorted(steps) == list(range(1, length + 1))
    sizes = sorted(len(part) for part in np.array_split(np.arange(length), min(segments, max(length, 1))))
    starts = {1 + -(-i * length // segments) for i in range(segments)} if length > segments else {*range(1, length + 1)}
    runs: list[list[int]] = []
    for step in steps:
        if step in starts:
            runs.append([step])
        else:
            assert step == runs[-1][-1] + 1
            runs[-1].append(step)
    assert sorted(map(len, runs)) == [n for n in sizes if n]


def test_orders_are_equally_likely_and_the_rate_says_how_often() -> None:
    """By SciPy's chi-squared and exact tests at 1e-6."""
    moved = permute_segments(numbered(6, 7, 20_000), torch.full((1, 20_000), 6), 1.0, segments=3, key=KEYS[:1])[0]
    orders, counts = moved[..., 0].unique(dim=0, return_counts=True)
    assert len(orders) == 6
    assert stats.chisquare(counts.numpy()).pvalue > 1e-6
    some = permute_segments(numbered(6, 7, 20_000), torch.full((1, 20_000), 6), 0.3, segments=3, key=KEYS[:1])[0]
    changed = (some != numbered(6, 7, 1)[0]).any(-1).any(-1)
    assert stats.binomtest(int(changed.sum()), 20_000, 0.3 * 5 / 6).pvalue > 1e-6


def test_lengths_and_targets_stay() -> None:
    batch = Batch(torch.ones(3, 2, 9, 2), torch.full((3, 2, 1), 9), torch.ones(3, 2, 2), None)
    assert SegmentPermutation().batch(batch, KEYS)[1:] == batch[1:]


def test_tables_are_refused() -> None:
    batch = Batch(torch.zeros(1, 4, 2), torch.zeros(1, 4, 0, dtype=torch.int64), torch.zeros(1, 4, 1), None)
    with pytest.raises(BadInput, match="must be sequences"):
        SegmentPermutation().batch(batch, KEYS[:1])
