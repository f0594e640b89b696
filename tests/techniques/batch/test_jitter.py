"""Noise of the right distribution on real steps; padding stays to the bit."""

import pytest
import torch
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import Jitter
from wellposed.techniques.batch.jitter import jitter_steps
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="jitter")


def test_noise_is_normal() -> None:
    """Kolmogorov and Smirnov's test at 1e-6 for each member."""
    deviations = torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64)
    x = torch.ones(3, 50, 20, 4, dtype=torch.float64)
    noise = jitter_steps(x, torch.full((3, 50), 20), deviations, key=KEYS) - x
    for k, deviation in enumerate(deviations.tolist()):
        assert stats.kstest(noise[k].flatten().numpy(), stats.norm(0, deviation).cdf).pvalue > 1e-6


def test_padding_stays() -> None:
    length = torch.tensor([[0, 3, 7]]).expand(3, 3)
    x = (
        Jitter(deviation=1.0)
        .batch(Batch(torch.zeros(3, 3, 7, 2), length.unsqueeze(-1), torch.ones(3, 3, 2), None), KEYS)
        .x
    )
    assert torch.equal((x != 0).all(-1).sum(-1), length)
    assert torch.equal((x != 0).any(-1).cumprod(-1).sum(-1), length)


def test_tables_are_refused() -> None:
    batch = Batch(torch.zeros(1, 4, 2), torch.zeros(1, 4, 0, dtype=torch.int64), torch.zeros(1, 4, 1), None)
    with pytest.raises(BadInput, match="must be sequences"):
        Jitter().batch(batch, KEYS[:1])
