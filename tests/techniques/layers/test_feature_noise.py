"""The noise's distribution against SciPy's, the penalty that it puts on a linear layer, and that the key decides."""

import math

import pytest
import torch
from scipy import stats

from wellposed.random import make_key
from wellposed.techniques import FeatureNoise
from wellposed.techniques.layers.feature_noise import shake_units

KEYS = make_key(torch.arange(3), step=1, place="noise")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_noise_is_normal(dtype: torch.dtype) -> None:
    """Kolmogorov and Smirnov's p of at least 1e-6, the rate of false alarms."""
    noise = shake_units(torch.full((20_000,), 2.0, dtype=dtype), 0.3, key=torch.tensor(5)) - 2
    assert noise.dtype == dtype
    assert stats.kstest(noise.numpy(), stats.norm(0, 0.3).cdf).pvalue > 1e-6


def test_behind_it_a_linear_answer_pays_for_its_weights() -> None:
    """E (w(x + e) - y)^2 = (w x - y)^2 + s^2 |w|^2, over 1e5 draws, within 6 standard errors."""
    n, w, x, y = 100_000, torch.tensor([0.5, -1.0], dtype=torch.float64), torch.ones(2, dtype=torch.float64), 0.2
    keys = make_key(torch.full((n,), 5), step=torch.arange(n), place="noise")
    losses = (shake_units(x.expand(n, 2), 0.3, key=keys) @ w - y).square()
    expected = float((x @ w - y) ** 2 + 0.09 * w.square().sum())
    assert abs(float(losses.mean()) - expected) < 6 * float(losses.std()) / math.sqrt(n)


def test_each_member_has_its_own_deviation() -> None:
    n, deviations = 50_000, torch.tensor([0.0, 0.1, 2.0])
    noise = shake_units(torch.zeros(3, n), deviations, key=KEYS)
    assert ((noise.std(1) - deviations).abs() <= 6 * deviations / math.sqrt(2 * n)).all()


def test_the_key_decides_and_afterwards_nothing_happens() -> None:
    x = torch.ones(3, 8, 5)
    layer = FeatureNoise(deviation=0.5).layer((5,))
    y = layer.stacked({"key": KEYS}, x)
    assert torch.equal(y[1:2], shake_units(x[1:2], 0.5, key=KEYS[1:2]))
    assert not torch.equal(y[0], y[1])
    assert torch.equal(layer.eval()(x[0]), x[0])


def test_inside_vmap_over_members() -> None:
    """Each member draws from its own key, as it does stacked."""
    module, x = FeatureNoise().layer((4,)), torch.ones(3, 5, 4)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(module, {"key": key}, (rows,)))(KEYS, x)
    torch.testing.assert_close(y, module.stacked({"key": KEYS}, x))
