"""Which branches are skipped and how often, Huang's rates, and his test-time network as ours."""

import math

import pytest
import torch
from torch import Tensor, nn

from wellposed.random import make_key
from wellposed.techniques import StochasticDepth
from wellposed.techniques.layers.stochastic_depth import Mode, StackedStochasticDepth, drop_branch

KEYS = make_key(torch.arange(3), step=1, place="depth")


def branch_of(technique: StochasticDepth, depth: float) -> StackedStochasticDepth:
    module = technique.branch(depth)
    assert isinstance(module, StackedStochasticDepth)
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_rows_are_skipped_as_a_whole_and_the_others_scaled(dtype: torch.dtype) -> None:
    """Share within 6 standard errors: one false alarm in 5e8 a number."""
    n, rates = 50_000, torch.tensor([0.0, 0.3, 0.8], dtype=dtype)
    y = drop_branch(torch.ones(3, n, 2, dtype=dtype), rates, key=KEYS)
    assert torch.equal(y[..., 0], y[..., 1])
    for k, rate in enumerate(rates.tolist()):
        off = float((y[k, :, 0] == 0).double().mean())
        assert abs(off - rate) <= 6 * math.sqrt(rate * (1 - rate) / n)
        torch.testing.assert_close(y[k][y[k] != 0].unique(), 1 / (1 - rates[k : k + 1]))


def test_a_batch_is_skipped_as_a_whole_each_members_for_itself() -> None:
    """Of 20000 members, within 6 standard errors."""
    n = 20_000
    y = drop_branch(torch.ones(n, 2, 3), 0.3, mode="batch", key=make_key(torch.arange(n), step=1, place="depth"))
    off = (y == 0).flatten(1)
    assert torch.equal(off.any(1), off.all(1))
    assert abs(float(off[:, 0].float().mean()) - 0.3) < 6 * math.sqrt(0.21 / n)


@pytest.mark.parametrize(("decay", "expected"), [("linear", [0.1, 0.2, 0.3, 0.4, 0.5]), ("uniform", [0.5] * 5)])
def test_rates_are_huangs(decay: str, expected: list[float]) -> None:
    """p_l = 1 - (l / L) (1 - p_L) with p_L = 0.5, read off the factor of the rows that stay."""
    technique = StochasticDepth(decay=decay, rate=0.5)  # type: ignore[arg-type]
    for block, rate in enumerate(expected, start=1):
        y = branch_of(technique, block / 5)(torch.ones(64, 1, dtype=torch.float64))
        torch.testing.assert_close(y.max(), torch.tensor(1 / (1 - rate), dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_members_with_rates_of_their_own(mode: Mode) -> None:
    x, rates = torch.ones(3, 40, 2), torch.tensor([0.0, 0.3, 0.6])
    module = branch_of(StochasticDepth(mode=mode), 0.5)
    together = module.stacked({"key": KEYS, "rate": rates}, x)
    for k in range(3):
        alone = drop_branch(x[k : k + 1], 0.5 * float(rates[k]), mode=mode, key=KEYS[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone)


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_the_answer_is_huangs_and_the_mean_of_training(mode: Mode) -> None:
    """ReLU(H + p f(H)) with his f; ours is p f. A branch's mean over 10000 steps within 6 standard errors."""
    torch.manual_seed(0)
    theirs, x, p = nn.Linear(4, 4).double(), torch.randn(5, 4, dtype=torch.float64), 0.6
    ours = nn.Linear(4, 4).double()
    ours.weight.data, ours.bias.data = p * theirs.weight.data, p * theirs.bias.data
    module = branch_of(StochasticDepth(mode=mode, rate=0.4), 1.0)

    def train(step: int) -> Tensor:
        module.key = make_key(torch.tensor(7), step=step, place="depth")
        y: Tensor = module(ours(x))
        return y

    with torch.no_grad():
        for step in range(20):  # every value of a training step is one of Huang's two
            y = train(step)
            on = (y != 0).any(1, keepdim=True)
            torch.testing.assert_close(y, torch.where(on, theirs(x), 0), rtol=1e-12, atol=1e-12)
        answer = torch.relu(x + module.eval()(ours(x)))
        torch.testing.assert_close(answer, torch.relu(x + p * theirs(x)), rtol=1e-12, atol=1e-12)

        keys = make_key(torch.full((10_000,), 7), step=torch.arange(10_000), place="depth")
        mean = drop_branch(ours(x).expand(10_000, 5, 4), 1 - p, mode=mode, key=keys).mean(0)
        tolerance = 6 * ours(x).abs() * math.sqrt((1 - p) / p / 10_000)
        assert ((mean - ours(x)).abs() <= tolerance).all()


def test_inside_vmap_over_members() -> None:
    """Each member draws from its own key, as it does stacked."""
    module, x = StochasticDepth().branch(0.5), torch.ones(3, 5, 4)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(module, {"key": key}, (rows,)))(KEYS, x)
    torch.testing.assert_close(y, module.stacked({"key": KEYS}, x))


@pytest.mark.unchecked
def test_one_draw_for_a_batch_compiles_into_one_graph() -> None:
    torch.compiler.reset()
    module, x = StochasticDepth(mode="batch").branch(0.5), torch.ones(9, 4, 3, 3)
    assert torch.equal(torch.compile(module, fullgraph=True, backend="aot_eager")(x), module(x))
