"""Reweighted layers: against torch.nn.utils.parametrize, which calls the same maps at each use of the weight."""

import copy

import pytest
import torch
from tests.nets.helpers import Scaled, StackedScaled
from tests.nets.test_stacking import TIGHT, compare, draw
from torch import nn
from torch.nn.utils import parametrize

from wellposed.nets.net import reweight
from wellposed.nets.reweighted import Reweighted, opened, start_parametrizations
from wellposed.nets.stacking import stack_forward

LAYERS = {
    "linear": (lambda: nn.Linear(6, 4), (5, 6)),
    "linear without bias": (lambda: nn.Linear(6, 4, bias=False), (5, 6)),
    "conv": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (5, 2, 7, 6)),
}


def make(name: str, *powers: int) -> Reweighted:
    layer = LAYERS[name][0]().double()
    found = reweight(layer, [Scaled(power=n) for n in powers]).double()
    assert isinstance(found, Reweighted)
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_pytorchs_parametrized_layer(name: str) -> None:
    ours = make(name, 2, 3)
    for p in ours.parameters():
        p.data = torch.rand_like(p)
    theirs = copy.deepcopy(ours.affine)
    for inner in ours.parametrizations:
        parametrize.register_parametrization(theirs, "weight", copy.deepcopy(inner), unsafe=True)
    x = torch.randn(*LAYERS[name][1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x), **TIGHT)
    ours(x).square().sum().backward()
    theirs(x).square().sum().backward()
    torch.testing.assert_close(ours.affine.weight.grad, theirs.parametrizations.weight.original.grad, **TIGHT)
    for a, b in zip(ours.parametrizations, theirs.parametrizations.weight, strict=True):
        torch.testing.assert_close(a.factor.grad, b.factor.grad, **TIGHT)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_stacked_it_is_a_loop_over_members(name: str, training: bool) -> None:
    for k in (1, 3):
        x = torch.randn(k, *LAYERS[name][1], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        compare(nn.Sequential(make(name, 1, 2), nn.Tanh()).train(training), (x,), k)


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_of_one_network_may_lack_the_axis_of_members(name: str) -> None:
    module = make(name, 2)
    parameters, buffers = draw(module, 1)
    x = torch.randn(1, *LAYERS[name][1], dtype=torch.float64)
    forward = stack_forward(module)
    alone = {n: p.detach().squeeze(0) for n, p in parameters.items()}
    torch.testing.assert_close(forward({**alone, **buffers}, x), forward({**parameters, **buffers}, x), **TIGHT)


def test_an_opened_layer_makes_its_weight_once() -> None:
    module = make("linear", 2)
    parameters, buffers = draw(module, 3)
    buffers["parametrizations.0.calls"].zero_()
    prepare, forward = opened(module, "")
    tensors, x = {**parameters, **buffers}, torch.randn(3, 5, 6, dtype=torch.float64)
    ready = prepare(tensors)
    torch.testing.assert_close(forward(ready, x), forward(ready, x), rtol=0, atol=0)
    assert buffers["parametrizations.0.calls"].tolist() == [1, 1, 1]
    torch.testing.assert_close(forward(ready, x), stack_forward(module)(tensors, x), **TIGHT)
    assert torch.equal(tensors["affine.weight"], parameters["affine.weight"])


def test_a_plain_layer_is_opened_as_it_is() -> None:
    layer = nn.Linear(6, 4).double()
    parameters, _ = draw(layer, 2)
    prepare, forward = opened(layer, "")
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    assert prepare(parameters) is parameters
    assert torch.equal(forward(parameters, x), stack_forward(layer)(parameters, x))


def test_each_parametrization_starts_from_the_weight_that_it_will_see() -> None:
    network = nn.Sequential(make("linear", 1, 3), nn.Tanh(), nn.Linear(4, 2).double())
    parameters, buffers = draw(network, 2)
    before = {n: b.clone() for n, b in buffers.items()}
    started = start_parametrizations(network, {**parameters, **buffers})
    weight = parameters["0.affine.weight"].detach()
    first = weight.amax(-1)
    expected = {
        "0.parametrizations.0.factor": first,
        "0.parametrizations.1.factor": (weight * first.unsqueeze(-1)).amax(-1),
    }
    torch.testing.assert_close(started, expected, **TIGHT)
    torch.testing.assert_close(buffers, before, rtol=0, atol=0)
    assert all(m.training for m in network.modules() if isinstance(m, StackedScaled))
