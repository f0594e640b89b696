"""Noise of the right size, the same for the same key; what it costs a linear model."""

import math

import torch

from wellposed.random import make_key
from wellposed.techniques import InputNoise
from wellposed.techniques.batch.input_noise import add_noise
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="noise")


def test_each_member_has_its_own_deviation() -> None:
    """Mean and variance within 6 standard errors: one false alarm in 5e8 a number."""
    deviations = torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64)
    x = torch.ones(3, 100, 100, dtype=torch.float64)
    noise = (add_noise(x, deviations, key=KEYS) - x) / deviations.view(3, 1, 1)
    assert (noise.mean((1, 2)).abs() < 6 / 100).all()
    assert ((noise.square().mean((1, 2)) - 1).abs() < 6 * math.sqrt(2) / 100).all()


def test_the_key_decides() -> None:
    x = torch.zeros(3, 4, 5)
    noise = add_noise(x, 1.0, key=KEYS)
    assert torch.equal(noise, add_noise(x, 1.0, key=KEYS))
    assert torch.equal(noise[1], add_noise(x[1], 1.0, key=KEYS[1]))
    assert not torch.equal(noise, add_noise(x, 1.0, key=make_key(torch.arange(3), step=2, place="noise")))


def test_leaves_everything_but_the_numbers_alone() -> None:
    batch = Batch(torch.zeros(3, 4, 1, 2, 2), torch.ones(3, 4, 1, dtype=torch.int64), torch.ones(3, 4, 2), None)
    noisy = InputNoise().batch(batch, KEYS)
    assert noisy.x.any()
    assert noisy[1:] == batch[1:]


def test_costs_a_linear_model_the_square_of_its_weights() -> None:
    """Bishop (1995): the expected squared error grows by deviation^2 |w|^2, here within 6 of 400,000 draws' errors."""
    w = torch.tensor([1.0, -2.0], dtype=torch.float64)
    x = torch.zeros(1, 400_000, 2, dtype=torch.float64)
    error = (add_noise(x, 0.3, key=KEYS[:1]) @ w).square().mean()
    expected = 0.09 * 5
    assert abs(float(error) / expected - 1) < 6 * math.sqrt(2 / 400_000)
