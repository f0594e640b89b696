"""PyTorch has no such layer; its batch norm does the same where nothing or everything is clipped, or r and d are known.

In float64 with differences below 1e-10: the sums come in another order.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.techniques import BatchRenorm
from wellposed.techniques.stacked import StackedModule

SHAPES = [pytest.param((4,), id="numbers"), pytest.param((4, 3, 2), id="images")]
LIMITS = ((1.1, 0.2), (2.0, 0.0), (math.inf, math.inf))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def layer_of(shape: tuple[int, ...], technique: BatchRenorm) -> StackedModule:
    """The layer with scale, shift and running statistics unlike those at the start."""
    layer = technique.layer(shape).double()
    assert isinstance(layer, StackedModule)
    for seed, tensor in enumerate(layer.state_dict().values()):
        tensor.copy_(draw(*tensor.shape, seed=50 + seed))
    layer.running_std.abs_()
    return layer


def plain(
    x: np.ndarray, state: dict[str, Tensor], limits: tuple[float, float], momentum: float
) -> tuple[np.ndarray, ...]:
    """Algorithm 1, channel by channel, with eps = 1e-5."""
    r_max, d_max = limits
    y, means, deviations = np.empty_like(x), [], []
    for c in range(x.shape[1]):
        own, mean, std = x[:, c], float(state["running_mean"][c]), float(state["running_std"][c])
        sigma = math.sqrt(((own - own.mean()) ** 2).mean() + 1e-5)
        r = min(max(sigma / std, 1 / r_max), r_max)
        d = min(max((own.mean() - mean) / std, -d_max), d_max)
        y[:, c] = float(state["weight"][c]) * ((own - own.mean()) / sigma * r + d) + float(state["bias"][c])
        means.append(mean + momentum * (own.mean() - mean))
        deviations.append(std + momentum * (sigma - std))
    return y, np.array(means), np.array(deviations)


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_algorithm_channel_by_channel(shape: tuple[int, ...], limits: tuple[float, float]) -> None:
    layer, x = layer_of(shape, BatchRenorm(r_max=limits[0], d_max=limits[1], momentum=0.2)), draw(6, *shape)
    y, mean, std = plain(x.numpy(), {n: t.clone() for n, t in layer.state_dict().items()}, limits, 0.2)
    close(layer(x), torch.from_numpy(y))
    close(layer.running_mean, torch.from_numpy(mean))
    close(layer.running_std, torch.from_numpy(std))


@pytest.mark.parametrize("shape", SHAPES)
def test_members_with_limits_of_their_own_equal_each_alone(shape: tuple[int, ...]) -> None:
    layers = [layer_of(shape, BatchRenorm(r_max=r, d_max=d, momentum=0.2)) for r, d in LIMITS]
    own = {name: torch.stack([layer.state_dict()[name] for layer in layers]) for name in layers[0].state_dict()}
    own |= {
        name: torch.tensor(values, dtype=torch.float64)
        for name, values in zip(("r_max", "d_max"), zip(*LIMITS, strict=True), strict=True)
    }
    x = draw(3, 6, *shape)
    y = layers[0].stacked(own, x)
    for k, layer in enumerate(layers):
        close(y[k], layer(x[k]))
        close(own["running_std"][k], layer.running_std)
    answers = layers[0].eval().stacked(own, x)
    for k, layer in enumerate(layers):
        close(answers[k], layer.eval()(x[k]))


@pytest.mark.parametrize("shape", SHAPES)
def test_without_correction_it_trains_as_batch_norm(shape: tuple[int, ...]) -> None:
    layer, x, slope = layer_of(shape, BatchRenorm(r_max=1.0, d_max=0.0)), draw(6, *shape), draw(6, *shape, seed=3)
    theirs = (nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(4).double()
    theirs.load_state_dict({"weight": layer.weight, "bias": layer.bias}, strict=False)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = layer(mine), theirs(other)
    (y * slope).sum().backward()
    (z * slope).sum().backward()
    close(y, z)
    close(mine.grad, other.grad)
    close(layer.weight.grad, theirs.weight.grad)
    close(layer.bias.grad, theirs.bias.grad)


@pytest.mark.parametrize("shape", SHAPES)
def test_unclipped_it_trains_with_its_answers(shape: tuple[int, ...]) -> None:
    layer, x = layer_of(shape, BatchRenorm(r_max=math.inf, d_max=math.inf, momentum=0.0)), draw(6, *shape)
    close(layer(x), layer.eval()(x))


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_corrections_are_constants_to_gradients(
    shape: tuple[int, ...], members: int, limits: tuple[float, float]
) -> None:
    """Batch norm with the scale gamma r and the shift beta + gamma d, of an r and a d that are read off the output."""
    layer = layer_of(shape, BatchRenorm(r_max=limits[0], d_max=limits[1]))
    own = {n: t.detach().unsqueeze(0).repeat(members, 1) for n, t in layer.state_dict().items()}
    own |= {n: own[n].requires_grad_() for n in ("weight", "bias")}
    x, slope = draw(members, 6, *shape).requires_grad_(), draw(members, 6, *shape, seed=3)
    one, none = torch.ones(members, 4, dtype=x.dtype), torch.zeros(members, 4, dtype=x.dtype)
    bare = layer.stacked({n: t.detach().clone() for n, t in own.items()} | {"weight": one, "bias": none}, x.detach())
    over = (1, *range(3, x.dim()))
    d, r = bare.mean(over), bare.var(over, correction=0).sqrt()
    r = r * (1 + 1e-5 / x.detach().var(over, correction=0)).sqrt()  # what eps took

    (layer.stacked(own, x) * slope).sum().backward()
    for k in range(members):
        other = x[k].detach().clone().requires_grad_()
        weight, bias = (own[n][k].detach().clone().requires_grad_() for n in ("weight", "bias"))
        z = F.batch_norm(other, None, None, weight * r[k], bias + weight * d[k], training=True)
        (z * slope[k]).sum().backward()
        close(x.grad[k], other.grad)
        close(own["weight"].grad[k], weight.grad)
        close(own["bias"].grad[k], bias.grad)


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_vmap_over_members(shape: tuple[int, ...]) -> None:
    layer, x = layer_of(shape, BatchRenorm()), draw(3, 6, *shape)
    state = {n: t.detach().unsqueeze(0).repeat(3, *[1] * t.dim()) for n, t in layer.state_dict().items()}
    expected = {n: t.clone() for n, t in state.items()}
    y = torch.func.vmap(lambda own, rows: torch.func.functional_call(layer, own, (rows,)))(state, x)
    close(y, layer.stacked(expected, x))
    close(state["running_std"], expected["running_std"])


def test_refuses_a_batch_of_one_value() -> None:
    layer = layer_of((4,), BatchRenorm())
    with pytest.raises(BadInput, match="A training batch of BatchRenorm must hold at least 2 values a channel"):
        layer(draw(1, 4))
    layer.eval()(draw(1, 4))
