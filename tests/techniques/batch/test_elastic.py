"""Against scipy.ndimage: smoothing of fields and looking up of pixels; how far pixels move."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tests.techniques.batch.pictures import changed, equal_images, images, n_different, ramps

from wellposed.techniques import Elastic
from wellposed.techniques.batch.elastic import displace, smooth
from wellposed.techniques.batch.images import Fill


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.25, 5.0))
@settings(max_examples=20, deadline=None)
def test_smooths_as_scipy_does(height: int, width: int, deviation: float) -> None:
    field = images(2, height, width) * 2 - 1
    found = smooth(field, deviation)
    for n in range(2):
        expected = ndimage.gaussian_filter(
            field[n].numpy(), deviation, mode="constant", radius=int(4 * deviation + 0.5)
        )
        torch.testing.assert_close(found[n], torch.from_numpy(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("fill", "mode"), [("low", "grid-constant"), ("nearest", "nearest")])
def test_looks_up_as_scipy_does(fill: Fill, mode: str) -> None:
    x, (right, down) = images(2, 1, 6, 8), images(2, 2, 6, 8, seed=1) * 8 - 4
    low = torch.full((1, 1, 1), -0.5, dtype=torch.float64)
    found = displace(x, right, down, fill=fill, low=low)
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    for n in range(2):
        places = torch.stack([rows + down[n], columns + right[n]]).numpy()
        expected = ndimage.map_coordinates(x[n, 0].numpy(), places, order=1, mode=mode, cval=-0.5, prefilter=False)
        torch.testing.assert_close(found[n, 0], torch.from_numpy(expected), rtol=0, atol=1e-9)


def test_what_does_not_move_stays_bit_for_bit() -> None:
    x, none = images(2, 1, 5, 5).float(), torch.zeros(2, 5, 5)
    low = torch.full((1, 1, 1), -0.3)
    assert torch.equal(displace(x, none, none, fill="low", low=low), x)
    some = none.clone()
    some[1, 0, 0] = 0.5
    assert torch.equal(displace(x, some, none, fill="low", low=low)[0], x[0])


def test_pixels_move_as_far_as_theory_says() -> None:
    """Root mean square in the middle: alpha sqrt(1/3) / (2 sqrt(pi) sigma), where a Gaussian of 4 pixels fits in.

    1.384 for Simard's numbers. Two moves of 2000 images: 6 standard errors are 7 % of it, one false alarm in 5e8.
    """
    x = ramps(2000, size=29)
    moves = (changed(Elastic(), x, low=-100.0) - x)[..., 14, 14]
    expected = 34 * math.sqrt(1 / 3) / (2 * math.sqrt(math.pi) * 4)
    assert expected == pytest.approx(1.384, abs=1e-3)
    assert moves.square().mean().sqrt() == pytest.approx(expected, rel=0.07)
    assert moves.mean().abs() < 6 * expected / math.sqrt(4000)


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(Elastic(), equal_images(8))) == 8
