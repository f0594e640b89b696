"""Against torch.nn.AlphaDropout: the two values that a unit may have, and mean and variance behind SELU."""

import math

import pytest
import torch
from torch import Tensor, nn

from wellposed.random import make_key
from wellposed.techniques import AlphaDropout
from wellposed.techniques.layers.alpha_dropout import saturate_units

KEYS = make_key(torch.arange(3), step=1, place="alpha")


def pytorchs(x: Tensor, rate: float) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropped: Tensor = nn.AlphaDropout(rate)(x)
    return dropped


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("value", [-1.7, 0.0, 0.6])
def test_a_unit_has_the_two_values_that_it_has_in_pytorch(value: float, rate: float) -> None:
    """To 1e-7, as PyTorch's noise is made of constants in a single digit less."""
    x = torch.full((1000,), value, dtype=torch.float64)
    ours, theirs = saturate_units(x, rate, key=torch.tensor(3)), pytorchs(x, rate)
    torch.testing.assert_close(ours.unique(), theirs.unique(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_gradient_of_a_kept_unit_is_pytorchs(rate: float) -> None:
    slopes = []
    for drop in (lambda x: saturate_units(x, rate, key=torch.tensor(3)), lambda x: pytorchs(x, rate)):
        x = torch.zeros(1000, dtype=torch.float64, requires_grad=True)
        drop(x).sum().backward()
        slopes.append(x.grad.unique())
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-7, atol=1e-9)


def test_mean_and_variance_stay() -> None:
    """Of normal units, within 6 standard errors (variance: with a fourth moment below 10): false alarms 1 in 5e8."""
    n, rates = 200_000, torch.tensor([0.0, 0.1, 0.5], dtype=torch.float64)
    x = torch.randn(3, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = saturate_units(x, rates, key=KEYS)
    assert (y.mean(1).abs() < 6 / math.sqrt(n)).all()
    assert ((y.var(1) - 1).abs() < 6 * 3 / math.sqrt(n)).all()
    assert torch.equal(y[0], x[0])
    off = (y == saturate_units(torch.full_like(x, -1.7580993408473766), rates, key=KEYS)).double().mean(1)
    assert ((off - rates).abs() <= 6 * (rates * (1 - rates) / n).sqrt()).all()


def test_the_key_decides_and_afterwards_nothing_happens() -> None:
    x = torch.linspace(-1, 1, 120).view(3, 8, 5)
    layer = AlphaDropout(rate=0.5).layer((5,))
    y = layer.stacked({"key": KEYS}, x)
    assert torch.equal(y[1:2], saturate_units(x[1:2], 0.5, key=KEYS[1:2]))
    assert not torch.equal(y[0] == 0, y[1] == 0) or not torch.equal(y[0], y[1])
    assert torch.equal(layer.eval()(x[0]), x[0])


def test_inside_vmap_over_members() -> None:
    """Each member draws from its own key, as it does stacked."""
    module, x = AlphaDropout().layer((4,)), torch.ones(3, 5, 4)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(module, {"key": key}, (rows,)))(KEYS, x)
    torch.testing.assert_close(y, module.stacked({"key": KEYS}, x))
