"""Moments against NumPy's, the density against a mixture of torch.distributions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, MixtureSameFamily, Normal

from wellposed.random import make_key
from wellposed.techniques import Dropout, MonteCarloDropout
from wellposed.techniques.prediction.monte_carlo_dropout import (
    model_precision,
    predictive_log_likelihood,
    predictive_moments,
)


def answers(t: int, n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(t, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(1, 20), st.integers(1, 5), st.floats(0.1, 10.0), st.integers(0, 1000))
def test_moments_and_density_are_those_of_a_mixture_of_normals(t: int, n: int, tau: float, seed: int) -> None:
    given = answers(t, n, seed)
    y = answers(1, n, seed + 1)[0]
    parts = Normal(given.T, torch.full((n, t), tau**-0.5, dtype=torch.float64))
    mixture = MixtureSameFamily(Categorical(torch.ones(n, t, dtype=torch.float64)), parts)
    mean, variance = predictive_moments(given, precision=tau)
    torch.testing.assert_close(mean, mixture.mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(variance, mixture.variance, rtol=1e-10, atol=1e-12)
    found = predictive_log_likelihood(given, y, precision=tau)
    torch.testing.assert_close(found, mixture.log_prob(y), rtol=1e-10, atol=1e-10)


def test_without_a_precision_the_spread_is_that_of_the_answers() -> None:
    given = answers(9, 4)
    mean, variance = predictive_moments(given)
    np.testing.assert_allclose(mean, given.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(variance, given.numpy().var(0), rtol=1e-12)


def test_precision_gives_back_the_weight_decay() -> None:
    """The relation solved for the decay, as the paper gives it: p l^2 / (2 N tau)."""
    tau = model_precision(0.95, length=1e-2, rows=455, decay=3e-7)
    assert 0.95 * 1e-2**2 / (2 * 455 * tau) == pytest.approx(3e-7)


def test_spread_of_a_linear_network_is_that_of_its_masks() -> None:
    """y = x * mask / (1 - r) has mean x and variance x^2 r / (1 - r). Of 20000 passes at r = 0.25 the variance 1/3 has
    deviation 0.0027 and the mean 0.0041: 6 of them, one false alarm in 5e8."""
    layer = Dropout(rate=0.25).layer((1,))
    layer.train()
    x, drawn = torch.ones(1, 1, dtype=torch.float64), []
    for step in range(200):
        layer.get_buffer("key").copy_(make_key(torch.tensor(0), step=step, place="dropout"))
        drawn.append(layer(x.expand(100, 1)).flatten())
    mean, variance = predictive_moments(torch.cat(drawn).unsqueeze(1))
    assert abs(float(mean) - 1) < 6 * 0.0041
    assert abs(float(variance) - 1 / 3) < 6 * 0.0027


def test_says_how_often() -> None:
    assert MonteCarloDropout().draws == 50
    assert MonteCarloDropout(passes=7).draws == 7
