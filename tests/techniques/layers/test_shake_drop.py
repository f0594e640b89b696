"""How often branches are shaken and in which ranges, on both ways; the expectation; Yamada's rates."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from wellposed.random import make_key
from wellposed.techniques import ShakeDrop
from wellposed.techniques.layers.shake_drop import StackedShakeDrop, scale_apart, shake_branch

KEYS = make_key(torch.arange(3), step=1, place="shake")


def branch_of(technique: ShakeDrop, depth: float) -> StackedShakeDrop:
    module = technique.branch(depth)
    assert isinstance(module, StackedShakeDrop)
    return module


def factors(technique: ShakeDrop, n: int) -> tuple[Tensor, Tensor]:
    """Of the last block, for `n` rows: what their ones become, and the gradient of that."""
    x = torch.ones(n, 1, dtype=torch.float64, requires_grad=True)
    y = branch_of(technique, 1.0)(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach().squeeze(1), slope.squeeze(1)


class ByFormula(torch.autograd.Function):
    """One factor forward, one backward, as the paper writes it."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, there: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return there * x

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, g: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return back * g, None, None


def test_two_factors_are_those_of_an_autograd_function() -> None:
    """Within a network, so that gradients go on from there."""
    torch.manual_seed(0)
    net, x = nn.Linear(4, 3).double(), torch.randn(2, 5, 4, dtype=torch.float64)
    there, back = torch.randn(2, 5, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    ours = scale_apart(net(x), there, back)
    theirs = ByFormula.apply(net(x), there.unsqueeze(-1), back.unsqueeze(-1))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for mine, other in zip(
        *(torch.autograd.grad(y.sin().sum(), list(net.parameters())) for y in (ours, theirs)), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_both_ways_are_shaken_uniformly_and_apart_from_each_other() -> None:
    """Kolmogorov and Smirnov at 1e-6, the share and the correlation within 6 standard errors (1 in 5e8)."""
    n = 20_000
    there, back = factors(ShakeDrop(rate=0.6), n)
    shaken = there != 1
    assert torch.equal(shaken, back != 1)
    assert abs(float(shaken.double().mean()) - 0.6) < 6 * math.sqrt(0.24 / n)
    alpha, beta = there[shaken], back[shaken]
    assert stats.kstest(alpha.numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-6
    assert stats.kstest(beta.numpy(), stats.uniform(0, 1).cdf).pvalue > 1e-6
    assert abs(float(torch.corrcoef(torch.stack([alpha, beta]))[0, 1])) < 6 / math.sqrt(len(alpha))


def test_a_forward_factor_of_zero_skips_and_learns_all_the_same() -> None:
    there, back = factors(ShakeDrop(forward="zero", rate=0.5), 2000)
    assert set(there.tolist()) == {0.0, 1.0}
    assert ((back > 0) == (back <= 1)).all()
    assert len(back[there == 0].unique()) > 900


@pytest.mark.parametrize("forward", ["signed", "zero"])
def test_the_answer_is_the_expectation(forward: str) -> None:
    """The mean over 100000 rows within 6 standard errors, whose variance is at most 1 and a third."""
    technique = ShakeDrop(forward=forward, rate=0.4)  # type: ignore[arg-type]
    there, _ = factors(technique, 100_000)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).unsqueeze(1)
    answer = branch_of(technique, 1.0).eval()(x)
    torch.testing.assert_close(answer, 0.6 * x, rtol=1e-12, atol=0)
    assert abs(float(there.mean()) - 0.6) < 6 * math.sqrt(4 / 3 / 100_000)


@pytest.mark.parametrize(("decay", "expected"), [("linear", [0.9, 0.8, 0.7, 0.6, 0.5]), ("uniform", [0.5] * 5)])
def test_rates_are_those_of_the_paper(decay: str, expected: list[float]) -> None:
    """p_l = 1 - (l / L) (1 - p_L) with p_L = 0.5, read off the answers."""
    technique = ShakeDrop(decay=decay, rate=0.5)  # type: ignore[arg-type]
    found = [float(branch_of(technique, i / 5).eval()(torch.ones(1, 1, dtype=torch.float64))) for i in range(1, 6)]
    assert found == pytest.approx(expected, rel=1e-12)


def test_rows_draw_for_themselves_and_batches_as_a_whole() -> None:
    x = torch.ones(3, 50, 2, 3)
    rows, batch = shake_branch(x, 1.0, key=KEYS), shake_branch(x, 1.0, mode="batch", key=KEYS)
    assert torch.equal(rows, rows[:, :, :1, :1].expand_as(rows))
    assert all(len(rows[k, :, 0, 0].unique()) > 40 for k in range(3))
    assert torch.equal(batch, batch[:, :1, :1, :1].expand_as(batch)) and len(batch.unique()) == 3


def test_the_key_decides() -> None:
    x = torch.ones(3, 8, 5)
    y = shake_branch(x, 0.5, key=KEYS)
    assert torch.equal(y, shake_branch(x, 0.5, key=KEYS))
    assert torch.equal(y[1:2], shake_branch(x[1:2], 0.5, key=KEYS[1:2]))
    assert not torch.equal(y, shake_branch(x, 0.5, key=make_key(torch.arange(3), step=2, place="shake")))


def test_members_with_rates_of_their_own() -> None:
    x, rates = torch.ones(3, 40, 2), torch.tensor([0.0, 0.3, 0.9])
    module = branch_of(ShakeDrop(), 0.5)
    together = module.stacked({"key": KEYS, "rate": rates}, x)
    assert torch.equal(together[0], x[0])
    for k in range(3):
        alone = shake_branch(x[k : k + 1], 0.5 * float(rates[k]), key=KEYS[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone)
    answers = module.eval().stacked({"key": KEYS, "rate": rates}, x)
    torch.testing.assert_close(answers, x * (1 - 0.5 * rates).view(3, 1, 1))
