"""Against the loop of DeVries and Taylor's description; all places, and all sets of a table's cells, as likely."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.techniques.batch.pictures import changed, equal_images, images, n_different
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import Cutout
from wellposed.techniques.batch.cutout import cut_out, pick_cells
from wellposed.techniques.places import Batch, Facts

KEYS = make_key(torch.arange(2), step=1, place="cutout")


def table(x: Tensor, codes: Tensor, facts: Facts | None = None) -> Batch:
    return Batch(x, codes, torch.zeros(*x.shape[:2], 1), None, facts)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 8), st.integers(0, 7), st.integers(0, 7))
@settings(max_examples=50, deadline=None)
def test_covers_a_square_clipped_at_the_edges(height: int, width: int, half: int, row: int, column: int) -> None:
    """Sides of even numbers of pixels, about a pixel: from half a side before to half a side behind."""
    row, column = row % height, column % width
    x = images(1, 2, height, width)
    expected = x.clone()
    expected[..., max(row - half, 0) : row + half, max(column - half, 0) : column + half] = -1.0
    share = torch.tensor([2 * half / min(height, width)], dtype=torch.float64)
    middle = torch.tensor([(row + 0.5) / height]).double(), torch.tensor([(column + 0.5) / width]).double()
    found = cut_out(x, share, middle, value=torch.full((2, 1, 1), -1.0, dtype=torch.float64))
    assert torch.equal(found, expected)


def test_odd_sides_are_symmetric() -> None:
    half = torch.tensor(0.5)
    found = cut_out(torch.ones(1, 5, 5), torch.tensor(0.6), (half, half), value=torch.zeros(1, 1, 1))
    assert found[0, 2].tolist() == [1, 0, 0, 0, 1] and found[0, :, 2].tolist() == [1, 0, 0, 0, 1]


def test_all_places_are_as_likely() -> None:
    """Chi-square over 5 x 6 places of a single pixel, 6000 images, at one false alarm in a million."""
    found = changed(Cutout(size=0.2), torch.ones(1, 6000, 1, 5, 6, dtype=torch.float64))
    covered = (found == 0).flatten(2).squeeze(0)
    assert (covered.sum(-1) == 1).all()
    assert stats.chisquare(covered.sum(0).numpy()).pvalue > 1e-6


def test_covers_with_the_mean_or_with_black() -> None:
    x = torch.full((1, 3, 1, 4, 4), 0.7, dtype=torch.float64)
    assert set(changed(Cutout(size=0.5), x, low=-2.0).unique().tolist()) == {0.0, 0.7}
    assert set(changed(Cutout(size=0.5, fill="low"), x, low=-2.0).unique().tolist()) == {-2.0, 0.7}


def test_equal_images_become_different_ones() -> None:
    """Of 64 places, at most 4 different ones in 8 draws once in 4e7."""
    assert n_different(changed(Cutout(), equal_images(8))) > 4


def test_probability_says_how_many_images_are_covered() -> None:
    """Of 4000, within 6 standard errors: one false alarm in 5e8."""
    x = torch.ones(1, 4000, 1, 6, 6, dtype=torch.float64)
    found = changed(Cutout(size=0.5, probability=0.3), x)
    covered = (found == 0).flatten(2).any(-1).double().mean()
    assert abs(float(covered) - 0.3) < 6 * math.sqrt(0.21 / 4000)


@given(
    rows=st.integers(0, 6),
    numbers=st.integers(0, 5),
    categories=st.integers(0, 4),
    size=st.floats(0, 2),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_of_a_table_a_share_of_each_rows_cells_is_covered(
    rows: int, numbers: int, categories: int, size: float, seed: int
) -> None:
    """Numbers by 0, categories by the code of a missing one; none of it where there is nothing to cover."""
    x, codes = torch.ones(2, rows, numbers, dtype=torch.float64), torch.ones(2, rows, categories, dtype=torch.int64)
    facts = Facts(torch.full((numbers,), -3.0), torch.full((numbers,), 3.0))
    found = Cutout(size=size).batch(table(x, codes, facts), make_key(torch.tensor([seed, 1]), step=0, place="any"))
    cells = numbers + categories
    expected = min(cells, int(torch.tensor(size * cells, dtype=torch.float64).round()))
    hidden = (found.x == 0).sum(-1) + (found.codes == 0).sum(-1)
    assert torch.equal(hidden, torch.full((2, rows), expected))
    low = Cutout(size=size, fill="low").batch(table(x, codes, facts), KEYS)
    assert set(low.x.unique().tolist()) <= {-3.0, 1.0}


def test_all_sets_of_cells_are_as_likely_and_rows_have_their_own() -> None:
    """Chi-square over the 6 pairs of 4 cells in 6000 rows, at one false alarm in a million."""
    picked = pick_cells(torch.full((1, 6000), 0.5), 4, key=KEYS[:1])[0]
    pairs = (picked.long() * torch.tensor([1, 2, 4, 8])).sum(-1)
    assert stats.chisquare(torch.unique(pairs, return_counts=True)[1].numpy()).pvalue > 1e-6
    assert len(pairs.unique()) == 6


def test_probability_says_how_many_rows_are_covered() -> None:
    """Of 2 x 4000, within 6 standard errors, by members of their own strengths."""
    x, none = torch.ones(2, 4000, 10, dtype=torch.float64), torch.zeros(2, 4000, 0, dtype=torch.int64)
    own = Cutout().bound({"probability": torch.tensor([0.2, 0.7]), "size": torch.tensor([0.3, 0.5])})
    hidden = (own.batch(table(x, none), KEYS).x == 0).sum(-1)
    for k, (share, cells) in enumerate(((0.2, 3), (0.7, 5))):
        assert set(hidden[k].tolist()) == {0, cells}
        assert abs(float((hidden[k] > 0).double().mean()) - share) < 6 * math.sqrt(share * (1 - share) / 4000)


def test_sequences_are_refused() -> None:
    batch = Batch(torch.zeros(2, 3, 5, 1), torch.full((2, 3, 1), 5), torch.zeros(2, 3, 1), None)
    with pytest.raises(BadInput, match=r"Cutout must be a table or images\. Got 'sequences'\."):
        Cutout().batch(batch, KEYS)
