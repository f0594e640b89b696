"""Moments against Keras' layer and dropout's, the same penalty on a linear model, and that the key alone decides."""

import math
import os

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import pytest
import torch
from scipy import stats

from wellposed.random import make_key
from wellposed.techniques import GaussianDropout
from wellposed.techniques.layers.gaussian_dropout import multiply_by_noise

KEYS = make_key(torch.arange(3), step=1, place="gaussian")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_draws_from_the_distribution_of_keras(rate: float) -> None:
    """Two samples of 20000 factors: Kolmogorov and Smirnov's p of at least 1e-6, the rate of false alarms."""
    theirs = keras.layers.GaussianDropout(rate, seed=3)(torch.ones(20_000), training=True)
    ours = multiply_by_noise(torch.ones(20_000), rate, key=torch.tensor(5))
    assert stats.ks_2samp(ours.numpy(), theirs.detach().cpu().numpy()).pvalue > 1e-6
    assert stats.kstest(ours.numpy(), stats.norm(1, math.sqrt(rate / (1 - rate))).cdf).pvalue > 1e-6


def test_each_member_has_its_own_rate() -> None:
    """Mean and variance within 6 standard errors: one false alarm in 5e8 a number."""
    n, rates = 100_000, torch.tensor([0.0, 0.3, 0.8], dtype=torch.float64)
    y = multiply_by_noise(torch.full((3, n), 2.0, dtype=torch.float64), rates, key=KEYS)
    variance = 4 * rates / (1 - rates)
    assert ((y.mean(1) - 2).abs() <= 6 * (variance / n).sqrt()).all()
    assert ((y.var(1) - variance).abs() <= 6 * variance * math.sqrt(2 / n)).all()
    assert (y[0] == 2).all()


def test_in_linear_regression_it_is_dropouts_ridge() -> None:
    """Over 1e5 draws within 1 %, at least 6 standard errors: one false alarm in 5e8."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((20, 3), (20,)))
    w, rate = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64), 0.4
    keys = make_key(torch.full((100_000,), 5), step=torch.arange(100_000), place="ridge")
    losses = (y - multiply_by_noise(x.expand(100_000, 20, 3), rate, key=keys) @ w).square().sum(1)
    closed = (y - x @ w).square().sum() + rate / (1 - rate) * (x.square().sum(0) * w.square()).sum()
    assert 6 * losses.std() / math.sqrt(100_000) < 0.01 * closed
    torch.testing.assert_close(losses.mean(), closed, rtol=0.01, atol=0)


def test_the_key_decides_and_afterwards_nothing_happens() -> None:
    x = torch.ones(3, 8, 5)
    layer = GaussianDropout(rate=0.5).layer((5,))
    y = layer.stacked({"key": KEYS}, x)
    assert torch.equal(y, multiply_by_noise(x, 0.5, key=KEYS))
    assert torch.equal(y[1:2], multiply_by_noise(x[1:2], 0.5, key=KEYS[1:2]))
    assert not torch.equal(y[0], y[1])
    assert torch.equal(layer.eval()(x[0]), x[0])


def test_inside_vmap_over_members() -> None:
    """Each member draws from its own key, as it does stacked."""
    module, x = GaussianDropout().layer((4,)), torch.ones(3, 5, 4)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(module, {"key": key}, (rows,)))(KEYS, x)
    torch.testing.assert_close(y, module.stacked({"key": KEYS}, x))
