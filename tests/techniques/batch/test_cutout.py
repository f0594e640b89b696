"""Against the loop of DeVries and Taylor's description; all places as likely."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.techniques.batch.pictures import changed, equal_images, images, n_different

from wellposed.techniques import Cutout
from wellposed.techniques.batch.cutout import cut_out


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
