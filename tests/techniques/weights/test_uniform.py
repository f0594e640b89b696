"""Against scipy.stats.uniform."""

import torch
from scipy.stats import kstest, uniform

from wellposed.random import make_key
from wellposed.techniques import Uniform

KEYS = make_key(torch.arange(3), step=0, place="w")


def test_has_the_distribution_of_scipy_within_each_members_bound() -> None:
    """Kolmogorov and Smirnov's test: three false alarms in 1e6."""
    limits = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
    drawn = Uniform().bound({"limit": limits}).weights((100, 100), KEYS, dtype=torch.float64)
    for member, limit in zip(drawn, limits.tolist(), strict=True):
        assert kstest(member.flatten().numpy(), uniform(-limit, 2 * limit).cdf).pvalue > 1e-6
        assert limit * 0.99 < member.abs().max() <= limit


def test_no_limit_is_zero() -> None:
    assert not Uniform(limit=0.0).weights((3, 2), KEYS, dtype=torch.float32).any()
