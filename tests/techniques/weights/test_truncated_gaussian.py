"""Against scipy.stats.truncnorm."""

import pytest
import torch
from scipy.stats import kstest, truncnorm

from wellposed.random import make_key
from wellposed.techniques import TruncatedGaussian
from wellposed.techniques.weights.truncated_gaussian import BELOW, KEPT, draw_truncated

KEYS = make_key(torch.arange(3), step=0, place="w")


def test_constants_are_those_of_scipy() -> None:
    assert pytest.approx(truncnorm.std(-2, 2), rel=1e-12) == KEPT
    assert pytest.approx(float(torch.special.ndtr(torch.tensor(-2.0, dtype=torch.float64))), rel=1e-12) == BELOW


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_has_the_distribution_of_scipy(dtype: torch.dtype) -> None:
    """Kolmogorov and Smirnov's test: three false alarms in 1e6."""
    drawn = TruncatedGaussian(deviation=0.2).weights((100, 100), KEYS, dtype=dtype)
    scale = 0.2 / KEPT
    assert drawn.abs().max() <= 2 * scale * (1 + 1e-6)
    for member in drawn:
        assert kstest(member.flatten().double().numpy(), truncnorm(-2, 2, scale=scale).cdf).pvalue > 1e-6


def test_the_deviation_is_the_true_one_and_each_members_own() -> None:
    """Kurtosis 2.06; within 6 standard errors: one false alarm in 5e8 a number."""
    deviations = torch.tensor([0.01, 0.1, 1.0])
    drawn = TruncatedGaussian().bound({"deviation": deviations}).weights((100, 100), KEYS, dtype=torch.float32)
    found = drawn.square().mean((1, 2)) / deviations.square()
    assert ((found - 1).abs() < 6 * (1.06 / 10_000) ** 0.5).all()


def test_no_deviation_is_zero_and_a_single_key_has_no_axis() -> None:
    assert not TruncatedGaussian(deviation=0.0).weights((3, 2), KEYS, dtype=torch.float32).any()
    assert torch.equal(draw_truncated((3, 2), key=KEYS[1]), draw_truncated((3, 2), key=KEYS)[1])
