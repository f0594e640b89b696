"""The cocktail: the ranges of the paper's table 1; every cocktail is a recipe, finds room in its net, and trains."""

import math
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.cocktails import CYCLES, EPOCHS, UPDATES, cocktail, cocktail_space
from wellposed.inputs.dataset import Kind, Rows
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs, unplaced
from wellposed.population.population import Population
from wellposed.recipe import Recipe
from wellposed.search_space import Choice, Space, Value
from wellposed.techniques import (
    SWA,
    AdversarialTraining,
    BatchNorm,
    CutMix,
    Cutout,
    Dropout,
    Lookahead,
    Mixup,
    ShakeDrop,
    ShakeShake,
    SnapshotEnsemble,
    StochasticDepth,
    WeightDecay,
)
from wellposed.techniques.places import BatchTechnique, BranchTechnique, InnerTechnique

INPUTS: dict[Kind, Inputs] = {
    "table": Inputs((5,), (3,)),
    "images": Inputs((1, 8, 8)),
    "text": Inputs((0,), (), 30),
    "sequence": Inputs((6, 2)),
}
TABLE_1 = {
    "WeightDecay.amount": (1e-5, 0.1),
    "Dropout.rate": (0, 0.8),
    "Lookahead.alpha": (0.5, 0.8),
    "Lookahead.every": (5, 10),
    "ShakeDrop.rate": (0, 1),
    "Mixup.alpha": (0, 1),
    "CutMix.probability": (0, 1),
    "Cutout.probability": (0, 1),
    "Cutout.size": (0, 1),
}


def draw(space: Space, seed: int) -> dict[str, Value]:
    """One point of a space, at random, by the conditions as they are written."""
    generator, values = random.Random(seed), dict[str, Value]()
    for d in space.dimensions:
        if d.when is not None and values.get(d.when[0]) not in d.when[1]:
            continue
        if d.kind == "choice":
            values[d.name] = generator.choice(d.options)
        elif d.kind == "whole":
            values[d.name] = generator.randint(int(d.low), int(d.high))
        else:
            ends = (math.log(d.low), math.log(d.high)) if d.log else (d.low, d.high)
            value = generator.uniform(*ends)
            values[d.name] = min(max(math.exp(value), d.low), d.high) if d.log else value
    return values


def named(values: Mapping[str, Value]) -> dict[str, Value]:
    """The strengths among values."""
    return {name: value for name, value in values.items() if "." in name and isinstance(value, float)}


def test_ranges_are_those_of_the_paper_and_of_amounts_logarithmic() -> None:
    found = {d.name: d for d in cocktail_space("table", 1000).dimensions}
    for name, ends in TABLE_1.items():
        assert (found[name].low, found[name].high) == ends
    assert {d.name for d in found.values() if d.log} == {
        "WeightDecay.amount",
        "AdversarialTraining.epsilon",
        "optimizer.learning_rate",
    }
    assert found["Lookahead.every"].kind == "whole"
    assert len(found["Dropout.shape"].options) == 7


def test_all_regularizers_may_be_taken() -> None:
    """The paper's thirteen: skip connections, and of these all but stochastic depth."""
    slots = cocktail_space("table", 1000).slots
    parts = [part for s in slots if isinstance(s, Choice) for option in s.options for part in option.parts]
    assert {type(part) for part in parts} == {
        *(MLP, BatchNorm, SWA, Lookahead, WeightDecay, Dropout, SnapshotEnsemble, ShakeShake, ShakeDrop),
        *(StochasticDepth, Mixup, CutMix, Cutout, AdversarialTraining),
    }


@given(kind=st.sampled_from([*INPUTS]), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_every_point_is_a_recipe_with_room_for_all_it_takes(kind: Kind, seed: int) -> None:
    space = cocktail_space(kind, 1000)
    values = draw(space, seed)
    recipe = space.recipe(values)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    strengths = recipe.strengths()
    assert {name: strengths[name] for name in named(values)} == named(values)
    inner = recipe.of(InnerTechnique)
    assert unplaced(recipe.net.build(INPUTS[kind], 3, inner), inner) == []
    for labels, kinds in (("branches", BranchTechnique), ("augmentation", BatchTechnique | AdversarialTraining)):
        taken = [type(t).__name__ for t in recipe.techniques if isinstance(t, kinds)]
        assert taken == ([values[labels]] if values.get(labels, "none") != "none" else [])
    assert all(t.each == "row" for t in recipe.techniques if isinstance(t, Mixup | CutMix))
    assert recipe.check() == ()


@given(rows=st.integers(0, 10**8), kind=st.sampled_from([*INPUTS]))
def test_sizes_follow_the_rows_within_bounds(rows: int, kind: Kind) -> None:
    recipe = cocktail(kind, rows)
    size = recipe.batch_size
    assert isinstance(size, int) and size in (16, 32, 64, 128)
    assert 2 * CYCLES <= recipe.epochs <= EPOCHS and recipe.epochs % CYCLES == 0
    assert recipe.epochs == 2 * CYCLES or recipe.epochs * -(-rows // size) <= UPDATES[kind]


def test_the_preset_is_a_point_of_its_space() -> None:
    recipe = cocktail("table", 1000)
    space = cocktail_space("table", 1000)
    assert isinstance(recipe.net, MLP) and recipe.net.residual and len(recipe.net.widths) == 9
    chosen = {"BatchNorm": "on", "WeightDecay": "on", "Dropout": "on", "SnapshotEnsemble": "on", "skip": "on"}
    assert space.recipe({**chosen, "Dropout.rate": 0.2, "WeightDecay.amount": 0.01}) == recipe
    assert space.recipe({}).techniques == (*recipe.techniques[:2], recipe.techniques[-1])


POINTS: tuple[dict[str, Value], ...] = (
    {"skip": "on", "branches": "ShakeShake", "Dropout": "on", "Dropout.shape": "diamond", "average": "SWA"},
    {"skip": "on", "branches": "ShakeDrop", "BatchNorm": "on", "augmentation": "CutMix", "average": "Lookahead"},
    {"augmentation": "AdversarialTraining", "BatchNorm": "on", "WeightDecay": "on", "SnapshotEnsemble": "on"},
    {"augmentation": "Cutout", "average": "SWA", "SnapshotEnsemble": "on", "BatchNorm": "on"},
)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", ["table", "images"])
@pytest.mark.parametrize("values", POINTS, ids=str)
def test_cocktails_train_on_classes_and_numbers(values: dict[str, Value], kind: Kind, task: str) -> None:
    """A few epochs, on rows whose first number tells the answer; from fixed seeds the loss has fallen."""
    n, generator = 48, torch.Generator().manual_seed(0)
    inputs = replace(INPUTS[kind], cardinalities=())
    x = torch.randn(n, *inputs.shape, generator=generator)
    first = x.flatten(1)[:, 0]
    y = (first > 0).long() if task == "classification" else first.unsqueeze(1)
    rows = Rows(x, torch.zeros(n, 0, dtype=torch.int64), y)
    recipe = replace(cocktail_space(kind, n).recipe({**values, "optimizer.learning_rate": 0.003}), epochs=12)
    outputs = 2 if task == "classification" else 1
    population = Population(recipe, inputs=inputs, outputs=outputs, task=task, members=2)  # type: ignore[arg-type]
    for _ in population.train(rows, rows):
        pass
    answer = population.predict(rows)
    assert answer.shape == (n, outputs) and torch.isfinite(answer).all()
    losses = torch.stack(population.record.train_loss)
    assert losses.shape == (12, 2) and torch.isfinite(losses).all()
    assert (losses[-3:].mean(0) < losses[:3].mean(0)).all()
