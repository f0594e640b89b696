"""Against torch.nn.utils.parametrizations.weight_norm: weights and gradients, alone and stacked, in float64."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from wellposed.errors import BadInput
from wellposed.techniques import WeightNorm
from wellposed.techniques.layers.weight_norm import scale_directions

LAYERS = [
    pytest.param(nn.Linear(5, 4), (3, 5), id="linear"),
    pytest.param(nn.Conv2d(3, 4, 2), (2, 3, 5, 4), id="convolution"),
]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def parametrized(layer: nn.Module) -> nn.Module:
    shape = tuple(layer.weight.shape)
    parametrize.register_parametrization(layer, "weight", WeightNorm().parametrization(shape))
    return layer


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_equals_pytorch_in_a_layer_of_ones_own(layer: nn.Module, shape: tuple[int, ...]) -> None:
    """Through three steps of gradient descent."""
    given = copy.deepcopy(layer).double()
    ours = parametrized(copy.deepcopy(given))
    theirs = nn.utils.parametrizations.weight_norm(copy.deepcopy(given))
    close(ours.weight, given.weight)
    for step in range(3):
        x, slope = draw(*shape, seed=step), None
        results = []
        for net in (ours, theirs):
            net.zero_grad()
            y = net(x)
            slope = draw(*y.shape, seed=9) if slope is None else slope
            (y * slope).sum().backward()
            results.append(y.detach())
            with torch.no_grad():
                for p in net.parameters():
                    p -= 0.01 * p.grad
        close(*results)
        close(ours.weight, theirs.weight)
        close(ours.parametrizations.weight.original, theirs.parametrizations.weight.original1)
        close(ours.parametrizations.weight[0].scale, theirs.parametrizations.weight.original0.flatten())


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("shape", [(4, 5), (4, 3, 2, 2)], ids=["linear", "convolution"])
def test_stacked_equals_pytorch_member_by_member(shape: tuple[int, ...], members: int) -> None:
    module = WeightNorm().parametrization(shape).double()
    v, slope = draw(members, *shape).requires_grad_(), draw(members, *shape, seed=3)
    g = draw(members, 4, seed=1).requires_grad_()
    w = module.stacked({"scale": g}, v)
    (w * slope).sum().backward()
    for k in range(members):
        layer = (nn.Linear(5, 4) if len(shape) == 2 else nn.Conv2d(3, 4, 2)).double()
        theirs = nn.utils.parametrizations.weight_norm(layer)
        theirs.parametrizations.weight.original0.data.copy_(g[k].detach().view(4, *[1] * (len(shape) - 1)))
        theirs.parametrizations.weight.original1.data.copy_(v[k].detach())
        (theirs.weight * slope[k]).sum().backward()
        close(w[k], theirs.weight)
        close(v.grad[k], theirs.parametrizations.weight.original1.grad)
        close(g.grad[k], theirs.parametrizations.weight.original0.grad.flatten())


def test_gradients_are_those_of_the_paper() -> None:
    """Equation 3: by g along v; by v at right angles to it."""
    v, g, slope = draw(2, 4, 5).requires_grad_(), draw(2, 4, seed=1).requires_grad_(), draw(2, 4, 5, seed=2)
    (scale_directions(v, g) * slope).sum().backward()
    with torch.no_grad():
        length = v.norm(dim=2, keepdim=True)
        along = (slope * v).sum(2, keepdim=True) / length
        close(g.grad, along.squeeze(2))
        close(v.grad, g.unsqueeze(2) / length * (slope - along * v / length))
        close((v.grad * v).sum(2), torch.zeros_like(g))


def test_gradients_equal_finite_differences() -> None:
    inputs = draw(2, 3, 4).requires_grad_(), draw(2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(scale_directions, inputs)
    assert torch.autograd.gradgradcheck(scale_directions, inputs)


def test_starts_from_the_weights_drawn() -> None:
    weight = draw(3, 4, 5, 2)
    module = WeightNorm().parametrization((4, 5, 2)).double()
    close(module.stacked(module.start(weight), weight), weight)


def test_a_weight_assigned_is_the_weight_used() -> None:
    layer, other = parametrized(nn.Linear(5, 4)), draw(4, 5, seed=7).float()
    layer.weight = other
    torch.testing.assert_close(layer.weight, other)


def test_inside_vmap_over_members() -> None:
    module, v, g = WeightNorm().parametrization((4, 5)).double(), draw(3, 4, 5), draw(3, 4, seed=1)
    w = torch.func.vmap(lambda own, rows: torch.func.functional_call(module, {"scale": own}, (rows,)))(g, v)
    close(w, module.stacked({"scale": g}, v))


def test_refuses_weights_without_direction_and_of_another_shape() -> None:
    weight = draw(3, 4, 5)
    weight[1, 2] = 0
    with pytest.raises(BadInput) as refused:
        WeightNorm().parametrization((4, 5)).start(weight)
    assert str(refused.value) == (
        "Weights under WeightNorm must start with rows unlike 0. Got 0.0. "
        "Draw the weights at random, or leave these layers out."
    )
    with pytest.raises(BadInput, match=r"must have the shape \(5, 4\)\. Got \(4, 5\)\."):
        parametrize.register_parametrization(nn.Linear(5, 4), "weight", WeightNorm().parametrization((5, 4)))
