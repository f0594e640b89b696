"""Mean and variance over masks against Wan's formula, inside torch.nn.utils.parametrize, and the weights after."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from wellposed.random import make_key
from wellposed.techniques import DropConnect
from wellposed.techniques.layers.drop_connect import dropped_moments


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_moments_are_those_of_all_masks(rate: float) -> None:
    """By enumeration of the 256 masks of a 2 x 4 weight, exactly; and they are Wan's for his weights."""
    weight, x = draw(2, 4), draw(3, 4)
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=8)), dtype=torch.float64).view(-1, 2, 4)
    on = masks.sum((1, 2))
    share = ((1 - rate) ** on * rate ** (8 - on)).view(-1, 1, 1)
    u = torch.einsum("bi,moi->mbo", x, masks * weight / (1 - rate))
    mean, variance = dropped_moments(x, weight, rate)
    torch.testing.assert_close(mean, (share * u).sum(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(variance, (share * (u - mean).square()).sum(0), rtol=1e-12, atol=1e-12)

    p, wan = 1 - rate, weight / (1 - rate)
    torch.testing.assert_close(mean, p * x @ wan.T, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(variance, p * (1 - p) * (x**2 @ (wan**2).T), rtol=1e-12, atol=1e-12)


def test_the_layer_has_these_moments() -> None:
    """Over 20000 members with a mask each: mean and variance within 6 standard errors (kurtosis below 6)."""
    n, weight, x, rate = 20_000, draw(3, 30), draw(30), 0.4
    module = DropConnect(rate=rate).parametrization((3, 30))
    keys = make_key(torch.arange(n), step=1, place="connect")
    u = module.stacked({"key": keys}, weight.expand(n, 3, 30)) @ x
    mean, variance = dropped_moments(x, weight, rate)
    assert ((u.mean(0) - mean).abs() < 6 * (variance / n).sqrt()).all()
    assert ((u.var(0) - variance).abs() < 6 * variance * math.sqrt(5 / n)).all()


def test_fits_pytorchs_parametrize_and_answers_with_the_plain_weights() -> None:
    layer, x = nn.Linear(4, 5).double(), draw(3, 4)
    plain = layer(x)
    parametrize.register_parametrization(layer, "weight", DropConnect(rate=0.5).parametrization((5, 4)))
    masked = layer.weight
    assert torch.equal(masked == 0, torch.isclose(masked, torch.zeros_like(masked), atol=0))
    on = masked != 0
    learned = layer.parametrizations.weight.original
    torch.testing.assert_close(masked[on], 2 * learned[on], rtol=1e-12, atol=0)
    layer(x).sum().backward()
    torch.testing.assert_close(learned.grad, torch.where(on, 2 * x.sum(0), 0).expand(5, 4), rtol=1e-12, atol=0)
    assert torch.equal(layer.eval()(x), plain)


def test_needs_nothing_at_the_start() -> None:
    assert DropConnect().parametrization((5, 4)).start(torch.ones(2, 5, 4)) == {}
