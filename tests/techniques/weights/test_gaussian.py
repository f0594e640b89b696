"""One deviation, whatever the shape; members may differ in it."""

import math

import torch

from wellposed.random import make_key
from wellposed.techniques import Gaussian
from wellposed.techniques.weights.gaussian import draw_gaussian

KEYS = make_key(torch.arange(3), step=0, place="w")


def test_each_member_has_its_own_deviation() -> None:
    """Within 6 standard errors: one false alarm in 5e8 a number."""
    deviations = torch.tensor([0.01, 0.1, 1.0])
    drawn = Gaussian().bound({"deviation": deviations}).weights((100, 100), KEYS, dtype=torch.float32)
    found = drawn.square().mean((1, 2)) / deviations.square()
    assert ((found - 1).abs() < 6 * math.sqrt(2 / 10_000)).all()


def test_does_not_look_at_the_shape_of_the_layer() -> None:
    wide = Gaussian(deviation=0.5).weights((10, 1000), KEYS, dtype=torch.float64)
    narrow = Gaussian(deviation=0.5).weights((1000, 10), KEYS, dtype=torch.float64)
    assert torch.equal(wide.flatten(1), narrow.flatten(1))


def test_no_deviation_is_zero() -> None:
    assert not draw_gaussian((3, 2), 0.0, key=KEYS).any()
