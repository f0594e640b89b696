"""Taking recipes apart: which recipes come of it, that they fit, and that a technique that matters is found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from wellposed.ablation import ablate, name_of, taken_apart, with_only
from wellposed.errors import BadInput
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs, Net
from wellposed.optimizers import Adam
from wellposed.recipe import Ramp, Recipe
from wellposed.schedules import Cosine
from wellposed.techniques import L2, BatchNorm, ClipNorm, Dropout, He, Standardize, Vote, WeightDecay
from wellposed.techniques.places import InnerTechnique

RAMPS = (Ramp(strength="Dropout#2.rate", schedule=Cosine()), Ramp(strength="L2.amount", schedule=Cosine()))
WHOLE = Recipe(
    net=MLP(widths=(16,)),
    epochs=3,
    batch_size=64,
    techniques=(Standardize(), He(), Dropout(rate=0.1), Dropout(rate=0.2), L2(amount=0.01), Vote()),
    ramps=RAMPS,
)


def test_each_technique_is_left_out_and_put_in_alone_with_its_ramps() -> None:
    bare, found = taken_apart(WHOLE)
    assert bare == replace(WHOLE, techniques=(Standardize(), He()), ramps=())
    assert list(found) == [
        *[(name, "left out") for name in ("Standardize", "He", "Dropout", "Dropout#2", "L2")],
        *[(name, "alone") for name in ("Dropout", "Dropout#2", "L2")],
    ]
    without = found["Dropout", "left out"]
    assert isinstance(without, Recipe) and [type(t) for t in without.techniques] == [Standardize, He, Dropout, L2, Vote]
    assert without.ramps == (replace(RAMPS[0], strength="Dropout.rate"), RAMPS[1])  # the second is the first now
    alone = found["Dropout#2", "alone"]
    assert isinstance(alone, Recipe) and alone.techniques == (Standardize(), He(), Dropout(rate=0.2))
    assert [ramp.strength for ramp in alone.ramps] == ["Dropout.rate"]
    last = found["L2", "left out"]
    assert isinstance(last, Recipe) and last.ramps == RAMPS[:1]


def test_all_techniques_kept_is_the_recipe() -> None:
    assert with_only(WHOLE, range(6)) == WHOLE
    assert with_only(WHOLE, []).techniques == () == with_only(WHOLE, []).ramps


def test_a_technique_that_matters_helps_and_one_that_does_nothing_does_not(tmp_path: Path) -> None:
    """Scales where the numbers have a long way to 0; a bound on gradients so high that it never acts."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 3)) * 1000 + 5000
    recipe = Recipe(
        net=MLP(widths=(16,)), optimizer=Adam(learning_rate=0.01), epochs=20, batch_size=32,
        techniques=(Standardize(), He(), ClipNorm(limit=1e6), WeightDecay(amount=0.0)),
    )  # fmt: skip
    told = list[float]()
    found = ablate(recipe, (x, (x[:, 0] > 5000).astype(int)), repeats=4, progress=told.append)
    by_name = {(line.technique, line.way): line for line in found.lines}
    scale = by_name["Standardize", "left out"].pair
    assert scale is not None and scale.verdict == "better"
    assert (scale.first, scale.second) == ("whole", "without Standardize")
    for way in ("left out", "alone"):
        clip = by_name["ClipNorm", way].pair
        assert clip is not None and clip.difference.estimate == 0.0 and clip.verdict == "no difference shown"
    assert found.bare.techniques == (Standardize(), He()) and found.metric == "accuracy"
    frame = found.to_frame()
    assert frame["technique"].tolist() == ["Standardize", "He", "ClipNorm", "WeightDecay", "ClipNorm", "WeightDecay"]
    assert frame["way"].tolist() == ["left out"] * 4 + ["alone"] * 2
    assert "Standardize" in str(found) and "P(helps)" in str(found)
    assert told == sorted(told) and told[-1] == 1.0
    json.dumps(found.to_json())
    page = found.show(path=tmp_path / "a.html")
    assert page is not None and "against the bare recipe" in page.read_text()


@dataclass(frozen=True, kw_only=True)
class Normed(Net):
    """A net that needs a norm."""

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        if not any(isinstance(t, BatchNorm) for t in layers):
            raise BadInput("Normed must have a norm. Got none.")
        return MLP(widths=(4,)).build(inputs, outputs, layers)


def test_what_a_recipe_cannot_do_without_is_told_and_not_tried() -> None:
    data = (np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2)
    recipe = Recipe(net=Normed(), epochs=2, techniques=(He(), BatchNorm(), L2(amount=0.1)))
    found = ablate(recipe, data, repeats=2)
    notes = {(line.technique, line.way): line.note for line in found.lines if line.pair is None}
    assert set(notes) == {("BatchNorm", "left out"), ("BatchNorm", "alone"), ("L2", "alone")}
    assert set(notes.values()) == {"Normed must have a norm. Got none."}
    assert [(line.technique, line.way) for line in found.lines if line.pair] == [("He", "left out"), ("L2", "left out")]
    assert any("BatchNorm, left out, was not tried: Normed must" in note for note in found.notes)
    assert len(found.to_frame()) == 2 and "Normed must" in str(found)


def test_a_preset_is_taken_apart_as_the_recipe_that_it_makes() -> None:
    draw = np.random.default_rng(0)

    def preset(kind: str, rows: int) -> Recipe:
        return replace(WHOLE, batch_size=rows)

    found = ablate(preset, (draw.normal(size=(50, 2)), np.arange(50) % 2), repeats=2)
    assert found.recipe.batch_size == 32 and len(found.lines) == 8


def test_refuse_what_cannot_be_taken_apart() -> None:
    data = (np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2)
    for techniques in ((), (Vote(),)):
        with pytest.raises(BadInput, match="have a technique that could be left out"):
            ablate(replace(WHOLE, techniques=techniques, ramps=()), data)
    with pytest.raises(BadInput, match="level must be"):
        ablate(WHOLE, data, level=2)


def test_recipes_are_called_by_what_they_lack_or_have() -> None:
    assert name_of("L2", "left out") == "without L2" and name_of("L2", "alone") == "L2 alone"
