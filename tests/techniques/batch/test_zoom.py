"""Against kornia and scipy; the distribution of factors."""

import pytest
import torch
from kornia.geometry import transform
from tests.techniques.batch.pictures import (
    changed,
    equal_images,
    images,
    is_uniform,
    matrices_seen,
    n_different,
    ramps,
    warp_by_scipy,
)

from wellposed.techniques import Zoom
from wellposed.techniques.batch.images import Fill
from wellposed.techniques.batch.zoom import zoom

ZERO = torch.zeros(1, 1, 1, dtype=torch.float64)
ACROSS = torch.tensor([0.5, 1.0, 1.7], dtype=torch.float64)
DOWN = torch.tensor([1.3, 1.0, 0.6], dtype=torch.float64)


@pytest.mark.parametrize("fill", ["low", "nearest"])
def test_zooms_as_scipy_does(fill: Fill) -> None:
    x = images(3, 1, 6, 9)
    found = zoom(x, ACROSS, DOWN, fill=fill, low=ZERO)
    for n in range(3):
        matrix = torch.tensor([[1 / ACROSS[n], 0.0, 0.0], [0.0, 1 / DOWN[n], 0.0]], dtype=torch.float64)
        torch.testing.assert_close(found[n], warp_by_scipy(x[n], matrix, fill=fill, low=0.0), rtol=0, atol=1e-9)


def test_zooms_as_kornia_does() -> None:
    x = images(3, 2, 6, 9)
    expected = transform.scale(x, torch.stack([ACROSS, DOWN], dim=-1))
    torch.testing.assert_close(zoom(x, ACROSS, DOWN, fill="low", low=ZERO.expand(2, 1, 1)), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("stretch", [False, True])
def test_factors_are_uniform(stretch: bool) -> None:
    """Kolmogorov and Smirnov's test at one false alarm in a million."""
    seen = matrices_seen(changed(Zoom(amount=0.3, stretch=stretch), ramps(2000), low=-100.0))
    across, down = 1 / seen[:, 0, 0], 1 / seen[:, 1, 1]
    assert is_uniform(across, 0.7, 1.3) and is_uniform(down, 0.7, 1.3)
    assert torch.allclose(across, down) is not stretch


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(Zoom(), equal_images(8))) == 8
