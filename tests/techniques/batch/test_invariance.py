"""The rules, and a reference network that measures them on scikit-learn's digits."""

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from wellposed.random import make_key
from wellposed.techniques import (
    AutoAugment,
    Brightness,
    Contrast,
    Cutout,
    Dropout,
    Flip,
    HeavierAugmentation,
    LightAugmentation,
    Policy,
    RandAugment,
    Rotation,
    ShiftCrop,
    TrivialAugment,
)
from wellposed.techniques.batch.invariance import Labels, measure_label_change, preserves_label
from wellposed.techniques.batch.policy import IDLE
from wellposed.techniques.technique import Technique

KEY = make_key(torch.tensor(0), step=0, place="measure")


@pytest.mark.parametrize(
    ("technique", "kept"),
    [
        (Flip(), ["objects", None]),
        (Flip(axis="vertical"), ["objects", None]),
        (Flip(probability=0.0), ["digits", "letters", "objects", None]),
        (Flip(probability=torch.tensor([0.0, 0.1])), ["objects", None]),
        (Rotation(degrees=15.0), ["digits", "letters", "objects", None]),
        (Rotation(degrees=60.0), ["digits", "objects", None]),
        (Rotation(degrees=180.0), ["objects", None]),
        (ShiftCrop(), ["digits", "letters", "objects", None]),
        (ShiftCrop(shift=0.8), []),
        (Cutout(), ["digits", "letters", "objects", None]),
        (Cutout(size=1.0), []),
        (Brightness(amount=1.0), []),
        (Contrast(amount=1.0), []),
        (LightAugmentation(), ["objects", None]),
        (LightAugmentation(probability=0.0), ["digits", "letters", "objects", None]),
        (HeavierAugmentation(), ["objects", None]),
        (HeavierAugmentation(probability=0.0), ["digits", "letters", "objects", None]),
        (RandAugment(), ["digits", "letters", "objects", None]),
        (RandAugment(magnitude=30.0), ["digits", "objects", None]),
        (TrivialAugment(), ["objects", None]),
        (TrivialAugment(space="standard"), ["digits", "letters", "objects", None]),
        (TrivialAugment(probability=0.0), ["digits", "letters", "objects", None]),
        (AutoAugment(), ["digits", "letters", "objects", None]),
        (Policy(policy=((("Rotate", 0.5, 1.0), IDLE),)), ["digits", "letters", "objects", None]),
        (Policy(policy=((("Rotate", 0.5, 1.0), ("Rotate", 0.1, 0.9)),)), ["digits", "objects", None]),
        (Policy(policy=((("Rotate", 0.0, 1.0), ("Rotate", 0.1, 0.9)),)), ["digits", "letters", "objects", None]),
        (Dropout(), ["digits", "letters", "objects", None]),
    ],
    ids=str,
)
def test_rules(technique: Technique, kept: list[Labels | None]) -> None:
    for labels in ("digits", "letters", "objects", None):
        verdict = preserves_label(technique, labels=labels)
        assert verdict.preserved is (labels in kept), labels
        assert bool(verdict.reason) is not verdict.preserved
        assert verdict.preserved or verdict.reason.startswith(f"{type(technique).__name__} may change the class: ")


@pytest.fixture(scope="module")
def digits() -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    """A small CNN trained on 1297 digits of 16 x 16 pixels, moved by up to one, and the other 500."""
    found = load_digits()
    x = torch.from_numpy(found.images).float().unsqueeze(1) / 8 - 1
    x, y = nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), torch.from_numpy(found.target)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(512, 10)),
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(12):
            for rows in torch.randperm(1297).split(64):
                moves = torch.randint(-1, 2, (2,)).tolist()
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x[rows].roll(moves, (2, 3))), y[rows]).backward()
                optimizer.step()
    return network.eval(), x[1297:], y[1297:]


@pytest.mark.parametrize("technique", [Rotation(degrees=10.0), ShiftCrop(shift=1 / 16)], ids=str)
def test_small_changes_keep_the_class(
    technique: Rotation | ShiftCrop, digits: tuple[Callable[[Tensor], Tensor], Tensor, Tensor]
) -> None:
    assert preserves_label(technique, labels="digits").preserved
    assert measure_label_change(technique, *digits, KEY).share < 0.1


@pytest.mark.parametrize("technique", [Rotation(degrees=180.0), Flip(probability=1.0)], ids=str)
def test_what_the_rules_refuse_changes_many(
    technique: Rotation | Flip, digits: tuple[Callable[[Tensor], Tensor], Tensor, Tensor]
) -> None:
    assert not preserves_label(technique, labels="digits").preserved
    assert measure_label_change(technique, *digits, KEY).share > 0.3


def test_a_six_upside_down_is_a_nine(digits: tuple[Callable[[Tensor], Tensor], Tensor, Tensor]) -> None:
    """Of sixes turned by 180 degrees the network takes most for nines."""
    network, x, y = digits
    turned = network(x.flip(-1).flip(-2)).argmax(-1)
    assert (turned[y == 6] == 9).double().mean() > 0.5
    change = measure_label_change(Rotation(degrees=180.0), network, x, y, KEY)
    assert change.by_class[6] > 0.5 and change.by_class[9] > 0.5


def test_nothing_changes_nothing(digits: tuple[Callable[[Tensor], Tensor], Tensor, Tensor]) -> None:
    change = measure_label_change(Rotation(degrees=0.0), *digits, KEY)
    assert change.share == 0.0
    assert not change.by_class.any()
