"""How many units are off, what the others become, and that the key alone decides."""

import math

import pytest
import torch

from wellposed.random import make_key
from wellposed.techniques import Dropout
from wellposed.techniques.layers.dropout import drop_units

KEYS = make_key(torch.arange(3), step=1, place="dropout")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_of_units_that_are_off(rate: float, dtype: torch.dtype) -> None:
    """Within 6 standard errors: one false alarm in 5e8 a number; the rest is scaled by 1 / (1 - rate) exactly."""
    n = 100_000
    y = drop_units(torch.ones(3, n, dtype=dtype), rate, key=KEYS)
    off = (y == 0).double().mean(1)
    assert ((off - rate).abs() < 6 * math.sqrt(rate * (1 - rate) / n)).all()
    assert y.dtype == dtype
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / (1 - rate)], dtype=dtype))


def test_each_member_has_its_own_rate() -> None:
    n, rates = 100_000, torch.tensor([0.0, 0.3, 0.8])
    off = (drop_units(torch.ones(3, n), rates, key=KEYS) == 0).float().mean(1)
    assert ((off - rates).abs() < 6 * (rates * (1 - rates) / n).sqrt() + 1e-9).all()


def test_the_expectation_over_masks_is_the_input() -> None:
    """The mean of 4000 masks, within 6 of its standard errors |x| sqrt(rate / (1 - rate) / 4000)."""
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    keys = make_key(torch.full((4000,), 5), step=torch.arange(4000), place="dropout")
    mean = drop_units(x.expand(4000, 9), 0.4, key=keys).mean(0)
    assert ((mean - x).abs() <= 6 * x.abs() * math.sqrt(0.4 / 0.6 / 4000) + 1e-12).all()


def test_units_are_off_independently() -> None:
    """Correlation of neighbours (units, rows, and the two halves of a mask) within 6 of 1 / sqrt(n)."""
    m = (drop_units(torch.ones(1, 400, 200, dtype=torch.float64), 0.5, key=KEYS[:1])[0] == 0).double() * 2 - 1
    halves = m.flatten().chunk(2)
    for a, b in ((m[:, 1:], m[:, :-1]), (m[1:], m[:-1]), halves):
        assert abs(float((a * b).mean())) < 6 / math.sqrt(a.numel())


def test_the_key_decides() -> None:
    x = torch.ones(3, 8, 5)
    y = drop_units(x, 0.5, key=KEYS)
    assert torch.equal(y, drop_units(x, 0.5, key=KEYS))
    assert torch.equal(y[1:2], drop_units(x[1:2], 0.5, key=KEYS[1:2]))
    assert not torch.equal(y[0], y[1])
    assert not torch.equal(y, drop_units(x, 0.5, key=make_key(torch.arange(3), step=2, place="dropout")))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_gradient_is_the_same_mask(dtype: torch.dtype) -> None:
    x = torch.linspace(-1, 1, 24, dtype=dtype).view(3, 8).requires_grad_()
    y = drop_units(x, torch.tensor([0.2, 0.5, 0.8], dtype=dtype), key=KEYS)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())


def test_after_training_it_does_nothing() -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    layer = Dropout(rate=0.9).layer((3,))
    assert not torch.equal(layer(x), x)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("shape", [(6,), (2, 3, 3)], ids=["numbers", "images"])
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    """Each member draws from its own key, as it does stacked."""
    layer, x = Dropout(rate=0.5).layer(shape), torch.ones(3, 4, *shape)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(layer, {"key": key}, (rows,)))(KEYS, x)
    assert torch.equal(y, layer.stacked({"key": KEYS}, x))
