"""Against the sum written out, and its gradient."""

import torch
from torch import nn

from wellposed.techniques import L1
from wellposed.techniques.loss.l1 import sum_absolute


def parameters() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Linear(4, 3)).double() for _ in range(2)]
    names = [name for name, _ in nets[0].named_parameters()]
    return {n: torch.stack([net.get_parameter(n).detach() for net in nets]).requires_grad_() for n in names}


def test_equals_the_sum_over_weights_and_its_sign_as_gradient() -> None:
    stacked = parameters()
    amount = torch.tensor([0.1, 0.5], dtype=torch.float64)
    penalty = L1().bound({"amount": amount}).penalty(stacked)
    for k in range(2):
        expected = sum(float(stacked[name][k].detach().abs().sum()) for name in ("0.weight", "2.weight"))
        torch.testing.assert_close(penalty[k].item(), float(amount[k]) * expected)
    penalty.sum().backward()
    weight = stacked["2.weight"]
    torch.testing.assert_close(weight.grad, amount.view(2, 1, 1) * weight.detach().sign())
    assert stacked["0.bias"].grad is None
    assert stacked["1.weight"].grad is None


def test_where_names_who_pays() -> None:
    stacked = parameters()
    parts = sum_absolute(stacked, "0.*") + sum_absolute(stacked, "2.*")
    torch.testing.assert_close(parts, sum_absolute(stacked))
    assert torch.equal(L1(where="7.*").penalty(stacked), torch.zeros(2, dtype=torch.float64))
