"""Networks with rows of their own give the same alone, together, and in whatever populations memory allows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from wellposed.blocks import Block, Job, Outcome, company, encode, joined, train_jobs
from wellposed.inputs.dataset import Data
from wellposed.inputs.given import read_given
from wellposed.inputs.load import load
from wellposed.inputs.parts import split
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD
from wellposed.population.population import Population
from wellposed.recipe import Recipe
from wellposed.techniques import (
    LSUV,
    SMOTE,
    BatchNorm,
    Bootstrap,
    Dropout,
    Flip,
    GreedySelection,
    He,
    MinMax,
    Mixup,
    MonteCarloDropout,
    Patience,
    SnapshotEnsemble,
    Standardize,
    TemperatureScaling,
    TimeBudget,
    Vote,
)
from wellposed.techniques.technique import Technique

SAME = {"rtol": 1e-10, "atol": 1e-10}
"""Of float64 sums in another order, over 3 epochs."""
SMALL = Recipe(
    net=MLP(widths=(8,)), epochs=3, batch_size=32, techniques=(Standardize(), He(), BatchNorm(), Dropout(rate=0.2))
)


def with_categories() -> Data:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=90), "town": draw.choice(list("pqr"), 90)})
    return read_given((frame, np.arange(90) % 2))


def jobs(data: Data, recipe: Recipe, n: int = 3) -> list[Job]:
    found = []
    for r in range(n):
        parts = split(data, test_share=0.2, seed=100 * r)
        found.append(Job(recipe, 10 + r, encode(parts, task=data.task, recipe=recipe, dtype=torch.float64)))
    return found


def outcomes(data: Data, recipe: Recipe, *, most_bytes: int) -> list[Outcome]:
    return train_jobs(jobs(data, recipe), task=data.task, dtype=torch.float64, most_bytes=most_bytes)


def extended(*techniques: Technique, epochs: int = 3) -> Recipe:
    return replace(SMALL, techniques=(*SMALL.techniques, *techniques), epochs=epochs)


@pytest.mark.parametrize("name", ["wine", "diabetes"])
@pytest.mark.parametrize(
    "recipe",
    [
        SMALL,
        extended(Bootstrap(), Mixup(), Patience(epochs=1), Vote(how="majority")),
        extended(MonteCarloDropout(passes=3), SnapshotEnsemble(count=2), epochs=4),
        replace(SMALL, techniques=(MinMax(), He())),
    ],
    ids=["plain", "many places", "snapshots and passes", "another scale"],
)
def test_together_as_one_population_each(name: str, recipe: Recipe) -> None:
    data = load(name)
    together, alone = (outcomes(data, recipe, most_bytes=n) for n in (1 << 30, 1))
    for one, other in zip(together, alone, strict=True):
        assert one.answer is not None and other.answer is not None
        unit = 77 if name == "diabetes" else 1  # of the target
        torch.testing.assert_close(one.answer / unit, other.answer / unit, **SAME)
        assert (one.epochs, one.flops, one.failed) == (other.epochs, other.flops, other.failed)


def test_categories_and_memory_split_populations_without_effect() -> None:
    data = with_categories()
    mine = jobs(data, SMALL)
    one = sum(job.block.n_bytes for job in mine[:2]) + 20_000
    found = [outcomes(data, SMALL, most_bytes=n) for n in (1 << 30, one)]
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a.answer, b.answer, **SAME)


@pytest.mark.parametrize(
    "technique", [LSUV(), SMOTE(), TemperatureScaling(), GreedySelection(), TimeBudget(seconds=60.0)]
)
def test_techniques_that_look_at_all_rows_train_alone(technique: Technique) -> None:
    data, recipe = load("wine"), extended(technique)
    mine = jobs(data, recipe)
    assert len({company(job, i) for i, job in enumerate(mine)}) == 3
    job = mine[1]
    found = train_jobs(mine, task=data.task, dtype=torch.float64)[1]
    alone = Population(recipe, inputs=job.block.inputs, outputs=job.block.outputs, seed=[job.seed], dtype=torch.float64)
    for _ in alone.train(job.block.train, job.block.validation):
        pass
    torch.testing.assert_close(found.answer, alone.predict(job.block.test), **SAME)


def test_company_is_structure_and_shape_and_what_batches_are_told() -> None:
    mine = jobs(load("wine"), SMALL)
    assert len({company(job, i) for i, job in enumerate(mine)}) == 1
    other = replace(mine[0], recipe=SMALL.with_strengths({"Dropout.rate": 0.5}))
    assert company(other, 9) == company(mine[0], 0)
    assert company(replace(other, recipe=replace(SMALL, epochs=4)), 9) != company(mine[0], 0)
    shorter = replace(mine[0].block, test=mine[0].block.test.take(torch.arange(3)))
    assert company(replace(mine[0], block=shorter), 9) != company(mine[0], 0)
    draw = np.random.default_rng(0)
    images = read_given((draw.integers(0, 2, (40, 6, 6)), np.arange(40) % 2))
    flipping = Recipe(net=CNN(channels=(2,), widths=()), epochs=1, techniques=(Standardize(), Flip()))
    told = jobs(images, flipping)  # the scaled pixels' range differs from split to split
    assert len({company(job, i) for i, job in enumerate(told)}) == 3
    assert len({company(job, i) for i, job in enumerate(jobs(images, replace(flipping, techniques=(Flip(),))))}) == 1


def test_failed_networks_have_no_answer_and_do_not_touch_the_others() -> None:
    data = load("wine")
    steep = replace(SMALL, optimizer=SGD(), techniques=(Standardize(), He()), epochs=10)
    mine = jobs(data, steep)
    mine[1] = replace(mine[1], recipe=steep.with_strengths({"optimizer.learning_rate": 1e9}))
    found = train_jobs(mine, task=data.task, dtype=torch.float64)
    expected = outcomes(data, steep, most_bytes=1)
    assert [one.failed for one in found] == [False, True, False]
    for i in (0, 2):
        torch.testing.assert_close(found[i].answer, expected[i].answer, **SAME)


def test_costs_are_counted_by_network() -> None:
    found = outcomes(load("wine"), SMALL, most_bytes=1 << 30)
    flops = 2 * (13 * 8 + 8 * 3)  # of a row forwards
    assert [one.flops for one in found] == [3 * flops * 114 * 3] * 3  # 114 of 178 rows, 3 epochs
    assert [one.epochs for one in found] == [3] * 3 and all(one.seconds > 0 for one in found)


def test_progress_rises_to_one() -> None:
    told = list[float]()
    train_jobs(jobs(load("wine"), SMALL), task="classification", dtype=torch.float64, progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0


def test_blocks_hold_what_is_known_without_looking() -> None:
    block = jobs(load("wine"), SMALL, 1)[0].block
    shares = torch.bincount(block.train.y).double() / len(block.train)
    assert torch.equal(block.constant_answer()[3], shares) and block.scale == (0.0, 1.0)
    number = jobs(load("diabetes"), SMALL, 1)[0].block
    assert float(number.constant) == pytest.approx(number.scale[0]) and number.truth.max() > 300
    assert isinstance(block, Block) and block.n_bytes == 178 * (13 + 1) * 8
    assert joined([block.train]) is block.train
