"""Against SciPy's minimizer, one member at a time."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from wellposed.techniques import TemperatureScaling
from wellposed.techniques.prediction.temperature_scaling import COLDEST, HOTTEST, fit_temperature


def draw(k: int, n: int, c: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are too sure, more so in each member, of labels that they do not know well."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, c, generator=generator, dtype=torch.float64)
    labels = z.softmax(-1).multinomial(1, generator=generator).flatten()
    z = z + torch.randn(k, n, c, generator=generator, dtype=torch.float64) / 3
    return z * torch.arange(1, k + 1, dtype=torch.float64).view(-1, 1, 1), labels


@given(st.integers(1, 4), st.integers(1, 40), st.integers(2, 5), st.integers(0, 1000))
def test_equals_scipys_minimum(k: int, n: int, c: int, seed: int) -> None:
    z, y = draw(k, n, c, seed)
    found = fit_temperature(z, y)
    for member, temperature in zip(z, found, strict=True):

        def loss(beta: float, member: torch.Tensor = member) -> float:
            return float(F.cross_entropy(member * beta, y))

        best = minimize_scalar(loss, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded", options={"xatol": 1e-10})
        assert loss(1 / float(temperature)) <= best.fun + 1e-12
        if 0.1 < best.x < 10:  # beyond, the loss is flat
            assert float(temperature) == pytest.approx(1 / best.x, rel=1e-4)


def test_slope_is_zero_at_the_minimum() -> None:
    z, y = draw(3, 200, 4, 0)
    temperature = fit_temperature(z, y).requires_grad_()
    loss = sum(F.cross_entropy(z[k] / temperature[k], y) for k in range(3))
    (slope,) = torch.autograd.grad(loss, temperature)
    assert slope.abs().max() < 1e-12


def test_logits_of_known_temperature() -> None:
    """Labels drawn from the logits, which are then made 5 times as large: temperatures 5 apart, near 1 and 5."""
    z, y = draw(5, 5000, 3, 1)
    z = torch.stack([z[0], 5 * z[0]])  # z[0] is noisy by a third, so a little too sure
    found = fit_temperature(z, y)
    assert float(found[1] / found[0]) == pytest.approx(5, rel=1e-9)
    assert float(found[0]) == pytest.approx(1, abs=0.25)


def test_classes_stay_and_dtype_too() -> None:
    z, y = draw(2, 30, 3, 2)
    z = z.float()
    rule = TemperatureScaling()
    out = rule.output(z, rule.fit(z, y))
    assert out.dtype == torch.float32
    assert torch.equal(out.argmax(-1), z.argmax(-1))


def test_ends_of_the_range() -> None:
    right = torch.tensor([[[5.0, 0.0, 0.0]]])
    assert fit_temperature(right, torch.tensor([0])).item() == pytest.approx(COLDEST, rel=1e-4)
    assert fit_temperature(right, torch.tensor([1])).item() == pytest.approx(HOTTEST, rel=1e-4)


def test_numbers_bad_members_and_no_rows_stay_as_they_are() -> None:
    rule = TemperatureScaling()
    numbers = torch.randn(2, 5, 1)
    assert torch.equal(rule.output(numbers, rule.fit(numbers, torch.zeros(5, 1))), numbers)
    z, y = draw(2, 30, 3, 3)
    spoiled = z.clone()
    spoiled[1] = torch.nan
    found = fit_temperature(spoiled, y)
    assert found[0] == fit_temperature(z, y)[0]
    assert found[1] == 1
    assert fit_temperature(z[:, :0], y[:0]).tolist() == [1.0, 1.0]
    same = torch.ones(1, 4, 3)
    assert fit_temperature(same, torch.zeros(4, dtype=torch.int64)).isfinite().all()
