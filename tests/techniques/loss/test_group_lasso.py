"""Against a loop over groups, L1 for groups of one weight, and scikit-learn's solution where groups are rows."""

import math

import pytest
import torch
from sklearn.linear_model import MultiTaskLasso
from torch import Tensor

from wellposed.techniques import GroupLasso
from wellposed.techniques.loss.group_lasso import Group, sum_lengths
from wellposed.techniques.loss.l1 import sum_absolute


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("group", ["input", "output"])
def test_equals_a_loop_over_groups(group: Group) -> None:
    parameters = {"0.weight": drawn(2, 4, 3), "0.bias": drawn(2, 4), "1.weight": drawn(2, 5, 4, 2, 2)}
    expected = torch.zeros(2, dtype=torch.float64)
    for name in ("0.weight", "1.weight"):
        for k, weight in enumerate(parameters[name]):
            for i in range(weight.shape[1 if group == "input" else 0]):
                own = weight[:, i] if group == "input" else weight[i]
                expected[k] += math.sqrt(own.numel()) * own.norm()
    torch.testing.assert_close(sum_lengths(parameters, group), expected, rtol=1e-12, atol=0)


def test_of_groups_of_one_weight_it_is_l1() -> None:
    parameters = {"w": drawn(2, 1, 6)}
    torch.testing.assert_close(sum_lengths(parameters, "input"), sum_absolute(parameters), rtol=1e-12, atol=0)


def test_scikit_learns_multi_task_lasso_is_the_minimum() -> None:
    """Its penalty is that of outgoing weights without the root of the group's size. Slope 0 where a group is not 0."""
    x = drawn(50, 6)
    y = x[:, :2] @ torch.tensor([[1.0, -2.0, 0.5], [3.0, 1.0, 0.0]], dtype=torch.float64) + 0.1 * drawn(50, 3)
    alpha = 0.3
    found = MultiTaskLasso(alpha=alpha, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x.numpy(), y.numpy())
    w = torch.from_numpy(found.coef_).clone().requires_grad_()
    penalty = GroupLasso(amount=alpha / math.sqrt(3)).penalty({"w": w[None]})[0]
    (0.5 * (y - x @ w.T).square().sum(1).mean() + penalty).backward()
    dead = (w == 0).all(0)
    assert dead.tolist() == [False, False, True, True, True, True]
    assert (w.grad[:, ~dead].abs() < 1e-7).all()
    assert (w.grad[:, dead].norm(dim=0) <= alpha).all()  # that of the length is 0 at 0


def test_where_names_who_pays() -> None:
    parameters = {"0.weight": drawn(2, 4, 3), "1.weight": drawn(2, 3, 4)}
    parts = sum_lengths(parameters, "input", "0.*") + sum_lengths(parameters, "input", "1.*")
    torch.testing.assert_close(parts, sum_lengths(parameters, "input"))
    assert torch.equal(GroupLasso(where="7.*").penalty(parameters), torch.zeros(2, dtype=torch.float64))
