"""Against kornia, scipy and torch.rot90; the distribution of angles."""

import pytest
import torch
from kornia.geometry import transform
from scipy import ndimage
from tests.techniques.batch.pictures import (
    changed,
    equal_images,
    images,
    is_uniform,
    matrices_seen,
    n_different,
    ramps,
)

from wellposed.techniques import Rotation
from wellposed.techniques.batch.images import Fill
from wellposed.techniques.batch.rotation import rotate

ZERO = torch.zeros(1, 1, 1, dtype=torch.float64)


@pytest.mark.parametrize(("fill", "padding"), [("low", "zeros"), ("nearest", "border")])
def test_turns_as_kornia_does(fill: Fill, padding: str) -> None:
    x, degrees = images(6, 2, 7, 10), torch.tensor([-170.0, -33.0, 0.0, 1.0, 45.0, 90.0], dtype=torch.float64)
    expected = transform.rotate(x, degrees, padding_mode=padding)
    found = rotate(x, degrees, fill=fill, low=ZERO.expand(2, 1, 1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)  # Kornia turns degrees into radians by float32


@pytest.mark.parametrize("degrees", [-100.0, 20.0, 77.0])
def test_turns_as_scipy_does(degrees: float) -> None:
    x = images(1, 9, 6)
    found = rotate(x, torch.tensor(degrees, dtype=torch.float64), fill="low", low=ZERO)
    expected = ndimage.rotate(x[0].numpy(), degrees, reshape=False, order=1, mode="grid-constant", prefilter=False)
    torch.testing.assert_close(found[0], torch.from_numpy(expected), rtol=0, atol=1e-9)


def test_quarter_turns() -> None:
    x = images(4, 2, 6, 6)
    found = rotate(x, torch.arange(4).double() * 90, fill="nearest", low=ZERO.expand(2, 1, 1))
    for n in range(4):
        torch.testing.assert_close(found[n], torch.rot90(x[n], n, (-2, -1)), rtol=0, atol=1e-12)


def test_angles_are_uniform() -> None:
    """Kolmogorov and Smirnov's test, 2000 draws a member, at one false alarm in a million."""
    seen = matrices_seen(changed(Rotation(degrees=50.0), ramps(2000), low=-100.0))
    angles = torch.atan2(seen[:, 1, 0], seen[:, 0, 0]).rad2deg()
    assert is_uniform(angles, -50, 50)


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(Rotation(), equal_images(8))) == 8
