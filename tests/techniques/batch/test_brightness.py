"""Against kornia, in any scale; the distribution of amounts."""

import torch
from kornia import enhance
from tests.techniques.batch.pictures import changed, equal_images, images, is_uniform, n_different

from wellposed.techniques import Brightness
from wellposed.techniques.batch.brightness import brighten


def test_adds_and_cuts_off_as_kornia_does() -> None:
    x, share = images(4, 3, 5, 5), torch.tensor([-0.6, 0.0, 0.2, 0.9], dtype=torch.float64)
    bounds = torch.full((3, 1, 1), -2.0, dtype=torch.float64), torch.full((3, 1, 1), 3.0, dtype=torch.float64)
    found = brighten(x * 5 - 2, share, bounds=bounds)
    torch.testing.assert_close(found, enhance.adjust_brightness(x, share) * 5 - 2)
    assert torch.equal(found[1], x[1] * 5 - 2)


def test_amounts_are_uniform() -> None:
    """Kolmogorov and Smirnov's test at one false alarm in a million."""
    x = torch.full((1, 2000, 1, 1, 1), 0.5, dtype=torch.float64)
    assert is_uniform(changed(Brightness(amount=0.4), x) - x, -0.4, 0.4)


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(Brightness(), equal_images(8))) == 8
