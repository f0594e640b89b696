"""Against torch.nn.BatchNorm1d and 2d: outputs, gradients, running statistics, alone and stacked; and what it is for.

In float64 with relative differences below 1e-10: the sums come in another order.
"""

import pytest
import torch
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.techniques import BatchNorm
from wellposed.techniques.stacked import StackedModule

MOMENTA = (0.05, 0.3, 1.0)
SHAPES = [pytest.param((4,), id="numbers"), pytest.param((4, 3, 2), id="images")]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def reference(shape: tuple[int, ...], momentum: float, seed: int) -> nn.Module:
    """PyTorch's layer with a scale and a shift unlike those at the start."""
    layer = (nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(shape[0], momentum=momentum).double()
    layer.weight.data.copy_(draw(shape[0], seed=seed + 1))
    layer.bias.data.copy_(draw(shape[0], seed=seed + 2))
    return layer


def layer_of(shape: tuple[int, ...], momentum: float = 0.1) -> StackedModule:
    layer = BatchNorm(momentum=momentum).layer(shape).double()
    assert isinstance(layer, StackedModule)
    return layer


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_alone_equals_pytorch_over_several_steps(shape: tuple[int, ...]) -> None:
    theirs, ours = reference(shape, 0.3, 0), layer_of(shape, 0.3)
    ours.load_state_dict(theirs.state_dict(), strict=False)
    for step in range(4):
        x = draw(6, *shape, seed=10 + step)
        mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        y, z = ours(mine), theirs(other)
        close(y, z)
        slope = draw(*x.shape, seed=20 + step)
        (y * slope).sum().backward()
        (z * slope).sum().backward()
        close(mine.grad, other.grad)
        close(ours.running_mean, theirs.running_mean)
        close(ours.running_var, theirs.running_var)
    close(ours.weight.grad, theirs.weight.grad)
    close(ours.bias.grad, theirs.bias.grad)
    close(ours.eval()(x), theirs.eval()(x))
    close(ours.running_mean, theirs.running_mean)


@pytest.mark.parametrize("momenta", [MOMENTA, (0.3,) * 3], ids=["apart", "shared"])
@pytest.mark.parametrize("shape", SHAPES)
def test_stacked_equals_pytorch_member_by_member(shape: tuple[int, ...], momenta: tuple[float, ...]) -> None:
    theirs = [reference(shape, momentum, 3 * k) for k, momentum in enumerate(momenta)]
    ours = layer_of(shape, momenta[0])
    names = ("weight", "bias", "running_mean", "running_var")
    own = {name: torch.stack([layer.state_dict()[name] for layer in theirs]) for name in names}
    if len(set(momenta)) > 1:
        own["momentum"] = torch.tensor(momenta, dtype=torch.float64)
    for step in range(3):
        x, slope = draw(3, 6, *shape, seed=10 + step), draw(3, 6, *shape, seed=20 + step)
        mine, weight, bias = (t.clone().requires_grad_() for t in (x, own["weight"], own["bias"]))
        y = ours.stacked(own | {"weight": weight, "bias": bias}, mine)
        (y * slope).sum().backward()
        for k, layer in enumerate(theirs):
            other = x[k].clone().requires_grad_()
            layer.zero_grad()
            z = layer(other)
            (z * slope[k]).sum().backward()
            close(y[k], z)
            close(mine.grad[k], other.grad)
            close(weight.grad[k], layer.weight.grad)
            close(bias.grad[k], layer.bias.grad)
            close(own["running_mean"][k], layer.running_mean)
            close(own["running_var"][k], layer.running_var)
    ours.eval()
    for k, layer in enumerate(theirs):
        close(ours.stacked(own, x)[k], layer.eval()(x[k]))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("shape", [(3,), (2, 2, 2)], ids=["numbers", "images"])
def test_gradients_equal_finite_differences(members: int, shape: tuple[int, ...]) -> None:
    layer = layer_of(shape)
    c = shape[0]
    statistics = {"running_mean": draw(members, c), "running_var": draw(members, c).abs()}

    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        fresh = {name: t.clone() for name, t in statistics.items()}
        return layer.stacked({"weight": weight, "bias": bias, **fresh}, x)

    inputs = draw(members, 4, *shape), draw(members, c, seed=1), draw(members, c, seed=2)
    assert torch.autograd.gradcheck(forward, tuple(t.requires_grad_() for t in inputs))


def test_the_size_of_the_weights_before_it_does_not_matter() -> None:
    """Section 3.3: BN((aW)u) = BN(Wu), so is its gradient by u, and that by aW is that by W divided by a.

    (eps leaves 1e-12 / a^2.)
    """
    slope, results = draw(3, 20, 4, seed=5), []
    for a in (1.0, 7.0):
        u, weight = draw(3, 20, 5).requires_grad_(), (draw(3, 4, 5, seed=1) * a).requires_grad_()
        layer = BatchNorm(eps=1e-12).layer((4,)).double()
        own = {n: t.detach().clone().expand(3, 4).clone() for n, t in layer.state_dict().items() if t.dim()}
        y = layer.stacked(own, u @ weight.mT)
        (y * slope).sum().backward()
        results.append((y.detach(), u.grad, weight.grad * a))
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    """What `torch.func.stack_module_state` users do; statistics move in place in the stacked buffers."""
    layer = layer_of(shape)
    state = {n: t.detach().unsqueeze(0).repeat(3, *[1] * t.dim()) for n, t in layer.state_dict().items()}
    expected = {n: t.clone() for n, t in state.items()}
    x = draw(3, 6, *shape)
    y = torch.func.vmap(lambda own, rows: torch.func.functional_call(layer, own, (rows,)))(state, x)
    close(y, layer.stacked(expected, x))
    close(state["running_mean"], expected["running_mean"])
    close(state["running_var"], expected["running_var"])


def test_refuses_a_batch_of_one_value() -> None:
    layer = layer_of((4,))
    with pytest.raises(BadInput, match="must hold at least 2 values a channel"):
        layer(draw(1, 4))
    layer_of((4, 2, 2))(draw(1, 4, 2, 2))
    layer.eval()(draw(1, 4))


def test_gradients_inside_vmap_and_second_derivatives() -> None:
    """Per-member gradients taken inside `vmap`, and a gradient of a gradient, against PyTorch's layer in a loop."""
    layer, x, slope, weight = layer_of((4,)), draw(3, 6, 4), draw(3, 6, 4, seed=5), draw(3, 4, seed=6)
    bias, mean, variance = torch.zeros_like(weight), torch.zeros_like(weight), torch.ones_like(weight)

    def ours(rows: Tensor, own: Tensor, b: Tensor, m: Tensor, v: Tensor, s: Tensor) -> Tensor:
        state = {"weight": own, "bias": b, "running_mean": m, "running_var": v}
        return (torch.func.functional_call(layer, state, (rows,)).tanh() * s).sum()

    inside = torch.func.vmap(torch.func.grad(ours, argnums=(0, 1)))(x, weight, bias, mean, variance, slope)

    own, rows = weight.clone().requires_grad_(), x.clone().requires_grad_()
    y = layer.stacked({"weight": own, "bias": bias, "running_mean": mean, "running_var": variance}, rows)
    first = torch.autograd.grad((y.tanh() * slope).sum(), (rows, own), create_graph=True)
    second = torch.autograd.grad(first[0].square().sum() + first[1].square().sum(), (rows, own))
    for k in range(3):
        w, r = weight[k].clone().requires_grad_(), x[k].clone().requires_grad_()
        z = nn.functional.batch_norm(r, None, None, w, bias[k], training=True)
        theirs = torch.autograd.grad((z.tanh() * slope[k]).sum(), (r, w), create_graph=True)
        again = torch.autograd.grad(theirs[0].square().sum() + theirs[1].square().sum(), (r, w))
        for found, expected in zip((*inside, *first, *second), (*theirs, *theirs, *again), strict=True):
            close(found[k], expected)


@pytest.mark.parametrize("members", [1, 3])
def test_a_large_mean_costs_no_accuracy_in_training(members: int) -> None:
    """float32 at mean 1000 and deviation 1: what is left is the rounding of the mean itself, 2^-14 of a deviation."""
    x = draw(members, 64, 4) / 2 + 1000
    layer = BatchNorm().layer((4,))
    own = {n: t.detach().repeat(members, 1) for n, t in layer.state_dict().items()}
    y = layer.stacked(own, x.float())
    expected = (x.float().double() - x.float().double().mean(1, keepdim=True)) / x.float().double().std(
        1, correction=0, keepdim=True
    )
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=2e-4)


def test_says_whether_it_answers_by_statistics_of_all_rows() -> None:
    assert not layer_of((4,)).refreshes
    assert BatchNorm(statistics="population").layer((4,)).refreshes


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_of_the_population_equal_those_of_pytorch(shape: tuple[int, ...]) -> None:
    """With a momentum of 1 / (i + 1) at batch i, from any start, they are what `update_bn` measures."""
    batches = [draw(2, n, *shape, seed=n) for n in (6, 9, 4)]
    layer = BatchNorm(statistics="population").layer(shape).double()
    own = {name: draw(2, shape[0], seed=i) for i, name in enumerate(layer.state_dict())}
    for i, x in enumerate(batches):
        layer.stacked(own | {"momentum": torch.full((2,), 1 / (i + 1), dtype=torch.float64)}, x)
    for k in range(2):
        theirs = nn.Sequential(reference(shape, 0.1, 0))
        torch.optim.swa_utils.update_bn([x[k] for x in batches], theirs)
        close(own["running_mean"][k], theirs[0].running_mean)
        close(own["running_var"][k], theirs[0].running_var)


def test_variance_of_the_population_is_unbiased() -> None:
    """Section 3.1: Var[x] = m / (m - 1) E[sigma_B^2] over batches of m."""
    m, x = 5, draw(40, 3)
    layer, batches = layer_of((3,)), x.split(m)
    own = {name: t.detach().unsqueeze(0).clone() for name, t in layer.state_dict().items()}
    for i, batch in enumerate(batches):
        layer.stacked(own | {"momentum": torch.tensor([1 / (i + 1)], dtype=torch.float64)}, batch.unsqueeze(0))
    close(own["running_mean"][0], x.mean(0))
    biased = torch.stack([batch.var(0, correction=0) for batch in batches]).mean(0)
    close(own["running_var"][0], m / (m - 1) * biased)
