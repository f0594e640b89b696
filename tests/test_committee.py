"""A committee: each network has one voice, whatever bag it is in; the same after a round trip; damage is told."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wellposed.bag import Bag
from wellposed.committee import Committee, voices
from wellposed.errors import BadInput
from wellposed.inputs.dataset import Part
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.techniques import Dropout, Robust, Standardize

DRAW = np.random.default_rng(0)
FEATURES = pd.DataFrame({"a": DRAW.normal(size=60), "b": DRAW.normal(size=60), "c": np.resize(["x", "y", "z"], 60)})
PARTS = {
    "classification": Part(FEATURES, np.where(FEATURES["a"] > 0, "yes", "no")),
    "regression": Part(FEATURES, FEATURES["a"].to_numpy() * 3 + 10),
}


def made(task: str, sizes: dict[Recipe, int]) -> Committee:
    bags = []
    for recipe, k in sizes.items():
        rates = [recipe.with_strengths({"Dropout.rate": i / 10}) for i in range(k)]
        bag, rows = Bag.prepare(PARTS[task], task=task, recipe=rates, members=k, seed=list(range(k)))  # type: ignore[arg-type]
        for _ in bag.train(rows, None):
            pass
        bags.append(bag)
    return Committee(tuple(bags))


SIZES = {
    Recipe(net=MLP(widths=(4,)), epochs=2, techniques=(Standardize(), Dropout())): 3,
    Recipe(net=MLP(widths=(8,)), epochs=2, techniques=(Robust(), Dropout())): 1,
}


@pytest.mark.parametrize("task", PARTS)
def test_every_network_has_one_voice(task: str) -> None:
    committee = made(task, SIZES)
    assert voices(committee.bags) == [3, 1]
    one, other = (bag.answer(FEATURES) for bag in committee.bags)
    np.testing.assert_allclose(committee.answer(FEATURES), 0.75 * one + 0.25 * other, rtol=1e-6)
    assert committee.predict(FEATURES).shape == (60,)


@pytest.mark.parametrize("task", PARTS)
def test_it_comes_back_from_its_folder_as_it_was(task: str, tmp_path: Path) -> None:
    committee = made(task, SIZES)
    committee.save(tmp_path)
    np.testing.assert_array_equal(Committee.load(tmp_path).answer(FEATURES), committee.answer(FEATURES))
    alone = Committee(committee.bags[:1])
    alone.save(tmp_path / "one")
    assert (tmp_path / "one" / "manifest.json").is_file() and not (tmp_path / "one" / "committee.json").exists()
    np.testing.assert_array_equal(Committee.load(tmp_path / "one").answer(FEATURES), alone.answer(FEATURES))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bags": []}, "must list the bags"),
        ({"bags": ["0", "../1"]}, "name folders beside it"),
        ({"format": 99}, "format 99"),
        ({"bags": ["0", "7"]}, "no manifest.json"),
    ],
)
def test_damage_is_told(tmp_path: Path, change: dict, words: str) -> None:
    made("classification", SIZES).save(tmp_path)
    path = tmp_path / "committee.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=words):
        Committee.load(tmp_path)
