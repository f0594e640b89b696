"""How many units are off, what the others become, that the key alone decides, and what theory says of the mean."""

import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.population.build import build_template
from wellposed.random import make_key
from wellposed.recipe import Recipe
from wellposed.techniques import Dropout
from wellposed.techniques.layers.dropout import Scaling, Shape, StackedDropout, drop_units, share_at

KEYS = make_key(torch.arange(3), step=1, place="dropout")


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_of_units_that_are_off(rate: float, dtype: torch.dtype) -> None:
    """Within 6 standard errors: one false alarm in 5e8 a number; the rest is scaled by 1 / (1 - rate) exactly."""
    n = 100_000
    y = drop_units(torch.ones(3, n, dtype=dtype), rate, key=KEYS)
    off = (y == 0).double().mean(1)
    assert ((off - rate).abs() < 6 * math.sqrt(rate * (1 - rate) / n)).all()
    assert y.dtype == dtype
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / (1 - rate)], dtype=dtype))


def test_each_member_has_its_own_rate() -> None:
    n, rates = 100_000, torch.tensor([0.0, 0.3, 0.8])
    off = (drop_units(torch.ones(3, n), rates, key=KEYS) == 0).float().mean(1)
    assert ((off - rates).abs() < 6 * (rates * (1 - rates) / n).sqrt() + 1e-9).all()


def test_the_expectation_over_masks_is_the_input() -> None:
    """The mean of 4000 masks, within 6 of its standard errors |x| sqrt(rate / (1 - rate) / 4000)."""
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    keys = make_key(torch.full((4000,), 5), step=torch.arange(4000), place="dropout")
    mean = drop_units(x.expand(4000, 9), 0.4, key=keys).mean(0)
    assert ((mean - x).abs() <= 6 * x.abs() * math.sqrt(0.4 / 0.6 / 4000) + 1e-12).all()


def test_units_are_off_independently() -> None:
    """Correlation of neighbours (units, rows, and the two halves of a mask) within 6 of 1 / sqrt(n)."""
    m = (drop_units(torch.ones(1, 400, 200, dtype=torch.float64), 0.5, key=KEYS[:1])[0] == 0).double() * 2 - 1
    halves = m.flatten().chunk(2)
    for a, b in ((m[:, 1:], m[:, :-1]), (m[1:], m[:-1]), halves):
        assert abs(float((a * b).mean())) < 6 / math.sqrt(a.numel())


def test_the_key_decides() -> None:
    x = torch.ones(3, 8, 5)
    y = drop_units(x, 0.5, key=KEYS)
    assert torch.equal(y, drop_units(x, 0.5, key=KEYS))
    assert torch.equal(y[1:2], drop_units(x[1:2], 0.5, key=KEYS[1:2]))
    assert not torch.equal(y[0], y[1])
    assert not torch.equal(y, drop_units(x, 0.5, key=make_key(torch.arange(3), step=2, place="dropout")))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_gradient_is_the_same_mask(dtype: torch.dtype) -> None:
    x = torch.linspace(-1, 1, 24, dtype=dtype).view(3, 8).requires_grad_()
    y = drop_units(x, torch.tensor([0.2, 0.5, 0.8], dtype=dtype), key=KEYS)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())


def test_after_training_it_does_nothing() -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    layer = Dropout(rate=0.9).layer((3,))
    assert not torch.equal(layer(x), x)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("shape", [(6,), (2, 3, 3)], ids=["numbers", "images"])
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    """Each member draws from its own key, as it does stacked."""
    layer, x = Dropout(rate=0.5).layer(shape), torch.ones(3, 4, *shape)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(layer, {"key": key}, (rows,)))(KEYS, x)
    assert torch.equal(y, layer.stacked({"key": KEYS}, x))


@pytest.mark.unchecked
@pytest.mark.parametrize("training", [True, False])
def test_classical_scaling_compiles_into_one_graph(training: bool) -> None:
    torch.compiler.reset()
    layer, x = Dropout(scaling="classical").layer((4,)).train(training), draw(5, 4).float()
    assert torch.equal(torch.compile(layer, fullgraph=True, backend="aot_eager")(x), layer(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_classical_scaling_is_inverted_scaling_put_off(dtype: torch.dtype) -> None:
    x = draw(5, 4).to(dtype)
    classical, inverted = Dropout(scaling="classical", rate=0.4).layer((4,)), Dropout(rate=0.4).layer((4,))
    torch.testing.assert_close(classical(x), inverted(x) * 0.6)
    torch.testing.assert_close(classical.eval()(x), inverted.eval()(x) * 0.6)
    rates = torch.tensor([0.0, 0.3, 0.8], dtype=dtype)
    found = classical.stacked({"key": KEYS, "rate": rates}, x.expand(3, 5, 4))
    torch.testing.assert_close(found, x * (1 - rates).view(3, 1, 1))


def masks(n: int) -> Tensor:
    """All patterns of `n` units."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def probabilities(patterns: Tensor, rate: float) -> Tensor:
    """Of each pattern."""
    on = patterns.sum(1)
    return (1 - rate) ** on * rate ** (patterns.shape[1] - on)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_weight_scaling_is_the_mean_over_all_masks_of_a_linear_layer(rate: float) -> None:
    """Exactly, by enumeration of the 64 masks of 6 inputs."""
    affine, x = nn.Linear(6, 3).double(), draw(6)
    with torch.no_grad():
        mean = torch.einsum("m,mc->c", probabilities(masks(6), rate), affine(masks(6) * x))
        scaled = affine(Dropout(scaling="classical", rate=rate).layer((6,)).eval()(x[None]))[0]
    torch.testing.assert_close(scaled, mean, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_weight_scaling_is_the_geometric_mean_of_a_softmax_over_hidden_units(rate: float) -> None:
    """Over the 64 masks of 6 hidden units, normalized: an exact identity of one layer of masks before a softmax."""
    torch.manual_seed(0)
    hidden, output, x = nn.Linear(4, 6).double(), nn.Linear(6, 3).double(), draw(2, 4)
    with torch.no_grad():
        units = torch.tanh(hidden(x))
        each = output(masks(6)[:, None] * units).log_softmax(-1)
        geometric = torch.einsum("m,mbc->bc", probabilities(masks(6), rate), each).softmax(-1)
        scaled = output(Dropout(scaling="classical", rate=rate).layer((6,)).eval()(units)).softmax(-1)
    torch.testing.assert_close(scaled, geometric, rtol=1e-12, atol=1e-12)


def test_in_linear_regression_it_is_ridge() -> None:
    """Over 1e5 masks within 1 %, at least 6 standard errors: one false alarm in 5e8."""
    x, y, w, rate = draw(20, 3), draw(20), torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64), 0.4
    keys = make_key(torch.full((100_000,), 5), step=torch.arange(100_000), place="ridge")
    losses = (y - drop_units(x.expand(100_000, 20, 3), rate, key=keys) @ w).square().sum(1)
    closed = (y - x @ w).square().sum() + rate / (1 - rate) * (x.square().sum(0) * w.square()).sum()
    assert 6 * losses.std() / math.sqrt(100_000) < 0.01 * closed
    torch.testing.assert_close(losses.mean(), closed, rtol=0.01, atol=0)


def test_the_minimum_over_all_masks_is_ridges() -> None:
    """The gradient of the mean loss over the 8 masks of 3 inputs is 0 at the solution of scikit-learn's Ridge."""
    x, y, rate = draw(20, 3), draw(20), 0.4
    spread = x.square().sum(0).sqrt()
    ridge = Ridge(alpha=rate / (1 - rate), fit_intercept=False).fit((x / spread).numpy(), y.numpy())
    w = (torch.from_numpy(ridge.coef_) / spread).requires_grad_()
    each = (y - (x * masks(3)[:, None] / (1 - rate)) @ w).square().sum(1)
    (probabilities(masks(3), rate) * each).sum().backward()
    torch.testing.assert_close(w.grad, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-9)


AUTO_PYTORCH: dict[Shape, dict[int, list[float]]] = {
    "brick": {1: [1], 3: [1, 1, 1]},
    "triangle": {1: [1], 3: [1 / 3, 2 / 3, 1], 4: [1 / 4, 1 / 2, 3 / 4, 1]},
    "funnel": {1: [1], 3: [1, 2 / 3, 1 / 3], 4: [1, 3 / 4, 1 / 2, 1 / 4]},
    "long_funnel": {1: [1], 2: [1, 1], 5: [1, 1, 1, 1, 1 / 2], 8: [1, 1, 1, 1, 1, 3 / 4, 1 / 2, 1 / 4]},
    "diamond": {1: [1], 2: [1, 1 / 2], 3: [1 / 2, 1, 1 / 2], 4: [1 / 2, 1, 2 / 3, 1 / 3]},
    "hexagon": {1: [1], 3: [1, 1, 1], 5: [1 / 2, 1, 1, 1, 1 / 2], 8: [1 / 3, 2 / 3, 1, 1, 1, 1, 2 / 3, 1 / 3]},
    "stairs": {1: [1], 2: [1, 1], 3: [1, 1 / 3, 1 / 3], 4: [1, 1, 1 / 2, 1 / 2], 5: [1, 3 / 5, 3 / 5, 1 / 5, 1 / 5]},
}
"""By layers: Auto-PyTorch's `get_shaped_neuron_counts`, from 0 inputs to 0 outputs, the last left out, as shares."""


@pytest.mark.parametrize("shape", AUTO_PYTORCH)
def test_shapes_are_those_of_auto_pytorch(shape: Shape) -> None:
    for n, expected in AUTO_PYTORCH[shape].items():
        assert [share_at(shape, i, n) for i in range(1, n + 1)] == pytest.approx(expected, rel=1e-12)


@given(shape=st.sampled_from(list(AUTO_PYTORCH)), n=st.integers(1, 40))
def test_shares_are_shares_and_one_layer_has_the_whole_rate(shape: Shape, n: int) -> None:
    found = [share_at(shape, i, n) for i in range(1, n + 1)]
    assert max(found) == 1 and min(found) > 0


@pytest.mark.parametrize("scaling", ["inverted", "classical"])
def test_layers_of_a_network_have_their_share_of_the_rate(scaling: Scaling) -> None:
    """Of a funnel over three hidden layers, whether members share the rate or not."""
    recipe = Recipe(net=MLP(widths=(4, 5, 6)), techniques=(Dropout(shape="funnel", scaling=scaling, rate=0.6),))
    build = partial(build_template, inputs=Inputs((3,)), outputs=2, factory=None)
    template = build(recipe, dtype=torch.float64, device=torch.device("cpu")).template
    x, each = draw(3, 50, 4), torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64)
    layers = [m for m in template.modules() if isinstance(m, StackedDropout)]
    for layer, share in zip(layers, (1, 2 / 3, 1 / 3), strict=True):
        shared, apart = layer.stacked({"key": KEYS}, x), layer.stacked({"key": KEYS, "rate": each}, x)
        torch.testing.assert_close(shared, drop_units(x, 0.6 * share, key=KEYS, scaling=scaling))
        torch.testing.assert_close(apart, drop_units(x, each * share, key=KEYS, scaling=scaling))
        if scaling == "classical":
            torch.testing.assert_close(layer.eval().stacked({"key": KEYS}, x), x * (1 - 0.6 * share))


def test_a_layer_alone_has_the_whole_rate() -> None:
    x = torch.ones(3, 5)
    assert torch.equal(Dropout(shape="diamond", rate=0.4).layer((5,))(x), Dropout(rate=0.4).layer((5,))(x))
