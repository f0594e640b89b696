"""One normal factor for each row and channel, around 1."""

import pytest
import torch
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import Scaling
from wellposed.techniques.batch.scaling import scale_channels
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="scaling")


def test_factors_are_normal_around_one_and_the_same_at_all_steps() -> None:
    """Kolmogorov and Smirnov's test at 1e-6 for each member."""
    deviations = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)
    x = torch.rand(3, 500, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1
    factors = scale_channels(x, deviations, key=KEYS) / x
    torch.testing.assert_close(factors, factors[:, :, :1].expand_as(factors))
    for k, deviation in enumerate(deviations.tolist()):
        assert stats.kstest(factors[k, :, 0].flatten().numpy(), stats.norm(1, deviation).cdf).pvalue > 1e-6


def test_padding_stays() -> None:
    x = torch.ones(3, 4, 7, 2)
    x[:, :, 5:] = 0
    scaled = Scaling(deviation=1.0).batch(Batch(x, torch.full((3, 4, 1), 5), torch.ones(3, 4, 2), None), KEYS).x
    assert torch.equal(scaled != 0, x != 0)


def test_tables_are_refused() -> None:
    batch = Batch(torch.zeros(1, 4, 2), torch.zeros(1, 4, 0, dtype=torch.int64), torch.zeros(1, 4, 1), None)
    with pytest.raises(BadInput, match="must be sequences"):
        Scaling().batch(batch, KEYS[:1])
