"""Members with rows of their own: each learns and answers as a population of one does on these rows alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from tests.population.conftest import made_rows
from tests.population.test_population import EVERYTHING, recipe
from tests.population.test_score import Every, Last
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.nets.net import Inputs
from wellposed.population.ownership import draw_owned, key_of_rows
from wellposed.population.population import Population
from wellposed.recipe import Recipe
from wellposed.techniques import (
    LSUV,
    SMOTE,
    BatchNorm,
    Bootstrap,
    Dropout,
    Evidence,
    GreedySelection,
    He,
    MonteCarloDropout,
    Patience,
    SnapshotEnsemble,
    TemperatureScaling,
)
from wellposed.techniques.technique import Technique

SEEDS = [11, 5, -3]
ROUND_OFF = {"rtol": 1e-9, "atol": 1e-9}
"""As for members among others: sums of 50 steps in float64, taken in another order."""


def weighted(rows: Rows) -> Rows:
    return replace(rows, weight=torch.linspace(0.5, 2.0, len(rows), dtype=torch.float64))


def numbered(rows: Rows) -> Rows:
    return replace(rows, y=rows.x[:, :1] * 3)


def joined(parts: Sequence[Rows]) -> Rows:
    weight = None if parts[0].weight is None else torch.cat([p.weight for p in parts if p.weight is not None])
    x, codes, y = (torch.cat([getattr(part, name) for part in parts]) for name in ("x", "codes", "y"))
    return Rows(x, codes, y, weight)


def own(parts: Sequence[Rows]) -> Tensor:
    """Each member's positions: the block of its own part."""
    return torch.arange(sum(map(len, parts))).view(len(parts), -1)


def population(chosen: Recipe, seeds: Sequence[int], rows: Rows, factory: Callable[[], nn.Module] | None) -> Population:
    task = "regression" if rows.y.is_floating_point() else "classification"
    return Population(
        chosen, inputs=Inputs((6,)), outputs=1 if task == "regression" else 3, task=task, members=len(seeds),
        seed=seeds, dtype=torch.float64, factory=factory,
    )  # fmt: skip


def with_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))


CASES: dict[str, tuple[tuple[Technique, ...], Callable[[Rows], Rows], Callable[[], nn.Module] | None]] = {
    "every place": ((*EVERYTHING, Patience(epochs=2)), lambda rows: rows, None),
    "weights of rows": ((He(), Bootstrap(share=0.5), BatchNorm()), weighted, None),
    "numbers": ((He(), Dropout(rate=0.2)), numbered, None),
    "measured statistics": ((He(), BatchNorm(), Last()), lambda rows: rows, None),
    "a norm of PyTorch": ((Last(),), lambda rows: rows, with_norm),
    "snapshots and passes": ((Dropout(rate=0.3), Every(), MonteCarloDropout(passes=2)), lambda rows: rows, None),
    "gradients of the first rows": ((He(), Evidence()), lambda rows: rows, None),
}


@pytest.mark.parametrize("case", CASES)
def test_members_with_rows_of_their_own_are_as_alone_with_these_rows(case: str) -> None:
    techniques, made, factory = CASES[case]
    chosen = recipe(techniques=techniques)
    parts, held, asked = ([made(made_rows(n, seed=10 * k + n)) for k in range(3)] for n in (60, 33, 21))
    together = population(chosen, SEEDS, parts[0], factory)
    for _ in together.train(joined(parts), joined(held), owned=own(parts), judged=own(held)):
        pass
    outputs = together.outputs_of(joined(asked), judged=own(asked)[together.networks()])
    for k in range(3):
        alone = population(chosen, SEEDS[k : k + 1], parts[k], factory)
        for _ in alone.train(parts[k], held[k]):
            pass
        mine = together.networks() == k
        passes = len(outputs) // len(mine)
        torch.testing.assert_close(outputs[mine.repeat(passes)], alone.outputs_of(asked[k]), **ROUND_OFF)
        torch.testing.assert_close(together.record.best_score[k], alone.record.best_score[0], **ROUND_OFF)
        assert together.record.ended[k] == alone.record.ended[0]


def test_positions_of_all_rows_change_nothing(rows: Rows, validation: Rows) -> None:
    everything = torch.arange(120).expand(2, -1), torch.arange(60).expand(2, -1)
    found = []
    for owned, judged in ((None, None), everything):
        made = population(recipe(), [3, 4], rows, None)
        for _ in made.train(rows, validation, owned=owned, judged=judged):
            pass
        found.append(made.outputs_of(validation))
    torch.testing.assert_close(*found, **ROUND_OFF)


def test_settled_training_counts_each_members_own_rows() -> None:
    parts, held = ([made_rows(n, seed=k + n) for k in range(2)] for n in (60, 30))
    made = population(recipe(epochs=3), [1, 2], parts[0], None)
    training = made.train(joined(parts), joined(held), owned=own(parts), judged=own(held))
    next(training)
    made.settle(joined(parts), joined(held))
    found = made.record.best_score.clone()
    outputs = made.outputs_of(joined(held), judged=own(held))
    expected = [nn.functional.cross_entropy(outputs[k], held[k].y) for k in range(2)]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-6, atol=0)


def test_a_failing_member_is_named_with_rows_of_its_own() -> None:
    parts, held = ([made_rows(n, seed=k + n) for k in range(2)] for n in (60, 30))
    held[1].x[3, 2] = torch.nan
    made = population(recipe(techniques=(He(),), epochs=2), [1, 2], parts[0], None)
    for _ in made.train(joined(parts), joined(held), owned=own(parts), judged=own(held)):
        pass
    assert list(made.record.failures) == [1] and made.usable().tolist() == [0]


def test_rows_are_drawn_from_each_members_pool() -> None:
    pool = torch.tensor([[4, 5, 6], [7, 8, 9]])
    seeds = torch.tensor([1, 2])
    assert torch.equal(draw_owned(recipe(techniques=()), seeds, 10, pool=pool), pool)
    assert draw_owned(recipe(techniques=()), seeds, 10, pool=None) is None
    drawn = draw_owned(recipe(techniques=(Bootstrap(),)), seeds, 10, pool=pool)
    assert set(drawn[0].tolist()) <= {4, 5, 6} and set(drawn[1].tolist()) <= {7, 8, 9}
    assert torch.equal(drawn - torch.tensor([[4], [7]]), Bootstrap().rows(3, key_of_rows(seeds)))


@pytest.mark.parametrize("technique", [SMOTE(), LSUV(), TemperatureScaling()])
def test_techniques_that_look_at_all_rows_are_refused(technique: Technique, rows: Rows) -> None:
    made = population(recipe(techniques=(technique,)), [1], rows, None)
    with pytest.raises(BadInput, match=type(technique).__name__):
        next(made.train(rows, owned=torch.zeros(1, 5, dtype=torch.int64)))


def test_a_choice_among_members_is_refused(rows: Rows) -> None:
    made = population(recipe(epochs=4, techniques=(SnapshotEnsemble(count=2), GreedySelection())), [1], rows, None)
    with pytest.raises(BadInput, match="GreedySelection"):
        next(made.train(rows, rows, judged=torch.zeros(1, 5, dtype=torch.int64)))


@pytest.mark.parametrize(
    "positions",
    [
        torch.zeros(2, 5, dtype=torch.int64),
        torch.zeros(1, 0, dtype=torch.int64),
        torch.zeros(5, dtype=torch.int64),
        torch.zeros(1, 5),
        torch.tensor([[-1]]),
        torch.tensor([[120]]),
    ],
)
def test_positions_of_no_rows_are_refused(positions: Tensor, rows: Rows) -> None:
    made = population(recipe(techniques=()), [1], rows, None)
    with pytest.raises(BadInput, match="positions owned must be"):
        next(made.train(rows, owned=positions))
    with pytest.raises(BadInput, match="positions judged must be"):
        next(made.train(rows, rows, judged=positions))


def test_refuse_judged_positions_without_validation_rows(rows: Rows) -> None:
    made = population(recipe(techniques=()), [1], rows, None)
    with pytest.raises(BadInput, match="0 rows"):
        next(made.train(rows, judged=torch.zeros(1, 5, dtype=torch.int64)))
