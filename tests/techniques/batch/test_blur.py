"""Against scipy.ndimage and kornia; widths are uniform as seen in what is left of a point."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia import filters
from scipy import ndimage
from tests.techniques.batch.pictures import changed, equal_images, images, is_uniform, n_different

from wellposed.techniques import Blur
from wellposed.techniques.batch.blur import blur


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.floats(0.05, 5.0))
@settings(max_examples=20, deadline=None)
def test_blurs_as_scipy_does(height: int, width: int, radius: int, deviation: float) -> None:
    x = images(2, 2, height, width)
    found = blur(x, torch.tensor([deviation, deviation / 2], dtype=torch.float64), radius=radius)
    for n, sigma in enumerate((deviation, deviation / 2)):
        for c in range(2):
            expected = ndimage.gaussian_filter(x[n, c].numpy(), sigma, mode="nearest", radius=radius)
            torch.testing.assert_close(found[n, c], torch.from_numpy(expected), rtol=0, atol=1e-12)


def test_blurs_as_kornia_does() -> None:
    x, deviation = images(3, 2, 8, 9), torch.tensor([0.3, 1.0, 2.5], dtype=torch.float64)
    expected = filters.gaussian_blur2d(x, (7, 7), deviation.unsqueeze(-1).expand(3, 2), border_type="replicate")
    torch.testing.assert_close(blur(x, deviation, radius=3), expected)


def test_deviations_are_uniform() -> None:
    """Kolmogorov and Smirnov's test at one false alarm in a million, by the share that stays in the middle.

    It falls as the deviation grows, so its quantiles are those of the deviation, as a thousand blurred points say.
    """
    point = torch.zeros(1, 1, 1, 9, 9, dtype=torch.float64)
    point[..., 4, 4] = 1.0
    grid = torch.linspace(0, 1.5, 2001, dtype=torch.float64)
    shares = blur(point[0].expand(2001, 1, 9, 9), grid, radius=4)[:, 0, 4, 4]
    found = changed(Blur(deviation=1.5), point.repeat(1, 2000, 1, 1, 1))[0, :, 0, 4, 4]
    found = found[found < 0.999]  # deviations below 0.26 leave the point as it is
    least = grid[(shares >= 0.999).sum()]
    position = torch.searchsorted(-shares, -found)
    assert len(found) > 1500
    assert is_uniform(grid[position.clamp(max=2000)], float(least), 1.5)


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(Blur(), equal_images(8))) > 4
