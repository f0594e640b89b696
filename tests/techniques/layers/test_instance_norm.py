"""Against torch.nn.InstanceNorm2d: outputs and gradients, alone and stacked, in float64 with differences of 1e-10."""

import pytest
import torch
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.techniques import InstanceNorm
from wellposed.techniques.stacked import StackedModule

SHAPE = (4, 3, 5)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def layer_of(*, affine: bool, eps: float = 1e-5) -> StackedModule:
    layer = InstanceNorm(affine=affine, eps=eps).layer(SHAPE).double()
    assert isinstance(layer, StackedModule)
    return layer


@pytest.mark.parametrize("order", ["members first", "rows first"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("members", [1, 3])
def test_equals_pytorch_member_by_member(members: int, affine: bool, order: str) -> None:
    layer = layer_of(affine=affine, eps=1e-3)
    x, slope = draw(members, 6, *SHAPE), draw(members, 6, *SHAPE, seed=3)
    if order == "rows first":
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
    x.requires_grad_()
    names = ("weight", "bias") if affine else ()
    own = {name: draw(members, 4, seed=seed).requires_grad_() for seed, name in enumerate(names)}
    y = layer.stacked(own, x)
    (y * slope).sum().backward()
    for k in range(members):
        theirs = nn.InstanceNorm2d(4, eps=1e-3, affine=affine).double()
        theirs.load_state_dict({name: t[k].detach() for name, t in own.items()})
        other = x[k].detach().clone().requires_grad_()
        z = theirs(other)
        (z * slope[k]).sum().backward()
        close(y[k], z)
        close(x.grad[k], other.grad)
        for name, tensor in own.items():
            close(tensor.grad[k], theirs.get_parameter(name).grad)


@pytest.mark.parametrize("affine", [True, False])
def test_alone_it_is_a_layer_that_does_the_same_afterwards(affine: bool) -> None:
    ours, x = layer_of(affine=affine), draw(6, *SHAPE)
    assert len(list(ours.parameters())) == 2 * affine
    close(ours(x), nn.InstanceNorm2d(4).double()(x))
    assert torch.equal(ours(x), ours.eval()(x))


def test_neither_scale_nor_offset_of_a_channel_matters() -> None:
    layer, x = layer_of(affine=False, eps=1e-14), draw(6, *SHAPE)
    factor, offset = draw(6, 4, 1, 1, seed=1).abs() + 0.1, draw(6, 4, 1, 1, seed=2)
    torch.testing.assert_close(layer(x * factor + offset), layer(x), rtol=1e-9, atol=1e-9)


def test_inside_vmap_over_members() -> None:
    layer = layer_of(affine=True)
    state = {"weight": draw(3, 4, seed=1), "bias": draw(3, 4, seed=2)}
    x = draw(3, 6, *SHAPE)
    y = torch.func.vmap(lambda own, rows: torch.func.functional_call(layer, own, (rows,)))(state, x)
    close(y, layer.stacked(state, x))


def test_refuses_what_has_no_pixels() -> None:
    with pytest.raises(BadInput) as refused:
        InstanceNorm().layer((64,))
    assert str(refused.value) == "InstanceNorm must act on channels (C, H, W). Got (64,). Use LayerNorm for units."
    with pytest.raises(BadInput, match=r"at least 2 pixels\. Got \(64, 1, 1\)\. Use GroupNorm"):
        InstanceNorm().layer((64, 1, 1))
