"""Against padding and slicing by PyTorch; all offsets as likely."""

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from tests.techniques.batch.pictures import changed, equal_images, images, matrices_seen, n_different, ramps

from wellposed.techniques import ShiftCrop
from wellposed.techniques.batch.crop import shift
from wellposed.techniques.batch.images import Fill


@pytest.mark.parametrize("fill", ["low", "nearest"])
def test_equals_padding_and_slicing(fill: Fill) -> None:
    x = images(5, 2, 4, 6)
    down, right = torch.tensor([0, 1, -2, 4, -4]), torch.tensor([0, -3, 2, -4, 1])
    low = torch.full((2, 1, 1), -0.5, dtype=torch.float64)
    found = shift(x, down, right, fill=fill, low=low)
    mode, value = ("constant", -0.5) if fill == "low" else ("replicate", None)
    padded = F.pad(x, (4, 4, 4, 4), mode=mode, value=value)
    for n in range(5):
        row, column = 4 + int(down[n]), 4 + int(right[n])
        assert torch.equal(found[n], padded[n, :, row : row + 4, column : column + 6])


def test_all_offsets_are_as_likely() -> None:
    """Chi-square over the 7 x 7 offsets of a third of 9 pixels, 5000 images, at one false alarm in a million."""
    seen = matrices_seen(changed(ShiftCrop(shift=1 / 3), ramps(5000), low=-100.0))
    offsets = seen[..., 2]
    assert torch.equal(offsets, offsets.round()) and offsets.abs().max() == 3
    counts = torch.bincount((offsets[:, 0] * 7 + offsets[:, 1] + 24).long(), minlength=49)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-6


def test_outside_is_black() -> None:
    found = changed(ShiftCrop(shift=0.5), images(1, 20, 1, 4, 4), low=-2.0)
    assert (found == -2.0).any() and found.min() == -2.0


def test_equal_images_become_different_ones() -> None:
    """Of 81 offsets, 8 draws are all the same once in 2e13."""
    assert n_different(changed(ShiftCrop(shift=0.5), equal_images(8))) > 4
