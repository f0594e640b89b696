"""Against PyTorch's weight_decay, whose convention it shares."""

import torch
from torch import nn

from wellposed.techniques import L2
from wellposed.techniques.loss.l2 import sum_squares


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)).double()


def test_a_step_of_gradient_descent_equals_pytorchs_weight_decay() -> None:
    ours, theirs = net(), net()
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    stacked = {name: p[None] for name, p in ours.named_parameters()}
    (ours(x).square().sum() + L2(amount=0.3).penalty(stacked).sum()).backward()
    torch.optim.SGD(ours.parameters(), lr=0.1).step()

    theirs(x).square().sum().backward()
    weights = [theirs[0].weight, theirs[2].weight]
    rest = [theirs[0].bias, *theirs[1].parameters(), theirs[2].bias]
    torch.optim.SGD([{"params": weights, "weight_decay": 0.3}, {"params": rest}], lr=0.1).step()

    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_where_names_who_pays() -> None:
    stacked = {name: p.detach()[None] for name, p in net().named_parameters()}
    torch.testing.assert_close(sum_squares(stacked, "0.*"), stacked["0.weight"].square().sum()[None])
    parts = L2(amount=0.3, where="0.*").penalty(stacked) + L2(amount=0.3, where="2.*").penalty(stacked)
    torch.testing.assert_close(parts, L2(amount=0.3).penalty(stacked))
    assert torch.equal(L2(where="7.*").penalty(stacked), torch.zeros(1, dtype=torch.float64))
