"""The noise's distribution against SciPy's, its decay against the formula of Neelakantan et al."""

import math

import pytest
import torch
from scipy import stats

from wellposed.random import make_key
from wellposed.techniques import GradientNoise
from wellposed.techniques.places import Moment

KEYS = make_key(torch.arange(3), step=1, place="noise")


def noise(technique: GradientNoise, step: int, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    gradients = {name: torch.zeros(3, 100, 100, dtype=dtype) for name in ("a", "b")}
    technique.gradient_(gradients, {}, KEYS, Moment(step, 10, 100))
    return gradients


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_noise_is_normal_and_fades_as_published(step: int, dtype: torch.dtype) -> None:
    """Kolmogorov and Smirnov's p of at least 1e-6, the rate of false alarms."""
    drawn = noise(GradientNoise(variance=0.3), step, dtype)["a"][0]
    deviation = math.sqrt(0.3 / (1 + (step - 1)) ** 0.55)
    assert drawn.dtype == dtype
    assert stats.kstest(drawn.flatten().numpy(), stats.norm(0, deviation).cdf).pvalue > 1e-6


def test_each_member_has_its_own_variance_and_decay() -> None:
    """Within 6 standard errors of a deviation."""
    variance, decay = torch.tensor([0.0, 0.1, 4.0]).double(), torch.tensor([0.5, 0.0, 1.0]).double()
    drawn = noise(GradientNoise().bound({"variance": variance, "decay": decay}), 16)["a"].flatten(1).std(1)
    expected = torch.tensor([0.0, math.sqrt(0.1), 0.5], dtype=torch.float64)
    assert ((drawn - expected).abs() <= 6 * expected / math.sqrt(20_000)).all()


def test_parameters_and_members_draw_for_themselves() -> None:
    """Correlations within 6 of 1 / sqrt(n)."""
    drawn = noise(GradientNoise(variance=1.0), 1)
    pairs = [(drawn["a"][0], drawn["b"][0]), (drawn["a"][0], drawn["a"][1])]
    assert all(abs(float((one * other).mean())) < 6 / 100 for one, other in pairs)
    assert torch.equal(drawn["a"], noise(GradientNoise(variance=1.0), 1)["a"])


def test_it_is_added_to_what_is_there() -> None:
    technique, moment = GradientNoise(variance=0.3), Moment(1, 1, 1)
    nothing, something = {"a": torch.zeros(3, 4)}, {"a": torch.full((3, 4), 8.0)}
    technique.gradient_(nothing, {}, KEYS, moment)
    technique.gradient_(something, {}, KEYS, moment)
    assert torch.equal(something["a"], nothing["a"] + 8)
