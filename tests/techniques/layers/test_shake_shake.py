"""The mixture of two branches by hand, on both ways; shares that are uniform, apart from each other, and 1/2 after."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from wellposed.nets.doubled import Doubled
from wellposed.random import make_key
from wellposed.techniques import ShakeShake
from wellposed.techniques.layers.shake_shake import StackedShakeShake, shake_difference

KEYS = make_key(torch.arange(3), step=1, place="shake")


def module_of(technique: ShakeShake) -> StackedShakeShake:
    module = technique.branch(1.0)
    assert isinstance(module, StackedShakeShake)
    return module


def shares(technique: ShakeShake, n: int) -> tuple[Tensor, Tensor]:
    """Of the first branch, for `n` rows: of the outputs, and of the gradient."""
    x = torch.ones(n, 1, dtype=torch.float64, requires_grad=True)
    y = module_of(technique)(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach().squeeze(1), slope.squeeze(1)


def test_is_the_mixture_of_two_branches_and_gradients_are_mixed_by_other_shares() -> None:
    """Against alpha f + (1 - alpha) g, and beta and 1 - beta times the gradient that comes back."""
    torch.manual_seed(0)
    one, other = (torch.nn.Linear(4, 4).double() for _ in range(2))
    share = module_of(ShakeShake())
    block, x, slope = Doubled(one, other, share), torch.randn(7, 4).double(), torch.randn(7, 4).double()
    alpha, beta = (s.unsqueeze(1) for s in shares(ShakeShake(), 7))
    y = block(x)
    torch.testing.assert_close(y, alpha * one(x) + (1 - alpha) * other(x), rtol=1e-12, atol=1e-12)
    found = torch.autograd.grad(y, [*one.parameters(), *other.parameters()], slope)
    expected = [
        *torch.autograd.grad(one(x), list(one.parameters()), beta * slope),
        *torch.autograd.grad(other(x), list(other.parameters()), (1 - beta) * slope),
    ]
    torch.testing.assert_close(list(found), expected, rtol=1e-12, atol=1e-12)
    block.eval()
    torch.testing.assert_close(block(x), (one(x) + other(x)) / 2, rtol=1e-12, atol=1e-12)


def test_shares_are_uniform_and_those_of_the_ways_apart_from_each_other() -> None:
    """Kolmogorov and Smirnov at 1e-6; the correlation within 6 standard errors (1 in 5e8)."""
    alpha, beta = shares(ShakeShake(), 20_000)
    for drawn in (alpha, beta):
        assert stats.kstest(drawn.numpy(), stats.uniform(0, 1).cdf).pvalue > 1e-6
    assert abs(float(torch.corrcoef(torch.stack([alpha, beta]))[0, 1])) < 6 / math.sqrt(20_000)


@pytest.mark.parametrize(("backward", "same"), [("keep", True), ("even", False)])
def test_gradients_may_be_shared_evenly_or_as_outputs_are(backward: str, same: bool) -> None:
    alpha, beta = shares(ShakeShake(backward=backward), 500)  # type: ignore[arg-type]
    torch.testing.assert_close(beta, alpha if same else torch.full_like(alpha, 0.5), rtol=1e-12, atol=1e-12)


def test_less_than_the_whole_amount_draws_nearer_to_one_half() -> None:
    alpha, beta = shares(ShakeShake(amount=0.4), 5000)
    for drawn in (alpha, beta):
        assert stats.kstest(drawn.numpy(), stats.uniform(0.3, 0.4).cdf).pvalue > 1e-6
    alpha, beta = shares(ShakeShake(amount=0.0), 5)
    assert set(alpha.tolist()) == set(beta.tolist()) == {0.5}


def test_rows_draw_for_themselves_and_batches_as_a_whole() -> None:
    x = torch.ones(3, 50, 2, 3)
    rows, batch = (shake_difference(x, 1.0, mode=mode, key=KEYS) for mode in ("row", "batch"))  # type: ignore[arg-type]
    assert torch.equal(rows, rows[:, :, :1, :1].expand_as(rows))
    assert all(len(rows[k, :, 0, 0].unique()) > 40 for k in range(3))
    assert torch.equal(batch, batch[:, :1, :1, :1].expand_as(batch)) and len(batch.unique()) == 3


def test_members_with_amounts_of_their_own() -> None:
    x, amounts = torch.ones(3, 40, 2), torch.tensor([0.0, 0.3, 1.0])
    together = module_of(ShakeShake()).stacked({"key": KEYS, "amount": amounts}, x)
    for k in range(3):
        alone = shake_difference(x[k : k + 1], float(amounts[k]), key=KEYS[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone)
