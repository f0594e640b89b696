"""Against torch.nn.GroupNorm: outputs and gradients, alone and stacked, in float64 with differences below 1e-10."""

import pytest
import torch
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.techniques import GroupNorm, InstanceNorm, LayerNorm
from wellposed.techniques.stacked import StackedModule

SHAPES = [pytest.param((8,), id="numbers"), pytest.param((8, 3, 2), id="images")]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def layer_of(shape: tuple[int, ...], groups: int, eps: float = 1e-5) -> StackedModule:
    layer = GroupNorm(groups=groups, eps=eps).layer(shape).double()
    assert isinstance(layer, StackedModule)
    return layer


@pytest.mark.parametrize("order", ["members first", "rows first"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_pytorch_member_by_member(shape: tuple[int, ...], members: int, groups: int, order: str) -> None:
    layer = layer_of(shape, groups, eps=1e-3)
    x, slope = draw(members, 5, *shape), draw(members, 5, *shape, seed=3)
    if order == "rows first":
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
    x.requires_grad_()
    weight, bias = (draw(members, shape[0], seed=seed).requires_grad_() for seed in (1, 2))
    y = layer.stacked({"weight": weight, "bias": bias}, x)
    (y * slope).sum().backward()
    for k in range(members):
        theirs = nn.GroupNorm(groups, shape[0], eps=1e-3).double()
        theirs.load_state_dict({"weight": weight[k].detach(), "bias": bias[k].detach()})
        other = x[k].detach().clone().requires_grad_()
        z = theirs(other)
        (z * slope[k]).sum().backward()
        close(y[k], z)
        close(x.grad[k], other.grad)
        close(weight.grad[k], theirs.weight.grad)
        close(bias.grad[k], theirs.bias.grad)


@pytest.mark.parametrize("shape", SHAPES)
def test_alone_it_is_a_layer_that_does_the_same_afterwards(shape: tuple[int, ...]) -> None:
    ours, x = layer_of(shape, 4), draw(5, *shape)
    close(ours(x), nn.GroupNorm(4, 8).double()(x))
    assert torch.equal(ours(x), ours.eval()(x))


@pytest.mark.parametrize("shape", SHAPES)
def test_one_group_is_layer_norm(shape: tuple[int, ...]) -> None:
    x = draw(5, *shape)
    close(layer_of(shape, 1)(x), LayerNorm().layer(shape).double()(x))


def test_a_group_a_channel_is_instance_norm() -> None:
    x = draw(5, 8, 3, 2)
    close(layer_of((8, 3, 2), 8)(x), InstanceNorm().layer((8, 3, 2)).double()(x))


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    layer = layer_of(shape, 2)
    state = {"weight": draw(3, 8, seed=1), "bias": draw(3, 8, seed=2)}
    x = draw(3, 5, *shape)
    y = torch.func.vmap(lambda own, rows: torch.func.functional_call(layer, own, (rows,)))(state, x)
    close(y, layer.stacked(state, x))


def test_refuses_groups_that_do_not_fit() -> None:
    with pytest.raises(BadInput) as refused:
        GroupNorm(groups=8).layer((12, 3, 3))
    assert str(refused.value) == "GroupNorm.groups must divide the 12 channels of the layer. Got 8. Use 6."
    with pytest.raises(BadInput, match=r"must divide the 10 units of the layer\. Got 32\. Use 5\."):
        GroupNorm(groups=32).layer((10,))
    with pytest.raises(BadInput, match=r"must hold at least 2 values\. Got 1\. Use fewer groups"):
        GroupNorm(groups=8).layer((8,))
