"""Against torch.nn.RMSNorm: outputs and gradients, alone and stacked, in float64 with differences below 1e-10."""

import pytest
import torch
from torch import Tensor, nn

from wellposed.techniques import RMSNorm
from wellposed.techniques.selection import select_weights
from wellposed.techniques.stacked import StackedModule

SHAPES = [pytest.param((4,), id="numbers"), pytest.param((2, 3, 2), id="images")]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def layer_of(shape: tuple[int, ...], eps: float = 1e-5) -> StackedModule:
    layer = RMSNorm(eps=eps).layer(shape).double()
    assert isinstance(layer, StackedModule)
    return layer


@pytest.mark.parametrize("order", ["members first", "rows first"])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_pytorch_member_by_member(shape: tuple[int, ...], members: int, order: str) -> None:
    layer = layer_of(shape, eps=1e-3)
    x, slope = draw(members, 5, *shape), draw(members, 5, *shape, seed=3)
    if order == "rows first":
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
    x.requires_grad_()
    weight = draw(members, *shape, seed=1).flatten(1).requires_grad_()
    y = layer.stacked({"weight": weight}, x)
    (y * slope).sum().backward()
    for k in range(members):
        theirs = nn.RMSNorm(shape, eps=1e-3).double()
        theirs.weight.data.copy_(weight[k].detach().view(shape))
        other = x[k].detach().clone().requires_grad_()
        z = theirs(other)
        (z * slope[k]).sum().backward()
        close(y[k], z)
        close(x.grad[k], other.grad)
        close(weight.grad[k], theirs.weight.grad.flatten())


@pytest.mark.parametrize("shape", SHAPES)
def test_alone_it_does_what_pytorch_does_by_default(shape: tuple[int, ...]) -> None:
    ours, x = RMSNorm().layer(shape), draw(5, *shape).float()
    torch.testing.assert_close(ours(x), nn.RMSNorm(shape)(x), rtol=1e-6, atol=1e-6)
    assert torch.equal(ours(x), ours.eval()(x))


def test_the_scale_of_a_row_does_not_matter_but_its_offset_does() -> None:
    layer, x = layer_of((6,), eps=1e-14), draw(5, 6)
    torch.testing.assert_close(layer(x * 3), layer(x), rtol=1e-9, atol=1e-9)
    assert (layer(x + 7) - layer(x)).abs().max() > 0.1


def test_its_scale_is_no_weight_to_decay() -> None:
    state = {f"1.{name}": t.unsqueeze(0) for name, t in layer_of((2, 3, 2)).state_dict().items()}
    assert not select_weights(state)


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    layer = layer_of(shape)
    state = {"weight": draw(3, *shape, seed=1).flatten(1)}
    x = draw(3, 5, *shape)
    y = torch.func.vmap(lambda own, rows: torch.func.functional_call(layer, own, (rows,)))(state, x)
    close(y, layer.stacked(state, x))
