"""Against kornia, channel by channel and in any scale; the distribution of factors."""

import torch
from kornia import enhance
from tests.techniques.batch.pictures import changed, equal_images, images, is_uniform, n_different

from wellposed.techniques import Contrast
from wellposed.techniques.batch.contrast import stretch_contrast


def test_stretches_as_kornia_does() -> None:
    x, factor = images(4, 3, 5, 5), torch.tensor([0.0, 1.0, 0.5, 1.9], dtype=torch.float64)
    bounds = torch.full((3, 1, 1), -2.0, dtype=torch.float64), torch.full((3, 1, 1), 3.0, dtype=torch.float64)
    found = stretch_contrast(x * 5 - 2, factor, bounds=bounds)
    single = [enhance.adjust_contrast_with_mean_subtraction(x[:, c : c + 1], factor) for c in range(3)]
    torch.testing.assert_close(found, torch.cat(single, dim=1) * 5 - 2)
    assert torch.equal(found[1], x[1] * 5 - 2)


def test_factors_are_uniform() -> None:
    """Kolmogorov and Smirnov's test at one false alarm in a million."""
    x = torch.tensor([0.4, 0.6], dtype=torch.float64).expand(1, 2000, 1, 1, 2)
    found = changed(Contrast(amount=0.7), x)
    assert is_uniform((found[..., 1] - found[..., 0]) / 0.2, 0.3, 1.7)


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(Contrast(), equal_images(8))) == 8
