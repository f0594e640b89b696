"""Against torch.nn.LayerNorm: outputs and gradients, alone and stacked, in float64 with differences below 1e-10."""

import pytest
import torch
from torch import Tensor, nn

from wellposed.techniques import LayerNorm
from wellposed.techniques.layers.layer_norm import LARGE
from wellposed.techniques.stacked import StackedModule

SHAPES = [pytest.param((4,), id="numbers"), pytest.param((2, 3, 2), id="images")]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def layer_of(shape: tuple[int, ...], eps: float = 1e-5) -> StackedModule:
    layer = LayerNorm(eps=eps).layer(shape).double()
    assert isinstance(layer, StackedModule)
    return layer


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_pytorch_member_by_member(shape: tuple[int, ...], members: int) -> None:
    layer = layer_of(shape, eps=1e-3)
    x, slope = draw(members, 5, *shape).requires_grad_(), draw(members, 5, *shape, seed=3)
    weight, bias = draw(members, *shape, seed=1).requires_grad_(), draw(members, *shape, seed=2).requires_grad_()
    y = layer.stacked({"weight": weight, "bias": bias}, x)
    (y * slope).sum().backward()
    for k in range(members):
        theirs = nn.LayerNorm(shape, eps=1e-3).double()
        theirs.weight.data.copy_(weight[k].detach())
        theirs.bias.data.copy_(bias[k].detach())
        other = x[k].detach().clone().requires_grad_()
        z = theirs(other)
        (z * slope[k]).sum().backward()
        close(y[k], z)
        close(x.grad[k], other.grad)
        close(weight.grad[k], theirs.weight.grad)
        close(bias.grad[k], theirs.bias.grad)


@pytest.mark.parametrize("shape", SHAPES)
def test_alone_it_is_a_layer_that_does_the_same_afterwards(shape: tuple[int, ...]) -> None:
    ours, x = layer_of(shape), draw(5, *shape)
    close(ours(x), nn.LayerNorm(shape).double()(x))
    assert torch.equal(ours(x), ours.eval()(x))


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    layer, x = layer_of((4,)), draw(5, 4)
    close(layer(x)[2:3], layer(x[2:3]))


def test_neither_scale_nor_offset_of_a_row_matters() -> None:
    layer, x = layer_of((6,), eps=1e-14), draw(5, 6)
    torch.testing.assert_close(layer(x * 3 + 7), layer(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    layer = layer_of(shape)
    state = {"weight": draw(3, *shape, seed=1), "bias": draw(3, *shape, seed=2)}
    x = draw(3, 5, *shape)
    y = torch.func.vmap(lambda own, rows: torch.func.functional_call(layer, own, (rows,)))(state, x)
    close(y, layer.stacked(state, x))


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_order_of_a_population_stays(shape: tuple[int, ...]) -> None:
    """Images of K networks lie as (B, K, C, H, W); what comes out lies likewise, and is the same."""
    layer, x = layer_of(shape), draw(5, 3, *shape).transpose(0, 1)
    own = {"weight": draw(3, *shape, seed=1), "bias": draw(3, *shape, seed=2)}
    y = layer.stacked(own, x)
    close(y, layer.stacked(own, x.contiguous()))
    assert len(shape) == 1 or y.transpose(0, 1).is_contiguous()


@pytest.mark.parametrize("pixels", [8, 64], ids=["small", "large"])
def test_images_of_a_population_equal_pytorch_member_by_member(pixels: int) -> None:
    """Large ones take another way."""
    shape, members = (2, pixels, pixels), 3
    layer, x = layer_of(shape), draw(9, members, *shape).transpose(0, 1).requires_grad_()
    assert (x[0].numel() >= LARGE) == (pixels == 64)
    own = {"weight": draw(members, *shape, seed=1), "bias": draw(members, *shape, seed=2)}
    leaves, slope = {name: t.clone().requires_grad_() for name, t in own.items()}, draw(members, 9, *shape, seed=3)
    y = layer.stacked(leaves, x)
    assert y.transpose(0, 1).is_contiguous()
    found = torch.autograd.grad(y, [x, *leaves.values()], slope)
    assert found[0].transpose(0, 1).is_contiguous()
    for k in range(members):
        theirs, other = nn.LayerNorm(shape).double(), x[k].detach().clone().requires_grad_()
        theirs.load_state_dict({name: t[k] for name, t in own.items()})
        z = theirs(other)
        close(y[k], z)
        for mine, expected in zip(found, torch.autograd.grad(z, [other, *theirs.parameters()], slope[k]), strict=True):
            close(mine[k], expected)
