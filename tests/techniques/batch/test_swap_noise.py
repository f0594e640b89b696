"""Cells come from their own column of another row, as many as asked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import SwapNoise
from wellposed.techniques.batch.swap_noise import swap_cells
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="swap noise")


@given(
    rows=st.integers(1, 8), d=st.integers(0, 4), j=st.integers(0, 4), rate=st.floats(0, 1), seed=st.integers(0, 10**6)
)
@settings(max_examples=20, deadline=None)
def test_cells_stay_in_their_member_and_column(rows: int, d: int, j: int, rate: float, seed: int) -> None:
    cells = torch.arange(2 * rows * (d + j)).view(2, rows, d + j)
    key = make_key(torch.tensor([seed, seed + 1]), step=0, place="any")
    x, codes = swap_cells((cells[..., :d].double(), cells[..., d:]), rate, key=key)
    found = torch.cat([x.long(), codes], dim=-1)
    assert (found.shape, codes.dtype) == (cells.shape, torch.int64)
    if d + j:
        assert torch.equal(found % (d + j), cells % (d + j))
        assert torch.equal(found // (rows * (d + j)), cells // (rows * (d + j)))
    if rate == 0 or rows == 1:
        assert torch.equal(found, cells)


def test_as_many_as_asked_for_from_all_other_rows_evenly() -> None:
    """By SciPy's exact and chi-squared tests at 1e-6 for each of three members: one false alarm in 1e5."""
    rates = torch.tensor([0.1, 0.5, 1.0])
    own = torch.arange(5.0).view(1, 5, 1).expand(3, 5, 8000)
    swapped = swap_cells((own,), rates, key=KEYS)[0]
    ahead = (swapped - own).long() % 5
    for k in range(3):
        counts = ahead[k].flatten().bincount(minlength=5)
        assert stats.binomtest(int(counts[1:].sum()), 40_000, float(rates[k])).pvalue > 1e-6
        assert stats.chisquare(counts[1:].numpy()).pvalue > 1e-6


def test_targets_and_weights_stay() -> None:
    batch = Batch(torch.ones(3, 4, 2), torch.ones(3, 4, 1, dtype=torch.int64), torch.ones(3, 4, 2), torch.ones(3, 4))
    assert SwapNoise(rate=0.5).batch(batch, KEYS)[2:] == batch[2:]


def test_images_are_refused() -> None:
    batch = Batch(torch.zeros(1, 2, 1, 4, 4), torch.zeros(1, 2, 0, dtype=torch.int64), torch.zeros(1, 2, 2), None)
    with pytest.raises(BadInput, match="must be a table"):
        SwapNoise().batch(batch, KEYS[:1])
