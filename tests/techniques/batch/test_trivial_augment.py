"""All operations and all levels as likely, in both spaces."""

import pytest
import torch
from tests.techniques.batch.pictures import changed, equal_images, images, n_different, outcomes_are_as_likely

from wellposed.techniques import TrivialAugment
from wellposed.techniques.batch.operations import OPERATIONS
from wellposed.techniques.batch.spaces import STANDARD, WIDE, Space, magnitudes


@pytest.mark.parametrize(("name", "space"), [("wide", WIDE), ("standard", STANDARD)])
def test_operations_levels_and_signs_are_as_likely(name: str, space: Space) -> None:
    """Chi-square over the 868 outcomes, 20,000 images, at one false alarm in a million."""
    x = images(1, 3, 6, 6)
    found = changed(TrivialAugment(space=name), x.expand(1, 20_000, 3, 6, 6))  # type: ignore[arg-type]
    made = []
    for number, operation in enumerate(space):
        level = torch.linspace(0, 1, 31, dtype=torch.float64).repeat(2)
        choice, signs = torch.full((62,), number), torch.arange(62) >= 31
        magnitude = magnitudes(space, choice, level, signs, size=(6, 6))
        made.append(OPERATIONS[operation](x.expand(62, 3, 6, 6), magnitude))
    mass = torch.full((868,), 1 / 868, dtype=torch.float64)
    assert outcomes_are_as_likely(found[0], torch.cat(made), mass)


def test_share_of_images_that_are_changed_at_all() -> None:
    x = images(2, 1, 3, 6, 6).repeat(1, 500, 1, 1, 1)
    probability = torch.tensor([0.0, 1.0], dtype=torch.float64)
    same = (changed(TrivialAugment(probability=probability), x) == x).flatten(2).all(-1).double().mean(1)
    assert same[0] == 1 and same[1] < 0.5


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(TrivialAugment(), equal_images(8, channels=3))) > 4
