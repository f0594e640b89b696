"""Sub-policies, probabilities and signs as they are written; survives a recipe file."""

import itertools

import pytest
import torch
from tests.techniques.batch.pictures import changed, equal_images, images, n_different, outcomes_are_as_likely
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.techniques import AutoAugment
from wellposed.techniques.batch.auto_augment import choose_operations, read_policy
from wellposed.techniques.batch.operations import OPERATIONS
from wellposed.techniques.batch.policies import POLICIES, SubPolicy
from wellposed.techniques.batch.spaces import LEARNED, magnitudes

NAMES = list(LEARNED)
OWN = ((("Rotate", 0.7, 2.0), ("TranslateX", 0.3, 9.0), ("Invert", 0.5, 0.0)), (("Posterize", 0.4, 8.0),))


def outcomes(x: Tensor, policy: tuple[SubPolicy, ...]) -> tuple[Tensor, Tensor]:
    """What each sub-policy can make of an image, operation by operation, and how likely that is."""
    made, mass = [], []
    for sub in policy:
        for done in itertools.product((0, 1, -1), repeat=len(sub)):
            image, likely = x, 1 / len(policy)
            for sign, (name, probability, m) in zip(done, sub, strict=True):
                likely *= probability / 2 if sign else 1 - probability
                if sign:
                    number, level = torch.tensor([NAMES.index(name)]), torch.tensor([m / 9], dtype=torch.float64)
                    magnitude = magnitudes(LEARNED, number, level, torch.tensor([sign < 0]), size=(8, 8))
                    image = OPERATIONS[name](image, magnitude)
            made.append(image)
            mass.append(likely)
    return torch.cat(made), torch.tensor(mass, dtype=torch.float64)


@pytest.mark.parametrize("policy", ["cifar10", "imagenet", "svhn", OWN], ids=["cifar10", "imagenet", "svhn", "own"])
def test_outcomes_are_as_likely_as_written(policy: object) -> None:
    """Chi-square over all that can come out, 5000 images, at one false alarm in a million."""
    x = images(1, 3, 8, 8)
    found = changed(AutoAugment(policy=policy), x.expand(1, 5000, 3, 8, 8))  # type: ignore[arg-type]
    assert outcomes_are_as_likely(found[0], *outcomes(x, read_policy(policy) or ()))


def test_shorter_sub_policies_end_earlier() -> None:
    choice, level = choose_operations(OWN, torch.tensor([0, 1]), torch.zeros(2, 3))
    first = [NAMES.index(name) for name in ("Rotate", "TranslateX", "Invert")]
    assert choice.tolist() == [first, [NAMES.index("Posterize"), -1, -1]]
    torch.testing.assert_close(level, torch.tensor([[2 / 9, 1, 0], [8 / 9, 0, 0]]))


@pytest.mark.parametrize("policy", ["svhn", OWN])
def test_survives_a_recipe_file(policy: object) -> None:
    technique = AutoAugment(policy=policy, probability=0.5)  # type: ignore[arg-type]
    recipe = Recipe(techniques=(technique,))
    assert Recipe.from_toml(recipe.to_toml()).techniques == (technique,)


def test_whole_numbers_mean_the_same() -> None:
    policy = ((("Rotate", 1, 2),),)
    assert AutoAugment(policy=policy) == AutoAugment(policy=((("Rotate", 1.0, 2.0),),))
    assert read_policy(policy) == read_policy(((("Rotate", 1.0, 2.0),),))


def test_says_what_a_policy_is() -> None:
    with pytest.raises(
        BadInput, match=r"sub-policies of operations \(name, probability, magnitude\)\. Got \(\(\('Rotate'"
    ):
        AutoAugment(policy=((("Rotate", 1.7, 2.0),),))
    assert set(POLICIES) == {"cifar10", "imagenet", "svhn"}


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(AutoAugment(), equal_images(8, channels=3))) > 4
