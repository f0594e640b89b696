"""Against kornia and scipy; the distribution of slopes."""

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

from wellposed.techniques import Shear
from wellposed.techniques.batch.flip import Mirror
from wellposed.techniques.batch.images import Fill
from wellposed.techniques.batch.shear import shear

ZERO = torch.zeros(1, 1, 1, dtype=torch.float64)
SLOPES = torch.tensor([-0.8, 0.0, 0.3], dtype=torch.float64)


@pytest.mark.parametrize("fill", ["low", "nearest"])
@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_leans_as_in_scipy(axis: Mirror, fill: Fill) -> None:
    x = images(3, 1, 6, 8)
    found = shear(x, SLOPES, axis=axis, fill=fill, low=ZERO)
    for n, slope in enumerate(SLOPES.tolist()):
        rows = [[1.0, slope, 0.0], [0.0, 1.0, 0.0]] if axis == "horizontal" else [[1.0, 0.0, 0.0], [slope, 1.0, 0.0]]
        expected = warp_by_scipy(x[n], torch.tensor(rows, dtype=torch.float64), fill=fill, low=0.0)
        torch.testing.assert_close(found[n], expected, rtol=0, atol=1e-9)


def test_leans_as_in_kornia() -> None:
    """Kornia's shear is about the corner: a move brings it to the middle."""
    x = images(3, 1, 6, 8)
    slopes = torch.stack([SLOPES, torch.zeros_like(SLOPES)], dim=-1)
    matrix = torch.eye(3, dtype=torch.float64).repeat(3, 1, 1)
    matrix[:, 0, 1], matrix[:, 0, 2] = -slopes[:, 0], slopes[:, 0] * 2.5
    expected = transform.warp_affine(x, matrix[:, :2], (6, 8))
    found = shear(x, SLOPES, axis="horizontal", fill="low", low=ZERO)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_slopes_are_uniform() -> None:
    """Kolmogorov and Smirnov's test at one false alarm in a million."""
    seen = matrices_seen(changed(Shear(slope=0.4, axis="vertical"), ramps(2000), low=-100.0))
    assert is_uniform(seen[:, 1, 0], -0.4, 0.4)
    torch.testing.assert_close(seen[:, 0], torch.tensor([1.0, 0, 0], dtype=torch.float64).expand(2000, 3))


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(Shear(), equal_images(8))) == 8
