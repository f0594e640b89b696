"""Failures: the first layer whose output is not finite is named, or the parameter, or the loss."""

from dataclasses import replace

import pytest
import torch
from tests.population.conftest import made_rows
from torch import Tensor

from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.population.population import Population
from wellposed.population.record import Failure
from wellposed.population.state import State
from wellposed.population.step import gather
from wellposed.population.watch import name_failure
from wellposed.recipe import Recipe
from wellposed.techniques import BatchNorm, ClipNorm, Dropout, InputNoise

RECIPE = Recipe(net=MLP(widths=(4, 4), residual=True), techniques=(BatchNorm(), Dropout(rate=0.5)))


def member(*, cardinalities: tuple[int, ...] = ()) -> tuple[Population, State]:
    """One member of a population whose members differ in a layer's strength, after six steps."""
    each = [RECIPE, RECIPE.with_strengths({"Dropout.rate": 0.1})]
    population = Population(each, inputs=Inputs((6,), cardinalities), outputs=3, dtype=torch.float64)
    return population, replace(population.state.take(torch.tensor([1])), step=6)


@pytest.mark.parametrize(
    ("parameter", "where"),
    [("0.weight", "0"), ("4.block.0.weight", "4.block.0"), ("4.block.1.weight", "4.block.1"), ("5.bias", "5")],
)
def test_the_first_layer_that_is_not_finite_is_named(parameter: str, where: str) -> None:
    population, state = member()
    state.parameters[parameter].fill_(1e308)
    batch = gather(made_rows(10), torch.arange(10).unsqueeze(0), 0)
    batch = batch._replace(x=batch.x * 1e3)
    if parameter == "5.bias":
        state.parameters["5.weight"].fill_(1e308)
    assert name_failure(population.blueprint.template.train(), state, batch) == Failure(7, where)


def test_a_parameter_that_is_not_finite_is_named_before_any_layer() -> None:
    population, state = member()
    state.parameters["4.block.0.bias"][0, 2] = torch.nan
    state.parameters["0.weight"].fill_(1e308)
    batch = gather(made_rows(10), torch.arange(10).unsqueeze(0), 0)
    assert name_failure(population.blueprint.template, state, batch) == Failure(7, "4.block.0.bias")


def test_where_all_layers_are_finite_it_was_the_loss() -> None:
    population, state = member(cardinalities=(3,))
    batch = gather(made_rows(10), torch.arange(10).unsqueeze(0), 0)
    batch = batch._replace(codes=torch.zeros(1, 10, 1, dtype=torch.int64))
    assert name_failure(population.blueprint.template, state, batch) == Failure(7, "loss")


def test_the_network_is_left_without_hooks() -> None:
    population, state = member()
    template = population.blueprint.template
    batch = gather(made_rows(10), torch.arange(10).unsqueeze(0), 0)
    before = {name: t.clone() for name, t in template.state_dict().items()}
    name_failure(template, state, batch)
    assert not any(m._forward_hooks for m in template.modules())
    torch.testing.assert_close(dict(template.state_dict()), before, rtol=0, atol=0)
    wrong = batch._replace(x=torch.zeros(1, 10, 7, dtype=torch.float64))
    with pytest.raises(RuntimeError):
        name_failure(template, state, wrong)
    assert not any(m._forward_hooks for m in template.modules())


def test_in_training_the_layer_that_overflows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second epoch, with strengths in layers that differ between members."""
    # The weights are spoilt by hand below, so what is repeated must begin after that: at each segment.
    monkeypatch.setattr("wellposed.population.train.SEGMENT_SECONDS", -1.0)
    each = [RECIPE.with_strengths({"Dropout.rate": rate}) for rate in (0.1, 0.2)]
    more = (InputNoise(), ClipNorm())  # whose keys are no tensors of the network
    each = [replace(r, epochs=3, batch_size=10, techniques=(*r.techniques, *more)) for r in each]
    population = Population(each, inputs=Inputs((6,)), outputs=3, dtype=torch.float64)
    for progress in population.train(made_rows(30)):
        if progress.epoch == 1:
            weights: Tensor = population.state.parameters["4.block.0.weight"]
            weights[1] = 1e308
    assert population.record.failures == {1: Failure(4, "4.block.0")}
