"""Against torch.nn.BatchNorm1d and 2d on each ghost batch: outputs, gradients, running statistics, alone and stacked.

In float64 with differences below 1e-10: the sums come in another order.
"""

import pytest
import torch
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.techniques import BatchNorm, GhostBatchNorm
from wellposed.techniques.stacked import StackedModule

SHAPES = [pytest.param((4,), id="numbers"), pytest.param((4, 3, 2), id="images")]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def layer_of(shape: tuple[int, ...], rows: int, momentum: float = 0.1) -> StackedModule:
    layer = GhostBatchNorm(rows=rows, momentum=momentum).layer(shape).double()
    assert isinstance(layer, StackedModule)
    return layer


@pytest.mark.parametrize(("rows", "sizes"), [(4, (4, 4, 4)), (5, (4, 4, 4)), (7, (6, 6)), (10, (6, 6)), (3, (3,) * 4)])
@pytest.mark.parametrize("momenta", [(0.05, 0.3), (0.3,)], ids=["members", "alone"])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_pytorch_on_each_ghost(
    shape: tuple[int, ...], momenta: tuple[float, ...], rows: int, sizes: tuple[int, ...]
) -> None:
    check(shape, momenta, rows, sizes)


@pytest.mark.parametrize("shape", SHAPES)
def test_ghosts_of_a_batch_that_does_not_divide_are_nearly_equal(shape: tuple[int, ...]) -> None:
    check(shape, (0.05, 0.3), 4, (4, 4, 3))
    check(shape, (0.05, 0.3), 6, (6, 5))
    check(shape, (0.3,), 3, (3, 2, 2))


def check(shape: tuple[int, ...], momenta: tuple[float, ...], rows: int, sizes: tuple[int, ...]) -> None:
    """Each ghost's statistics weigh as many rows as it has."""
    k, b = len(momenta), sum(sizes)
    x, slope = draw(k, b, *shape), draw(k, b, *shape, seed=3)
    weight, bias = draw(k, 4, seed=1), draw(k, 4, seed=2)
    own = {"weight": weight.clone().requires_grad_(), "bias": bias.clone().requires_grad_()}
    own |= {"running_mean": draw(k, 4, seed=4), "running_var": draw(k, 4, seed=5).abs()}
    before = {name: t.detach().clone() for name, t in own.items()}
    if k > 1:
        own["momentum"] = torch.tensor(momenta, dtype=torch.float64)
    mine = x.clone().requires_grad_()
    y = layer_of(shape, rows, momenta[0]).stacked(own, mine)
    (y * slope).sum().backward()
    for j, momentum in enumerate(momenta):
        theirs = (nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(4, momentum=1.0).double()
        theirs.weight.data.copy_(weight[j])
        theirs.bias.data.copy_(bias[j])
        mean, variance, outputs = torch.zeros(4), torch.zeros(4), []
        other = x[j].clone().requires_grad_()
        for first, size in enumerate(sizes):
            ghost = other[first :: len(sizes)]
            assert len(ghost) == size
            outputs.append(theirs(ghost))
            mean = mean + theirs.running_mean * len(ghost) / b
            variance = variance + theirs.running_var * len(ghost) / b
        z = torch.stack([outputs[row % len(sizes)][row // len(sizes)] for row in range(b)])
        (z * slope[j]).sum().backward()
        close(y[j], z)
        close(mine.grad[j], other.grad)
        close(own["weight"].grad[j], theirs.weight.grad)
        close(own["bias"].grad[j], theirs.bias.grad)
        close(own["running_mean"][j], before["running_mean"][j].lerp(mean, momentum))
        close(own["running_var"][j], before["running_var"][j].lerp(variance, momentum))


@pytest.mark.parametrize("rows", [12, 100])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_ghost_is_batch_norm(shape: tuple[int, ...], rows: int) -> None:
    ghost, whole, x = layer_of(shape, rows, 0.3), BatchNorm(momentum=0.3).layer(shape).double(), draw(12, *shape)
    assert torch.equal(ghost(x), whole(x))
    assert torch.equal(ghost.running_mean, whole.running_mean)
    assert torch.equal(ghost.running_var, whole.running_var)
    assert torch.equal(ghost.eval()(x), whole.eval()(x))


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    layer, x = layer_of(shape, 3), draw(3, 6, *shape)
    state = {n: t.detach().unsqueeze(0).repeat(3, *[1] * t.dim()) for n, t in layer.state_dict().items()}
    expected = {n: t.clone() for n, t in state.items()}
    y = torch.func.vmap(lambda own, rows: torch.func.functional_call(layer, own, (rows,)))(state, x)
    close(y, layer.stacked(expected, x))
    close(state["running_mean"], expected["running_mean"])
    close(state["running_var"], expected["running_var"])


def test_refuses_a_ghost_of_one_value() -> None:
    with pytest.raises(BadInput, match="A ghost batch of GhostBatchNorm must hold at least 2 values a channel"):
        layer_of((4,), 2)(draw(3, 4))
    layer_of((4, 2, 2), 2)(draw(3, 4, 2, 2))
    layer_of((4,), 2).eval()(draw(1, 4))
