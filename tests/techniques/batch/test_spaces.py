"""Against the tables of torchvision's AutoAugment, RandAugment and TrivialAugmentWide, bin by bin."""

import numpy as np
import pytest
import torch
from tests.techniques.batch.pictures import batch_of, images

from wellposed.random import make_key
from wellposed.techniques.batch.spaces import LEARNED, STANDARD, WIDE, Space, augment, magnitudes

KEYS = make_key(torch.arange(2), step=0, place="spaces")
SLOPES, COLORS = ("ShearX", "ShearY"), ("Brightness", "Color", "Contrast", "Sharpness")


def bins(space: Space, name: str, n: int, size: tuple[int, int] = (64, 96)) -> list[float]:
    """The magnitudes of `n` levels, without the sign."""
    choice = torch.full((n,), list(space).index(name))
    level = torch.linspace(0, 1, n, dtype=torch.float64)
    return magnitudes(space, choice, level, torch.zeros(n, dtype=torch.bool), size=size).tolist()


@pytest.mark.parametrize(("space", "n"), [(STANDARD, 31), (LEARNED, 10)], ids=["RandAugment", "AutoAugment"])
def test_standard_ranges(space: Space, n: int) -> None:
    ends = {**dict.fromkeys(SLOPES, 0.3), **dict.fromkeys(COLORS, 0.9), "Rotate": 30.0}
    ends |= {"TranslateX": 150 / 331 * 96, "TranslateY": 150 / 331 * 64}
    for name, end in ends.items():
        assert bins(space, name, n) == pytest.approx(np.linspace(0, end, n))
    assert bins(space, "Solarize", n) == pytest.approx(np.linspace(255, 0, n) / 255)
    assert bins(space, "Posterize", n) == (8 - np.round(np.arange(n) / ((n - 1) / 4))).tolist()


def test_wide_ranges() -> None:
    ends = {**dict.fromkeys(SLOPES, 0.99), **dict.fromkeys(COLORS, 0.99), "Rotate": 135.0}
    ends |= {"TranslateX": 32.0, "TranslateY": 32.0}
    for name, end in ends.items():
        assert bins(WIDE, name, 31) == pytest.approx(np.linspace(0, end, 31))
    assert bins(WIDE, "Solarize", 31) == pytest.approx(np.linspace(255, 0, 31) / 255)
    assert bins(WIDE, "Posterize", 31) == (8 - np.round(np.arange(31) / (30 / 6))).tolist()
    assert bins(WIDE, "TranslateX", 2, (8, 10)) == [0, 10]
    assert bins(WIDE, "TranslateY", 2, (8, 10)) == [0, 8]


def test_half_of_the_images_get_the_opposite_sign_where_it_matters() -> None:
    choice, level = torch.arange(len(LEARNED)), torch.ones(len(LEARNED))
    some = [magnitudes(LEARNED, choice, level, torch.full((len(LEARNED),), o), size=(8, 8)) for o in (True, False)]
    signed = {*SLOPES, *COLORS, "TranslateX", "TranslateY", "Rotate"}
    for name, opposite, plain in zip(LEARNED, *map(torch.Tensor.tolist, some), strict=True):
        assert opposite == (-plain if name in signed else plain), name


def test_the_scale_of_the_data_does_not_matter() -> None:
    """The same draws on pixels from 0 to 1 and on pixels from -3 to 2: equal but for rounding."""
    x, n = images(2, 40, 3, 8, 8), len(LEARNED)
    choice = (torch.arange(80) % n).view(2, 40, 1)
    level = images(2, 40, 1)
    unit = augment(batch_of(x), LEARNED, choice, level, key=KEYS).x
    scaled = augment(batch_of(x * 5 - 3, -3.0, 2.0), LEARNED, choice, level, key=KEYS).x
    torch.testing.assert_close(scaled, unit * 5 - 3, rtol=0, atol=1e-9)


def test_what_no_operation_changes_stays_bit_for_bit() -> None:
    x = images(2, 5, 3, 8, 8).float() * 5 - 3
    choice = torch.full((2, 5, 2), -1)
    choice[1, 2:4, 0] = torch.tensor([0, list(LEARNED).index("Invert")])
    found = augment(batch_of(x, -3.0, 2.0), LEARNED, choice, torch.ones(2, 5, 2), key=KEYS).x
    same = (found == x).flatten(2).all(-1)
    assert same.tolist() == [[True] * 5, [True, True, True, False, True]]
    torch.testing.assert_close(found[1, 3], -1 - x[1, 3])


def test_operations_follow_each_other() -> None:
    x = images(1, 1, 1, 8, 8)
    names = list(LEARNED)
    choice = torch.tensor([[[names.index("Solarize"), names.index("Invert")]]])
    found = augment(batch_of(x), LEARNED, choice, torch.tensor([[[0.5, 0.0]]]).double(), key=KEYS[:1]).x
    solarized = torch.where(x >= 0.5 - 0.5 / 255, 1 - x, x)
    torch.testing.assert_close(found, 1 - solarized)
