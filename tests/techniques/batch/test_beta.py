"""Against SciPy's beta distribution."""

import pytest
import torch
from scipy import stats

from wellposed.random import make_key
from wellposed.techniques.batch.beta import symmetric_beta

KEYS = make_key(torch.arange(2), step=1, place="beta")


@pytest.mark.parametrize("a", [0.2, 0.5, 1.0, 2.5, 100.0])
def test_is_the_beta_distribution_of_scipy(a: float) -> None:
    """Kolmogorov and Smirnov's test at 1e-6, two draws of five: one false alarm in 1e5."""
    for drawn in symmetric_beta(KEYS, (20_000,), a).numpy():
        assert stats.kstest(drawn, stats.beta(a, a).cdf).pvalue > 1e-6


@pytest.mark.parametrize("a", [0.02, 0.1])
def test_is_exact_near_zero(a: float) -> None:
    """Where half of the draws lie below 1e-3 and a share below 1e-16: the lower half, by the same test."""
    for drawn in symmetric_beta(KEYS, (20_000,), a).numpy():
        lower = drawn[drawn < 0.5]
        assert stats.kstest(2 * stats.beta(a, a).cdf(lower), "uniform").pvalue > 1e-6
        assert (lower < 1e-16).any()


def test_members_differ_and_do_not_depend_on_each_other() -> None:
    a = torch.tensor([0.5, 3.0], dtype=torch.float64)
    together = symmetric_beta(KEYS, (5,), a)
    assert torch.equal(together[1], symmetric_beta(KEYS[1:], (5,), 3.0)[0])
    assert together.dtype == torch.float64


@pytest.mark.parametrize("a", [0.0, 1e-40, 1e-5, 1e6])
def test_ends_are_finite(a: float) -> None:
    """Near 0 all is or nothing; for large parameters all is near a half."""
    for value in (a, torch.tensor([a, a])):
        drawn = symmetric_beta(KEYS, (1000,), value)
        assert ((drawn >= 0) & (drawn <= 1)).all()
        nearest = (drawn - drawn.round()).abs() if a < 1 else (drawn - 0.5).abs()
        assert (nearest < 1e-2).float().mean() > 0.99
