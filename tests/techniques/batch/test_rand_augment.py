"""All operations and signs as likely; magnitudes of each member; how many operations follow each other."""

import pytest
import torch
from tests.techniques.batch.pictures import changed, equal_images, images, n_different, outcomes_are_as_likely
from torch import Tensor

from wellposed.techniques import RandAugment
from wellposed.techniques.batch.operations import OPERATIONS
from wellposed.techniques.batch.spaces import STANDARD, magnitudes


def outcomes(x: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Every operation at this level, with both signs, and how likely each is."""
    choice, signs = torch.arange(28) % 14, torch.arange(28) >= 14
    magnitude = magnitudes(STANDARD, choice, torch.full((28,), level, dtype=x.dtype), signs, size=(8, 8))
    names = list(STANDARD)
    made = [OPERATIONS[names[int(n)]](x, m.view(1)) for n, m in zip(choice, magnitude, strict=True)]
    return torch.cat(made), torch.full((28,), 1 / 28, dtype=torch.float64)


@pytest.mark.parametrize("magnitude", [9.0, 30.0])
def test_operations_and_signs_are_as_likely(magnitude: float) -> None:
    """Chi-square over what can come out of one operation, 3000 images, at one false alarm in a million."""
    x = images(1, 3, 8, 8)
    found = changed(RandAugment(magnitude=magnitude, operations=1), x.expand(1, 3000, 3, 8, 8))
    table, mass = outcomes(x, magnitude / 30)
    assert outcomes_are_as_likely(found[0], table, mass)
    assert not outcomes_are_as_likely(found[0], table, torch.linspace(0.5, 1.5, 28).double() / 28)


def test_each_member_has_its_own_magnitude() -> None:
    x = images(1, 3, 8, 8)
    technique = RandAugment(magnitude=torch.tensor([3.0, 21.0], dtype=torch.float64), operations=1)
    found = changed(technique, x.expand(2, 3000, 3, 8, 8))
    for k, magnitude in enumerate((3.0, 21.0)):
        assert outcomes_are_as_likely(found[k], *outcomes(x, magnitude / 30))
    assert not outcomes_are_as_likely(found[0], *outcomes(x, 0.7))


def test_two_operations_follow_each_other() -> None:
    """Chi-square over all ordered pairs, 6000 images, at one false alarm in a million."""
    x = images(1, 3, 8, 8)
    first, mass = outcomes(x, 0.3)
    pairs = torch.cat([outcomes(f.unsqueeze(0), 0.3)[0] for f in first])
    found = changed(RandAugment(), x.expand(1, 6000, 3, 8, 8))
    assert outcomes_are_as_likely(found[0], pairs, mass.repeat(28) / 28)


def test_share_of_images_that_are_changed_at_all() -> None:
    """Within 6 standard errors, one false alarm in 5e8; one of 14 operations is to do nothing."""
    x = images(1, 1, 3, 8, 8).repeat(1, 2000, 1, 1, 1)
    same = (changed(RandAugment(probability=0.3, operations=1), x) == x).flatten(2).all(-1).double().mean()
    assert abs(float(same) - (1 - 0.3 * 13 / 14)) < 6 * 0.5 / 2000**0.5


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(RandAugment(), equal_images(8, channels=3))) > 5
