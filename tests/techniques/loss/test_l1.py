"""Against the sum written out, its gradient, the Laplace prior that it stands for, and its optimum on a quadratic."""

import torch
from torch import nn
from torch.distributions import Laplace, Normal

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


def test_it_is_the_prior_of_laplace() -> None:
    """With noise of variance v, half the squared error and L1 of v / b are v times minus the log posterior of w ~
    Laplace(0, b), up to a constant: differences between two w are equal.
    """
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((20, 3), (20,)))
    noise, b = 0.7, 0.4

    def ours(w: torch.Tensor) -> torch.Tensor:
        return 0.5 * (y - x @ w).square().sum() + L1(amount=noise**2 / b).penalty({"w": w.view(1, 1, 3)})[0]

    def theirs(w: torch.Tensor) -> torch.Tensor:
        return -(noise**2) * (
            Normal(x @ w, noise).log_prob(y).sum() + Laplace(torch.zeros_like(w), b).log_prob(w).sum()
        )

    one, other = (torch.randn(3, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(ours(one) - ours(other), theirs(one) - theirs(other), rtol=1e-10, atol=0)


def test_on_a_diagonal_quadratic_the_optimum_is_soft_thresholding() -> None:
    """sign(w*) max(|w*| - a / H, 0): slope 0 where it is not 0, and else no more than L1 holds against."""
    best, curvature = torch.tensor([[3.0, -2.0, 0.5, -0.0625], [1.0, 2.0, 0.5, 4.0]], dtype=torch.float64)
    amount = 0.4
    w = (best.sign() * (best.abs() - amount / curvature).clamp_min(0)).requires_grad_()
    loss = 0.5 * (curvature * (w - best).square()).sum()
    (loss + L1(amount=amount).penalty({"w": w.view(1, 1, 4)})[0]).backward()
    assert (w.grad[w != 0].abs() < 1e-12).all()
    assert (w.grad[w == 0].abs() <= amount + 1e-12).all()
    assert 0 < int((w == 0).sum()) < 4
