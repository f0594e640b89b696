"""Step 0: start techniques see rows and shares; techniques of the batch learn of the data's range."""

from dataclasses import dataclass

import pytest
import torch
from tests.population.test_population import build, recipe, trained

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.population.start import facts_of, shares_of
from wellposed.random import Key
from wellposed.techniques import He
from wellposed.techniques.places import (
    Batch,
    BatchTechnique,
    Facts,
    GrowthTechnique,
    Start,
    StartTechnique,
    Tensors,
)
from wellposed.techniques.technique import Strength, strength

SEEN: list[object] = []


@dataclass(frozen=True, kw_only=True)
class Shift(StartTechnique):
    """Adds to every bias of the last layer."""

    by: Strength = strength(1.0, valid=(0.0, 9.0), search=(0.0, 9.0))

    def start_(self, parameters: Tensors, start: Start) -> None:
        SEEN.append(start)
        parameters["4.bias"].add_(torch.as_tensor(self.by).view(-1, 1))


def test_start_techniques_act_once_before_the_first_step(rows: Rows) -> None:
    SEEN.clear()
    chosen = [recipe(epochs=1, techniques=(He(), Shift(by=float(k)))) for k in range(3)]
    population = build(chosen, members=3)
    before = population.state.parameters["4.bias"].clone()
    steps = population.train(rows)
    next(steps)
    (start,) = SEEN
    assert isinstance(start, Start)
    assert start.network is population.blueprint.template
    assert start.batch.x.shape == (3, 120, 6)
    assert torch.equal(start.batch.x[0], rows.x)
    torch.testing.assert_close(start.shares, torch.full((3,), 1 / 3, dtype=torch.float64))
    moved = population.state.parameters["4.bias"] - before
    assert moved[2].mean() > moved[0].mean() + 1
    list(steps)
    assert len(SEEN) == 1


def test_shares_of_classes_and_mean_of_numbers() -> None:
    none = torch.zeros(4, 0, dtype=torch.int64)
    x, weight = torch.zeros(4, 1), torch.tensor([1.0, 1.0, 2.0, 0.0])
    assert shares_of(Rows(x, none, torch.tensor([0, 1, 1, 2])), 4).tolist() == [0.25, 0.5, 0.25, 0.0]
    assert shares_of(Rows(x, none, torch.tensor([0, 1, 1, 2]), weight), 3).tolist() == [0.25, 0.75, 0.0]
    assert shares_of(Rows(x, none, torch.tensor([[1.0], [2.0], [3.0], [9.0]]), weight), 1).tolist() == [2.25]


def test_facts_are_by_column_channel_and_channel_of_steps() -> None:
    y = torch.zeros(5, dtype=torch.int64)
    for shape, dims in (((5, 3), (0,)), ((5, 2, 4, 4), (0, 2, 3)), ((5, 7, 3), (0, 1))):
        x = torch.randn(shape)
        facts = facts_of(Rows(x, torch.zeros(5, 0, dtype=torch.int64), y))
        assert torch.equal(facts.low, x.amin(dims))
        assert torch.equal(facts.high, x.amax(dims))
    texts = Rows(torch.zeros(5, 0), torch.ones(5, 4, dtype=torch.int64), y, None, ("", "?", "a"))
    assert facts_of(texts).words == ("", "?", "a")
    assert facts_of(texts.take(torch.tensor([1])).to(torch.device("cpu"), torch.float64)).words == ("", "?", "a")


@dataclass(frozen=True, kw_only=True)
class Look(BatchTechnique):
    def batch(self, batch: Batch, key: Key) -> Batch:
        SEEN.append(batch.facts)
        return batch


@dataclass(frozen=True, kw_only=True)
class Twice(GrowthTechnique):
    def grow(self, rows: Rows) -> Rows:
        SEEN.append(len(rows))
        return rows.take(torch.arange(2 * len(rows)) % len(rows))


def test_batches_carry_the_facts_and_grown_rows_are_trained_on(rows: Rows) -> None:
    SEEN.clear()
    population = trained(build(recipe(epochs=1, techniques=(He(), Look(), Twice())), members=2), rows)
    assert SEEN[0] == 120
    assert len(SEEN) == 1 + 20  # 240 rows in batches of 12
    facts = SEEN[1]
    assert isinstance(facts, Facts)
    assert torch.equal(facts.high, rows.x.amax(0))
    assert population.state.step == 20


def test_soft_labels_are_trained_on(rows: Rows) -> None:
    """Probabilities that say what the codes say train the same networks."""
    soft = Rows(rows.x, rows.codes, torch.nn.functional.one_hot(rows.y).double())
    found = [
        trained(build(recipe(epochs=2, techniques=techniques), members=2), given).record.best
        for given in (rows, soft)
        for techniques in ((He(),), (He(), Look()))
    ]
    for other in found[1:]:
        for name, tensor in found[0].items():
            torch.testing.assert_close(other[name], tensor, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (torch.full((120, 2), 0.5), "Soft labels must have one column for each of 3 classes. Got (120, 2)."),
        (torch.tensor([[0.2, 0.2, 0.2]] * 120), "The soft labels of row 0 must be probabilities that sum to 1. Got "),
        (torch.tensor([[1.5, -0.5, 0.0]] * 120), "The soft labels of row 0 must be"),
    ],
)
def test_soft_labels_that_are_none_are_refused(rows: Rows, y: torch.Tensor, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        trained(build(recipe(epochs=1, techniques=(He(),)), members=2), Rows(rows.x, rows.codes, y.double()))
    assert str(refused.value).startswith(sentence)
