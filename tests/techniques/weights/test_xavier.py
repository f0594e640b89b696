"""Against torch.nn.init.xavier_normal_ and xavier_uniform_."""

import math

import torch
from torch.nn import init

from wellposed.random import make_key
from wellposed.techniques import Xavier

KEYS = make_key(torch.arange(3), step=0, place="w")
SHAPE = (60, 20, 3, 3)
N = math.prod(SHAPE)


def test_has_the_deviation_and_bounds_of_pytorch() -> None:
    """Two samples of N: their variances within 6 standard errors of each other, one false alarm in 5e8 a number."""
    generator = torch.Generator().manual_seed(0)
    theirs = init.xavier_normal_(torch.empty(SHAPE), generator=generator)
    ratio = Xavier().weights(SHAPE, KEYS, dtype=torch.float32).square().mean((1, 2, 3, 4)) / theirs.square().mean()
    assert ((ratio - 1).abs() < 6 * math.sqrt(2 * 2 / N)).all()

    theirs = init.xavier_uniform_(torch.empty(SHAPE), generator=generator)
    drawn = Xavier(distribution="uniform").weights(SHAPE, KEYS, dtype=torch.float32)
    # The largest of N numbers lies within 20/N of the bound but once in e^20.
    torch.testing.assert_close(drawn.abs().max(), theirs.abs().max(), rtol=2 * 20 / N, atol=0)


def test_modes_and_gains_scale_the_same_numbers() -> None:
    drawn = Xavier().weights((300, 100), KEYS, dtype=torch.float64)
    for technique, variance in (
        (Xavier(mode="fan_in"), 1 / 100),
        (Xavier(mode="fan_out"), 1 / 300),
        (Xavier(gain="tanh"), init.calculate_gain("tanh") ** 2 / 200),
    ):
        found = technique.weights((300, 100), KEYS, dtype=torch.float64)
        torch.testing.assert_close(found, drawn * math.sqrt(variance * 200), rtol=1e-14, atol=0)
