"""Against PyTorch's weight_decay, scikit-learn's Ridge, the Gaussian prior, and the optimum on a quadratic."""

import torch
from sklearn.linear_model import Ridge
from torch import nn
from torch.distributions import Normal

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


def test_it_is_the_prior_of_gauss() -> None:
    """With noise of variance v, half the squared error and L2 of v / s^2 are v times minus the log posterior of w ~
    N(0, s^2), up to a constant: differences between two w are equal. And Ridge's solution is the highest posterior.
    """
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((20, 3), (20,)))
    noise, spread = 0.7, 0.4

    def ours(w: torch.Tensor) -> torch.Tensor:
        penalty = L2(amount=noise**2 / spread**2).penalty({"w": w.view(1, 1, 3)})[0]
        return 0.5 * (y - x @ w).square().sum() + penalty

    def theirs(w: torch.Tensor) -> torch.Tensor:
        return -(noise**2) * (
            Normal(x @ w, noise).log_prob(y).sum() + Normal(torch.zeros_like(w), spread).log_prob(w).sum()
        )

    one, other = (torch.randn(3, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(ours(one) - ours(other), theirs(one) - theirs(other), rtol=1e-10, atol=0)

    ridge = Ridge(alpha=noise**2 / spread**2, fit_intercept=False).fit(x.numpy(), y.numpy())
    w = torch.from_numpy(ridge.coef_).requires_grad_()
    ours(w).backward()
    torch.testing.assert_close(w.grad, torch.zeros_like(w), rtol=0, atol=1e-10)


def test_on_a_quadratic_the_optimum_is_the_closed_form() -> None:
    """Q (L + a)^-1 L Q' w* of the curvature Q L Q'."""
    generator = torch.Generator().manual_seed(0)
    root, best = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((4, 4), (4,)))
    curvature, amount = root @ root.T, 0.4
    eigenvalues, q = torch.linalg.eigh(curvature)
    w = (q @ (eigenvalues / (eigenvalues + amount) * (q.T @ best))).requires_grad_()
    loss = 0.5 * (w - best) @ curvature @ (w - best)
    (loss + L2(amount=amount).penalty({"w": w.view(1, 1, 4)})[0]).backward()
    torch.testing.assert_close(w.grad, torch.zeros_like(w), rtol=0, atol=1e-10)
