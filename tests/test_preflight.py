"""Each disagreement is told once, with its source; a careful recipe is told nothing."""

from dataclasses import replace

import numpy as np
import pytest

from wellposed.inputs.dataset import Data, Part
from wellposed.nets.mlp import MLP
from wellposed.optimizers import AdamW
from wellposed.presets import PRESETS
from wellposed.recipe import Recipe
from wellposed.techniques import (
    SWA,
    BatchNorm,
    Dropout,
    Fixup,
    Flip,
    GhostBatchNorm,
    GroupNorm,
    He,
    LabelSmoothing,
    LayerNorm,
    Mixup,
    Rotation,
    TemperatureScaling,
    WeightNorm,
    Xavier,
)

DEEP = MLP(widths=(64,) * 30)


def digits(n: int = 100) -> Data:
    rows = Part(np.zeros((n, 8, 8), dtype=np.uint8), np.array([str(i % 10) for i in range(n)]))
    return Data("digits", "images", "classification", "label", rows, None, (), "")


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (Recipe(net=MLP(activation="sigmoid"), techniques=(He(),)), "use Xavier"),
        (Recipe(net=DEEP, techniques=(Xavier(),)), "use He"),
        (Recipe(techniques=(Fixup(), WeightNorm())), "no direction to start"),
        (Recipe(techniques=(Rotation(degrees=180.0),)), "6 turned"),
        (Recipe(techniques=(Flip(probability=0.5),)), "may change the class"),
        (Recipe(techniques=(LabelSmoothing(), Mixup())), "mixed and smoothed"),
        (Recipe(batch_size=4, techniques=(BatchNorm(),)), "sees 4 rows"),
        (Recipe(batch_size=64, techniques=(GhostBatchNorm(rows=2),)), "sees 2 rows"),
        (Recipe(techniques=(Dropout(where="before"), BatchNorm())), "Dropout stands before batch norm"),
        (Recipe(techniques=(Dropout(), BatchNorm(where="after"))), "Dropout stands before batch norm"),
        (Recipe(optimizer=AdamW(), techniques=(BatchNorm(),)), "technique WeightDecay"),
        (Recipe(techniques=(BatchNorm(), SWA(refresh=False))), "refresh = true"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_disagreement_is_told_with_its_source(recipe: Recipe, told: str) -> None:
    (advice,) = recipe.check(digits())
    assert told in advice.what
    assert advice.source
    assert str(advice) == f"{advice.what} ({advice.source})"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(net=MLP(activation="sigmoid"), techniques=(Xavier(),)),
        Recipe(net=DEEP, techniques=(He(),)),
        Recipe(net=DEEP, techniques=(Xavier(gain="relu"),)),
        Recipe(net=MLP(widths=(64,) * 5), techniques=(Xavier(),)),
        Recipe(techniques=(Rotation(degrees=10.0), LabelSmoothing())),
        Recipe(batch_size=4, techniques=(LayerNorm(), GroupNorm(groups=2))),
        Recipe(techniques=(Dropout(), BatchNorm())),
        Recipe(optimizer=AdamW(weight_decay=0.0), techniques=(BatchNorm(), SWA())),
        *(preset(kind, 1000) for preset in PRESETS.values() for kind in ("table", "images", "text", "sequence")),
    ],
    ids=lambda recipe: recipe.digest(),
)
def test_a_careful_recipe_is_told_nothing(recipe: Recipe) -> None:
    assert recipe.check(digits()) == ()
    assert recipe.check() == ()


def test_numbers_have_no_temperature() -> None:
    recipe = Recipe(techniques=(TemperatureScaling(),))
    assert recipe.check(digits()) == ()
    (advice,) = recipe.check(replace(digits(), task="regression"))
    assert "changes nothing for numbers" in advice.what


def test_few_rows_make_small_batches() -> None:
    recipe = Recipe(batch_size="all", techniques=(BatchNorm(),))
    assert recipe.check() == ()
    assert [a.what[:20] for a in recipe.check(digits(5))] == ["Batch norm sees 5 ro"]
    assert replace(recipe, batch_size=64).check(digits(5))


def test_nothing_is_known_of_other_images() -> None:
    data = digits()
    other = replace(data, rows=Part(data.rows.features, np.array(["cat", "dog"] * 50)))
    letters = replace(data, rows=Part(data.rows.features, np.array(["b", "d"] * 50)))
    recipe = Recipe(techniques=(Flip(probability=0.5),))
    assert recipe.check(other) == ()
    assert recipe.check(letters)
