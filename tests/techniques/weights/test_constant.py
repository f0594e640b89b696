"""All weights equal; units that start equal stay equal."""

import torch
from torch import nn

from wellposed.random import make_key
from wellposed.techniques import Constant

KEYS = make_key(torch.arange(2), step=0, place="w")


def test_members_may_differ_and_own_their_memory() -> None:
    drawn = Constant().bound({"value": torch.tensor([0.5, -1.0])}).weights((2, 3), KEYS, dtype=torch.float32)
    assert torch.equal(drawn, torch.tensor([0.5, -1.0]).view(2, 1, 1).expand(2, 2, 3))
    drawn[0, 0, 0] = 7
    assert (drawn == 7).sum() == 1


def test_units_that_start_equal_get_equal_gradients() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    for layer in (net[0], net[2]):
        drawn = Constant(value=0.3).weights(tuple(layer.weight.shape), KEYS[:1], dtype=torch.float64)
        layer.weight.data.copy_(drawn[0])
        nn.init.zeros_(layer.bias)
    net(torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).square().sum().backward()
    gradient = net[0].weight.grad
    torch.testing.assert_close(gradient, gradient[:1].expand_as(gradient), rtol=1e-12, atol=1e-12)
    assert gradient.any()
