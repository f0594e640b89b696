"""A window is a slice of the sequence, of the right length, anywhere in it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import WindowCrop
from wellposed.techniques.batch.window_crop import crop_windows
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="window crop")


def numbered(length: torch.Tensor, size: int) -> torch.Tensor:
    """Steps numbered from 1, zeros behind."""
    steps = torch.arange(1.0, size + 1)
    return torch.where(steps <= length.unsqueeze(-1), steps, 0).unsqueeze(-1)


@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=5), percent=st.integers(1, 100), seed=st.integers(0, 9999)
)
@settings(max_examples=30, deadline=None)
def test_windows_are_slices_of_the_sequence(lengths: list[int], percent: int, seed: int) -> None:
    length = torch.tensor([lengths])
    x, kept = crop_windows(numbered(length, 12), length, percent / 100, key=torch.tensor([seed]))
    for row, own, n in zip(x[0, :, :, 0].tolist(), lengths, kept[0].tolist(), strict=True):
        assert n == (max(1, own * percent // 100) if own else 0)
        assert row[:n] == list(range(int(row[0]), int(row[0]) + n)) and row[n:] == [0] * (12 - n)
        assert n == 0 or row[n - 1] <= own


def test_windows_begin_anywhere() -> None:
    """By SciPy's chi-squared test at 1e-6 for each member."""
    length = torch.full((3, 6000), 8)
    x, _ = crop_windows(numbered(length, 10), length, 0.75, key=KEYS)
    for k in range(3):
        counts = (x[k, :, 0, 0] - 1).long().bincount()
        assert len(counts) == 3
        assert stats.chisquare(counts.numpy()).pvalue > 1e-6


def test_the_batch_knows_the_new_lengths() -> None:
    length = torch.tensor([[8, 5]]).expand(3, 2)
    batch = Batch(numbered(length, 9), length.unsqueeze(-1), torch.ones(3, 2, 2), None)
    cropped = WindowCrop(share=0.5).batch(batch, KEYS)
    assert cropped.codes.tolist() == [[[4], [2]]] * 3
    assert torch.equal((cropped.x[..., 0] > 0).sum(-1), cropped.codes[..., 0])


def test_tables_are_refused() -> None:
    batch = Batch(torch.zeros(1, 4, 2), torch.zeros(1, 4, 0, dtype=torch.int64), torch.zeros(1, 4, 1), None)
    with pytest.raises(BadInput, match="must be sequences"):
        WindowCrop().batch(batch, KEYS[:1])
