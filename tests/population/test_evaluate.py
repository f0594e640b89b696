"""Evaluation: any number of rows at once gives the same, weights of rows count."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tests.population.conftest import made_rows

from wellposed.inputs.dataset import Rows
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.nets.stacking import stack_forward
from wellposed.population.evaluate import batches, losses, outputs
from wellposed.population.population import Population
from wellposed.population.step import cross_entropy, squared_error
from wellposed.recipe import Recipe
from wellposed.techniques import BatchNorm

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def network(outputs: int, cardinalities: tuple[int, ...] = ()) -> tuple:
    """Three members and the rows' shape."""
    population = Population(
        Recipe(net=MLP(widths=(5,)), techniques=(BatchNorm(),)), inputs=Inputs((6,), cardinalities), outputs=outputs,
        members=3, dtype=torch.float64,
    )  # fmt: skip
    template = population.blueprint.template.eval()
    return stack_forward(template), population.state.answering(), template


@pytest.mark.parametrize("at_once", [1, 7, 19, 20, 1000])
def test_outputs_are_those_of_each_network_on_all_rows(at_once: int) -> None:
    (forward, tensors, template), rows = network(3), made_rows(20)
    found = outputs(forward, tensors, rows, k=3, at_once=at_once)
    for k in range(3):
        own = {name: t[k] for name, t in tensors.items()}
        expected = torch.func.functional_call(template, own, (rows.x,))
        torch.testing.assert_close(found[k], expected, **TIGHT)
    assert not found.requires_grad


@pytest.mark.parametrize("at_once", [1, 7, 20, 1000])
def test_losses_are_means_over_all_rows(at_once: int) -> None:
    (forward, tensors, _), rows = network(3), made_rows(20)
    said = outputs(forward, tensors, rows, k=3, at_once=100)
    found = losses(forward, tensors, rows, cross_entropy, k=3, at_once=at_once)
    expected = torch.stack([F.cross_entropy(logits, rows.y) for logits in said])
    torch.testing.assert_close(found, expected, **TIGHT)


@pytest.mark.parametrize("at_once", [1, 7, 20, 1000])
def test_losses_weigh_their_rows(at_once: int) -> None:
    (forward, tensors, _), rows = network(1), made_rows(20)
    weight = torch.arange(20.0).double()
    weight[3:12] = 0  # whole batches that weigh nothing
    rows = Rows(rows.x, rows.codes, rows.x[:, :1] * 2, weight)
    said = outputs(forward, tensors, rows, k=3, at_once=100)
    found = losses(forward, tensors, rows, squared_error, k=3, at_once=at_once)
    expected = torch.stack([(weight * (y - rows.y).square()[:, 0]).sum() / weight.sum() for y in said])
    torch.testing.assert_close(found, expected, **TIGHT)


def test_losses_are_float64_and_finite_where_nothing_weighs() -> None:
    (forward, tensors, _), rows = network(3), made_rows(5)
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    rows = replace(rows.to(torch.device("cpu"), torch.float32), weight=torch.zeros(5))
    found = losses(forward, tensors, rows, cross_entropy, k=3, at_once=2)
    assert found.dtype == torch.float64
    assert found.tolist() == [0.0, 0.0, 0.0]


def test_categories_reach_the_network() -> None:
    (forward, tensors, template), rows = network(3, (4,)), made_rows(9)
    rows = replace(rows, codes=torch.arange(9).view(9, 1) % 4)
    found = outputs(forward, tensors, rows, k=3, at_once=4)
    own = {name: t[2] for name, t in tensors.items()}
    torch.testing.assert_close(found[2], torch.func.functional_call(template, own, (rows.x, rows.codes)), **TIGHT)


def test_batches_are_the_rows_in_order_without_a_copy_for_each_member() -> None:
    rows = replace(made_rows(10), weight=torch.arange(10.0))
    found = list(batches(rows, 4, 3))
    assert [b.x.shape[1] for b in found] == [3, 3, 3, 1]
    assert torch.equal(torch.cat([b.y for b in found], dim=1), rows.y.expand(4, 10))
    assert torch.equal(torch.cat([torch.as_tensor(b.weight) for b in found], dim=1), torch.arange(10.0).expand(4, 10))
    assert found[1].x.stride(0) == 0
    assert found[1].x.data_ptr() == rows.x[3:].data_ptr()
