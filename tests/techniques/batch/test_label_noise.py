"""As many wrong labels as asked for, evenly over the other classes; on average, smoothing over the other classes."""

import math

import pytest
import torch
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import LabelNoise
from wellposed.techniques.batch.label_noise import disturb_labels, roll_classes
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="label noise")


def test_as_many_as_asked_for_evenly_over_the_others() -> None:
    """By SciPy's exact and chi-squared tests at 1e-6 for each of three members: one false alarm in 1e5."""
    rates = torch.tensor([0.1, 0.5, 1.0])
    y = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(3, 20_000, 4)
    noisy = disturb_labels(y, rates, key=KEYS)
    assert torch.equal(noisy.sort(-1).values, y.sort(-1).values)
    for k in range(3):
        counts = noisy[k].sum(0).long()
        wrong = counts[[0, 2, 3]]
        assert stats.binomtest(int(wrong.sum()), 20_000, float(rates[k])).pvalue > 1e-6
        assert stats.chisquare(wrong.numpy()).pvalue > 1e-6


def test_on_average_it_is_smoothing_over_the_other_classes() -> None:
    """Of one-hot and soft labels, within 6 standard errors of 40,000 rows (at most 0.5 each): 0.015."""
    y = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.3, 0.1]], dtype=torch.float64).repeat(40_000, 1).unsqueeze(0)
    mean = disturb_labels(y, 0.3, key=KEYS[:1])[0].view(-1, 2, 3).mean(0)
    expected = 0.7 * y[0, :2] + 0.3 * (1 - y[0, :2]) / 2
    assert ((mean - expected).abs() < 6 * 0.5 / math.sqrt(40_000)).all()


def test_two_classes_change_places() -> None:
    y = torch.eye(2).repeat(1, 5, 1)
    assert torch.equal(disturb_labels(y, 1.0, key=KEYS[:1]), y.flip(-1))


def test_rolls_as_torch_does() -> None:
    y = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([0, 1, 3, 6, 7])
    for row, rolled, by in zip(y, roll_classes(y, shift), shift.tolist(), strict=True):
        assert torch.equal(rolled, row.roll(by))


def test_refuses_numbers_as_targets() -> None:
    batch = Batch(torch.zeros(1, 4, 2), torch.zeros(1, 4, 0, dtype=torch.int64), torch.zeros(1, 4, 1), None)
    with pytest.raises(BadInput, match="must be classification"):
        LabelNoise().batch(batch, KEYS[:1])
