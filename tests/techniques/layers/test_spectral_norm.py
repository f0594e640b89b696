"""Against torch.nn.utils.parametrizations.spectral_norm from the same u and v, and against LAPACK's singular values."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from wellposed.errors import BadInput
from wellposed.techniques import SpectralNorm
from wellposed.techniques.stacked import Parametrization

LAYERS = [
    pytest.param(nn.Linear(5, 4), (3, 5), id="linear"),
    pytest.param(nn.Conv2d(3, 4, 2), (2, 3, 5, 4), id="convolution"),
]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def parametrized(layer: nn.Module, technique: SpectralNorm) -> nn.Module:
    shape = tuple(layer.weight.shape)
    parametrize.register_parametrization(layer, "weight", technique.parametrization(shape))
    return layer


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_equals_pytorch_in_a_layer_of_ones_own(layer: nn.Module, shape: tuple[int, ...], iterations: int) -> None:
    """Through three steps of gradient descent, with an iteration a step, and an answer, without one."""
    given = copy.deepcopy(layer).double()
    ours = parametrized(copy.deepcopy(given), SpectralNorm(iterations=iterations))
    theirs = nn.utils.parametrizations.spectral_norm(copy.deepcopy(given), n_power_iterations=iterations)
    mine, other = ours.parametrizations.weight[0], theirs.parametrizations.weight[0]
    other._u.copy_(mine.u)
    other._v.copy_(mine.v)
    for step in range(3):
        x, results = draw(*shape, seed=step), []
        for net in (ours, theirs):
            net.zero_grad()
            y = net(x)
            (y * draw(*y.shape, seed=9)).sum().backward()
            results.append(y.detach())
            with torch.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
        close(*results)
        close(mine.u, other._u)
        close(mine.v, other._v)
        close(ours.parametrizations.weight.original, theirs.parametrizations.weight.original)
    u = mine.u.clone()
    close(ours.eval()(x), theirs.eval()(x))
    assert torch.equal(mine.u, u)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("shape", [(4, 5), (4, 3, 2, 2)], ids=["linear", "convolution"])
def test_stacked_equals_pytorch_member_by_member(shape: tuple[int, ...], members: int) -> None:
    module = SpectralNorm().parametrization(shape).double()
    weight, slope = draw(members, *shape).requires_grad_(), draw(members, *shape, seed=3)
    own = module.start(weight.detach())
    start = {name: t.clone() for name, t in own.items()}
    for training in (True, False):
        module.train(training)
        weight.grad = None
        found = module.stacked(own, weight)
        (found * slope).sum().backward()
        for k in range(members):
            layer = (nn.Linear(5, 4) if len(shape) == 2 else nn.Conv2d(3, 4, 2)).double()
            layer.weight.data.copy_(weight[k].detach())
            theirs = nn.utils.parametrizations.spectral_norm(layer)
            other = theirs.parametrizations.weight[0]
            other._u.copy_(start["u"][k])
            other._v.copy_(start["v"][k])
            expected = theirs.train().weight if training else (theirs.weight, theirs.eval().weight)[1]
            (expected * slope[k]).sum().backward()
            close(found[k], expected)
            close(weight.grad[k], theirs.parametrizations.weight.original.grad)
            close(own["u"][k], other._u)
            close(own["v"][k], other._v)


def test_finds_the_largest_singular_value() -> None:
    """15 iterations over a gap of 3 leave (1/3)^30 = 5e-15 of the square of the second vector's share."""
    left, right = torch.linalg.qr(draw(3, 4, 4)).Q, torch.linalg.qr(draw(3, 4, 4, seed=1)).Q
    weight = left @ torch.diag_embed(torch.tensor([[6.0, 2.0, 1.0, 0.5]], dtype=torch.float64).expand(3, 4)) @ right
    module = SpectralNorm().parametrization((4, 4)).double().eval()
    found = module.stacked(module.start(weight), weight)
    close(torch.linalg.matrix_norm(found, ord=2), torch.ones(3, dtype=torch.float64))
    close(found * 6, weight)


def test_gradients_equal_finite_differences() -> None:
    """In answers, where u and v stand still."""
    module = SpectralNorm().parametrization((4, 5)).double().eval()
    weight = draw(2, 4, 5)
    own = module.start(weight)
    assert torch.autograd.gradcheck(lambda w: module.stacked(own, w), (weight.requires_grad_(),))


def test_the_start_is_the_same_each_time_and_for_each_member() -> None:
    module, weight = SpectralNorm().parametrization((4, 5)), draw(1, 4, 5).float().expand(2, -1, -1)
    assert isinstance(module, Parametrization)
    first, second = module.start(weight), module.start(weight)
    for name in ("u", "v"):
        assert torch.equal(first[name], second[name])
        assert torch.equal(first[name][0], first[name][1])
        assert first[name].shape == (2, module.get_buffer(name).numel())


def test_a_weight_may_be_assigned() -> None:
    layer = parametrized(nn.Linear(4, 4), SpectralNorm()).eval()
    layer.weight = torch.diag(torch.tensor([8.0, 2.0, 1.0, 0.5]))
    torch.testing.assert_close(layer.weight, torch.diag(torch.tensor([1.0, 0.25, 0.125, 0.0625])))


def test_two_passes_before_one_backward() -> None:
    """The second pass iterates u and v; the first one's gradient needs those it has seen."""
    layer = parametrized(nn.Linear(5, 4), SpectralNorm())
    x = draw(3, 5).float()
    (layer(x).sum() + layer(2 * x).sum()).backward()
    assert torch.isfinite(layer.parametrizations.weight.original.grad).all()


def test_refuses_weights_of_zero() -> None:
    with pytest.raises(BadInput, match=r"Weights under SpectralNorm must start with matrices unlike 0\. Got 0\.0\."):
        SpectralNorm().parametrization((4, 5)).start(torch.zeros(1, 4, 5))
