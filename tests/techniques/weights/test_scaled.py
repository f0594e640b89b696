"""Deviation, bounds and shape of the two distributions."""

import math

import pytest
import torch

from wellposed.random import make_key
from wellposed.techniques.weights.scaled import Distribution, draw_scaled

KEYS = make_key(torch.arange(4), step=0, place="w")
N = 100 * 100


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("distribution", "kurtosis"), [("normal", 3.0), ("uniform", 1.8), ("truncated", 2.4)])
def test_mean_and_deviation(distribution: Distribution, kurtosis: float, dtype: torch.dtype) -> None:
    """Mean and variance within 6 of their standard errors: one false alarm in 5e8 a number."""
    drawn = draw_scaled((100, 100), 0.2, key=KEYS, distribution=distribution, dtype=dtype)
    assert (drawn.shape, drawn.dtype) == ((4, 100, 100), dtype)
    assert (drawn.mean((1, 2)).abs() < 6 * 0.2 / math.sqrt(N)).all()
    assert ((drawn.square().mean((1, 2)) / 0.04 - 1).abs() < 6 * math.sqrt((kurtosis - 1) / N)).all()


def test_uniform_weights_stay_within_their_bounds_and_come_near() -> None:
    bound = math.sqrt(3) * 0.2
    drawn = draw_scaled((100, 100), 0.2, key=KEYS, distribution="uniform")
    assert drawn.abs().max() <= bound
    assert drawn.max() > 0.99 * bound
    assert drawn.min() < -0.99 * bound


def test_a_member_draws_the_same_alone_and_a_single_key_has_no_axis() -> None:
    drawn = draw_scaled((3, 2), 1.0, key=KEYS)
    assert torch.equal(draw_scaled((3, 2), 1.0, key=KEYS[1:2])[0], drawn[1])
    assert torch.equal(draw_scaled((3, 2), 1.0, key=KEYS[1]), drawn[1])
    assert not torch.equal(drawn[0], drawn[1])
