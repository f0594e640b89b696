"""The variance behind each layer, measured by hooks of our own; orthonormal directions; members alone and together."""

import copy

import pytest
import torch
from torch import Tensor, nn

from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.population.population import Population
from wellposed.recipe import Recipe
from wellposed.techniques import LSUV, Dropout, Gaussian
from wellposed.techniques.places import Batch, Start
from wellposed.techniques.weights.lsuv import scale_layers_


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def deep(activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    hidden = [part for _ in range(20) for part in (nn.Linear(30, 30), activation())]
    return nn.Sequential(nn.Conv1d(2, 5, 3), nn.Flatten(), activation(), *hidden, nn.Linear(30, 4)).double()


def variances(net: nn.Module, x: Tensor) -> list[float]:
    """Of what leaves each affine layer."""
    found: list[float] = []
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d):
            layer.register_forward_hook(lambda _, __, output: found.append(float(output.detach().var(correction=0))))
    net(x)
    return found


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU])
def test_variance_behind_every_layer_is_one(activation: type[nn.Module]) -> None:
    net, x = deep(activation), draw(50, 2, 8)
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.bias, std=0.01)
    names = scale_layers_(net, x, tolerance=1e-3)
    assert names == [name for name, _ in net.named_parameters() if name.endswith("weight")]
    found = variances(net, x)
    assert len(found) == 22
    assert all(abs(variance - 1) < 1e-3 for variance in found)


def test_weights_are_orthonormal_times_a_number_and_biases_are_untouched() -> None:
    net, x = deep(), draw(50, 2, 8)
    biases = {n: p.clone() for n, p in net.named_parameters() if n.endswith("bias")}
    scale_layers_(net, x)
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            assert torch.equal(p, biases[name])
        else:
            values = torch.linalg.svdvals(p.detach().flatten(1))
            torch.testing.assert_close(values, values[:1].expand_as(values), rtol=1e-10, atol=0)


def test_within_the_tolerance_nothing_is_scaled() -> None:
    """Orthonormal weights keep a variance of 1 within such a tolerance, so nothing is scaled."""
    net, x = nn.Sequential(nn.Linear(3, 3)).double(), draw(500, 3)
    nn.init.zeros_(net[0].bias)
    scale_layers_(net, x, tolerance=0.5)
    torch.testing.assert_close(net[0].weight @ net[0].weight.T, torch.eye(3, dtype=torch.float64))


def test_what_does_not_vary_is_frozen_or_made_of_others_is_left_alone() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))).double()
    net[0].weight.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    assert scale_layers_(net, draw(9, 3)) == []
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])

    dead = nn.Sequential(nn.Linear(3, 2)).double()
    nn.init.zeros_(dead[0].bias)
    scale_layers_(dead, torch.zeros(9, 3, dtype=torch.float64))
    torch.testing.assert_close(dead[0].weight @ dead[0].weight.T, torch.eye(2, dtype=torch.float64))


def started(recipe: Recipe, members: int) -> tuple[Population, Start]:
    population = Population(
        recipe, inputs=Inputs((6,)), outputs=3, task="classification", members=members, dtype=torch.float64
    )
    x = draw(200, 6)
    batch = Batch(
        x.expand(members, -1, -1),
        torch.zeros(members, 200, 0, dtype=torch.int64),
        torch.zeros(members, 200, dtype=torch.int64),
        None,
    )
    return population, Start(population.blueprint.template, population.state.buffers, batch, torch.ones(3) / 3)


def test_every_member_of_a_population_is_scaled_as_it_would_be_alone() -> None:
    """Members with dropout of their own, which is off when the variance is measured."""
    recipe = Recipe(net=MLP(widths=(8, 8, 8)), techniques=(Gaussian(), Dropout(rate=0.5)))
    population, start = started(recipe, 3)
    template = copy.deepcopy(start.network.state_dict())
    parameters = population.state.parameters
    parameters["0.weight"][1] = float("nan")
    alone = {name: p[2:].clone() for name, p in parameters.items()}
    LSUV(tolerance=0.01).start_(parameters, start)
    only = Start(
        start.network,
        {n: b[2:] for n, b in start.buffers.items()},
        Batch(*(t[2:] for t in start.batch[:3]), None),
        start.shares,
    )
    LSUV(tolerance=0.01).start_(alone, only)
    for name, p in parameters.items():
        assert torch.equal(p[2:], alone[name])
    net = copy.deepcopy(start.network).eval()
    for k in (0, 2):
        net.load_state_dict({**net.state_dict(), **{name: p[k] for name, p in parameters.items()}})
        assert all(abs(v - 1) < 0.01 for v in variances(copy.deepcopy(net), start.batch.x[k]))
    for name, tensor in start.network.state_dict().items():
        assert torch.equal(tensor, template[name])
