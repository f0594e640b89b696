"""Recipes: values equal by content, the same in TOML and in every process, refused in one sentence."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from tests.contracts.cases import CASES

from wellposed.errors import BadInput
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import ACTIVATIONS
from wellposed.optimizers import SGD, Adam, AdamW, RMSprop
from wellposed.presets import PRESETS
from wellposed.recipe import Ramp, Recipe
from wellposed.schedules import Constant, Cosine, OneCycle, Steps, WarmUp
from wellposed.techniques import (
    EMA,
    L1,
    L2,
    TECHNIQUES,
    BatchNorm,
    Bootstrap,
    ClipNorm,
    Dropout,
    Gaussian,
    He,
    MaxNorm,
    SnapshotEnsemble,
    Vote,
)
from wellposed.techniques.places import AverageTechnique, PredictionTechnique, SampleTechnique
from wellposed.techniques.technique import Technique, strength_fields

WORKED_OUT = Recipe(
    net=MLP(widths=(7, 5), activation="gelu", residual=True),
    optimizer=SGD(learning_rate=0.3, momentum=0.9, nesterov=True),
    schedule=WarmUp(share=0.1, then=WarmUp(steps=3, then=Steps(every=(0.5, 0.75), by=0.2))),
    epochs=7,
    batch_size="all",
    techniques=(L2(amount=1e-3), Dropout(rate=0.1), L2(amount=1e-5, where="0.*"), MaxNorm(limit=float("inf"))),
)
RECIPES = {
    **{f"{name}, {kind}": preset(kind, 500) for name, preset in PRESETS.items() for kind in ("table", "images")},
    **{kind.__name__: Recipe(techniques=(case.example,)) for kind, case in CASES.items()},
    **{type(o).__name__: Recipe(optimizer=o) for o in (SGD(momentum=0.5), Adam(), AdamW(eps=1e-3), RMSprop())},
    **{
        f"schedule {type(s).__name__} {i}": Recipe(schedule=s)
        for i, s in enumerate((Constant(), Cosine(floor=0.1), Steps(), Steps(every=(0.1,)), OneCycle(), WarmUp()))
    },
    **{name: Recipe(net=MLP(activation=name)) for name in ACTIVATIONS},  # type: ignore[arg-type]
    "linear": Recipe(net=MLP(widths=())),
    "CNN": Recipe(net=CNN(channels=(4,), widths=()), batch_size=1),
    "everything": WORKED_OUT,
}


def test_every_technique_is_among_the_cases() -> None:
    assert set(CASES) == set(TECHNIQUES.values())


@pytest.mark.parametrize("name", RECIPES)
def test_toml_is_read_back_equal(name: str) -> None:
    recipe = RECIPES[name]
    again = Recipe.from_toml(recipe.to_toml())
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert again.structure() == recipe.structure()
    assert again.to_toml() == recipe.to_toml()
    assert again.digest() == recipe.digest()


def test_different_recipes_have_different_digests() -> None:
    recipes = set(RECIPES.values())
    assert len({r.digest() for r in recipes}) == len(recipes) > 40


def test_the_digest_is_the_same_in_every_process() -> None:
    """Also where Python's own hashes of texts are others."""
    code = "from wellposed.presets import PRESETS; print(*[p('table', 500).digest() for p in PRESETS.values()])"
    other = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=other)
    assert found.stdout.split() == [p("table", 500).digest() for p in PRESETS.values()]


@pytest.mark.parametrize("name", sorted({n for r in RECIPES.values() for n in r.strengths()}))
def test_any_other_strength_makes_another_recipe_of_the_same_structure(name: str) -> None:
    recipe = next(r for r in RECIPES.values() if name in r.strengths())
    value = recipe.strengths()[name]
    assert isinstance(value, float)
    owner, _, key = name.rpartition(".")
    searched = next(f for f in strength_fields(type(recipe.named()[owner])) if f.name == key).metadata["search"]
    other = recipe.with_strengths({name: next(end for end in searched if end != value)})
    assert other != recipe
    assert other.digest() != recipe.digest()
    assert other.structure() == recipe.structure()
    assert {n for n, v in other.strengths().items() if v != recipe.strengths()[n]} == {name}


def test_a_whole_number_is_the_number_that_it_equals() -> None:
    a, b = (
        Recipe(techniques=(ClipNorm(limit=1), Dropout(rate=0))),
        Recipe(techniques=(ClipNorm(limit=1.0), Dropout(rate=0.0))),
    )
    assert a == b
    assert a.digest() == b.digest() == Recipe.from_toml(a.to_toml()).digest()


def test_strengths_are_named_by_kind_and_number() -> None:
    assert WORKED_OUT.strengths() == {
        "optimizer.learning_rate": 0.3,
        "optimizer.momentum": 0.9,
        "L2.amount": 1e-3,
        "Dropout.rate": 0.1,
        "L2#2.amount": 1e-5,
        "MaxNorm.limit": float("inf"),
    }


def test_strengths_are_put_where_their_names_say() -> None:
    other = WORKED_OUT.with_strengths({"L2#2.amount": 0.5, "optimizer.learning_rate": 0.125})
    assert other.techniques == (
        L2(amount=1e-3), Dropout(rate=0.1), L2(amount=0.5, where="0.*"), MaxNorm(limit=float("inf"))
    )  # fmt: skip
    assert other.optimizer == SGD(learning_rate=0.125, momentum=0.9, nesterov=True)
    assert WORKED_OUT.with_strengths({}) == WORKED_OUT
    assert WORKED_OUT.with_strengths(WORKED_OUT.strengths()) == WORKED_OUT


def test_strengths_may_be_one_value_a_member() -> None:
    bound = WORKED_OUT.with_strengths({"Dropout.rate": torch.tensor([0.1, 0.2])})
    assert torch.equal(torch.as_tensor(bound.strengths()["Dropout.rate"]), torch.tensor([0.1, 0.2]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"Dropout.rat": 0.1},
            "The name of a strength must be one of this recipe's. Got 'Dropout.rat'. Did you mean 'Dropout.rate'?",
        ),
        ({"Dropout.rate": 1.5}, "Dropout.rate must be in [0, 0.99]. Got 1.5."),
        ({"optimizer.learning_rate": -1.0}, "SGD.learning_rate must be in [0, 1e+09]. Got -1.0."),
    ],
)
def test_strengths_that_cannot_be_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(BadInput) as error:
        WORKED_OUT.with_strengths(values)
    assert str(error.value) == message


def test_structure_is_all_but_the_strengths() -> None:
    base = Recipe(techniques=(L2(), Dropout()))
    assert (
        base.structure()
        == replace(base, optimizer=Adam(learning_rate=0.5), techniques=(L2(amount=1.0), Dropout(rate=0))).structure()
    )
    others = [
        replace(base, net=MLP(widths=(3,))),
        replace(base, optimizer=AdamW()),
        replace(base, optimizer=Adam(eps=1e-3)),
        replace(base, schedule=Cosine()),
        replace(base, epochs=3),
        replace(base, batch_size="all"),
        replace(base, techniques=(Dropout(), L2())),
        replace(base, techniques=(L2(where="0.*"), Dropout())),
        replace(base, techniques=(L2(),)),
        replace(base, techniques=(L1(), Dropout())),
    ]
    assert len({base.structure(), *(r.structure() for r in others)}) == 1 + len(others)


def test_techniques_are_found_by_place_in_the_order_written() -> None:
    assert [t.amount for t in WORKED_OUT.of(L2)] == [1e-3, 1e-5]
    assert Recipe(techniques=(He(),)).of(PredictionTechnique) == ()


@dataclass(frozen=True, kw_only=True)
class Sampling(SampleTechnique):
    def rows(self, n: int, key: torch.Tensor) -> torch.Tensor:
        return torch.arange(n).expand(*key.shape, n)


@dataclass(frozen=True, kw_only=True)
class Averaging(AverageTechnique):
    def average_(self, mean: object, tensors: object, moment: object) -> None:
        return None

    @property
    def refreshes(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("two", "place"),
    [
        ((He(), Gaussian()), "WeightTechnique"),
        ((EMA(), Averaging()), "AverageTechnique"),
        ((Bootstrap(), Sampling()), "SampleTechnique"),
        ((Vote(), Vote(how="majority")), "PredictionTechnique"),
    ],
)
def test_two_techniques_that_contradict_each_other_are_refused(two: tuple[Technique, ...], place: str) -> None:
    names = [type(t).__name__ for t in two]
    with pytest.raises(BadInput) as error:
        Recipe(techniques=two)
    assert str(error.value) == f"Recipe.techniques must hold at most one {place}. Got {names}."
    assert Recipe(techniques=two[:1]) != Recipe(techniques=two[1:])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "Recipe.epochs must be a positive whole number. Got 0."),
        ({"epochs": True}, "Recipe.epochs must be a positive whole number. Got True."),
        ({"epochs": 2.5}, "Recipe.epochs must be a positive whole number. Got 2.5."),
        ({"batch_size": 0}, "Recipe.batch_size must be a positive whole number or 'all'. Got 0."),
        ({"batch_size": "al"}, "Recipe.batch_size must be a positive whole number or 'all'. Got 'al'."),
        ({"batch_size": True}, "Recipe.batch_size must be a positive whole number or 'all'. Got True."),
        ({"net": "MLP"}, "Recipe.net must be a Net. Got 'MLP'."),
        ({"optimizer": "Adam"}, "Recipe.optimizer must be a Optimizer. Got 'Adam'."),
        ({"schedule": None}, "Recipe.schedule must be a Schedule. Got None."),
        ({"techniques": [He()]}, "Recipe.techniques must be a tuple of techniques. Got [He("),
        ({"techniques": (Dropout,)}, "Recipe.techniques must be a tuple of techniques. Got (<class"),
        ({"techniques": (Adam(),)}, "Recipe.techniques must be a tuple of techniques. Got (Adam("),
        (
            {"epochs": 3, "techniques": (SnapshotEnsemble(count=4),)},
            "SnapshotEnsemble.count must be at most the number of epochs, 3. Got 4.",
        ),
    ],
)
def test_what_no_recipe_can_hold_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(BadInput) as error:
        Recipe(**fields)
    assert str(error.value).startswith(message)


def test_a_file_that_says_nothing_is_the_default() -> None:
    assert Recipe.from_toml("") == Recipe()


REFUSED = {
    "epochs = 0": "recipe.toml, line 1: Recipe.epochs must be a positive whole number. Got 0.",
    "\nepochs = true": "recipe.toml, line 2: epochs must be a whole number. Got True.",
    'epochs = "3"': "recipe.toml, line 1: epochs must be a whole number. Got '3'.",
    'epochs = 3\nbatch_size = "al"': (
        "recipe.toml, line 2: batch_size must be a whole number or one of 'all'. Got 'al'."
    ),
    "batch_size = -1": "recipe.toml, line 1: Recipe.batch_size must be a positive whole number or 'all'. Got -1.",
    "batch_size = false": "recipe.toml, line 1: batch_size must be a whole number or one of 'all'. Got False.",
    "epoch = 3": "recipe.toml, line 1: A recipe has no key 'epoch'. Did you mean 'epochs'?",
    '[[techniques]]\nkind = "He"': ("recipe.toml, line 1: A recipe has no key 'techniques'. Did you mean 'technique'?"),
    '[technique]\nkind = "He"': ("recipe.toml, line 1: technique must be a list of tables, each headed [[technique]]."),
    '\ntechnique = "He"': "recipe.toml, line 2: technique must be a list of tables, each headed [[technique]].",
    '[[technique]]\nkind = "He"\n\n[[technique]]\n# off\nkind = "Dropout"\nrate = 1.5\n': (
        "recipe.toml, line 7: Dropout.rate must be in [0, 0.99]. Got 1.5."
    ),
    '[[technique]]\nkind = "Dropout"\nrate = true': (
        "recipe.toml, line 3: technique 1.rate must be a number. Got True."
    ),
    '[[technique]]\nkind = "Dropout"\nrate = nan': ("recipe.toml, line 3: Dropout.rate must be in [0, 0.99]. Got nan."),
    '[[technique]]\nkind = "Dropout"\nrte = 0.1': (
        "recipe.toml, line 3: Dropout has no key 'rte'. Did you mean 'rate'?"
    ),
    '[[technique]]\nkind = "Droput"': (
        "recipe.toml, line 2: technique 1.kind must name a known kind. Got 'Droput'. Did you mean 'Dropout'?"
    ),
    '[[technique]]\nkind = "He"\n[[technique]]\nkind = "os.system"': (
        "recipe.toml, line 4: technique 2.kind must name a known kind. Got 'os.system'."
    ),
    '[[technique]]\nkind = "Adam"': "recipe.toml, line 2: technique 1.kind must name a known kind. Got 'Adam'.",
    "[[technique]]\nrate = 0.1": ("recipe.toml, line 1: technique 1 must be a table with the key 'kind'."),
    "technique = [1]": "recipe.toml, line 1: technique 1 must be a table with the key 'kind'.",
    '[[technique]]\nkind = "He"\n[[technique]]\nkind = "Xavier"': (
        "recipe.toml, line 1: Recipe.techniques must hold at most one WeightTechnique. Got ['He', 'Xavier']."
    ),
    'epochs = 3\n[[technique]]\nkind = "He"\n[[technique]]\nkind = "SnapshotEnsemble"': (
        "recipe.toml, line 4: SnapshotEnsemble.count must be at most the number of epochs, 3. Got 5."
    ),
    '[[technique]]\nkind = "Dropout"\n[[ramp]]\nstrength = "Dropout.rate"': (
        "recipe.toml, line 3: Ramp must have the key 'schedule'. Got none."
    ),
    '[[technique]]\nkind = "Dropout"\n[[ramp]]\nstrength = "Dropout.rate"\nschedule = {kind = "Cosine"}\n'
    '[[ramp]]\nstrength = "Dropout.r"\nschedule = {kind = "Cosine"}': (
        "recipe.toml, line 6: Ramp.strength must name a strength"
    ),
    'net = "MLP"': (
        "recipe.toml, line 1: net must be a table with the key 'kind'. "
        "Known: BagOfWords, CNN, MLP, Recurrent, ResNet, Transformer."
    ),
    '[net]\nkind = "MLP"\nwidths = [8, 0]': (
        "recipe.toml, line 3: MLP.widths must be a tuple of positive whole numbers. Got (8, 0)."
    ),
    '[net]\nkind = "MLP"\nactivation = "rlu"': "recipe.toml, line 3: net.activation must be one of 'relu', ",
    '[optimizer]\nkind = "Adam"\nmomentum = 1.0': (
        "recipe.toml, line 3: Adam.momentum must be in [0, 0.9999]. Got 1.0."
    ),
    '[schedule]\nkind = "WarmUp"\n\n[schedule.then]\nkind = "Cosine"\nfloor = 2': (
        "recipe.toml, line 6: Cosine.floor must be in [0, 1]. Got 2.0."
    ),
    '[schedule]\nkind = "WarmUp"\nthen = {kind = "Adam"}': (
        "recipe.toml, line 3: schedule.then.kind must name a known kind. Got 'Adam'. Known: Constant, "
    ),
    "epochs == 3": "recipe.toml must be TOML. Got a syntax error: ",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_a_file_says_wrongly_is_named_with_its_place(text: str) -> None:
    with pytest.raises(BadInput) as error:
        Recipe.from_toml(text)
    expected = REFUSED[text]
    assert str(error.value) == expected if expected.endswith(".") else str(error.value).startswith(expected)


def test_a_file_is_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 0", encoding="utf-8")
    with pytest.raises(BadInput, match=r"^mine.toml, line 1: Recipe.epochs "):
        Recipe.read(path)


def test_files_are_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        path = tmp_path / f"{encoding}.toml"
        path.write_text(WORKED_OUT.to_toml(), encoding=encoding)
        assert Recipe.read(path) == WORKED_OUT


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes("# größe".encode("latin-1"))
    for path in (tmp_path / "latin.toml", tmp_path / "absent.toml", tmp_path):
        with pytest.raises(BadInput, match=r"^The recipe file must be readable text. Got '.*'. Cause: "):
            Recipe.read(path)


def test_batch_norm_and_others_may_stand_in_any_order_of_places() -> None:
    a, b = Recipe(techniques=(BatchNorm(), He())), Recipe(techniques=(He(), BatchNorm()))
    assert a != b
    assert a.of(BatchNorm) == b.of(BatchNorm)


def test_ramps_survive_toml_and_are_refused_by_name() -> None:
    ramps = (
        Ramp(strength="Dropout.rate", schedule=Steps(every=0.5, by=0.1)),
        Ramp(strength="L2.amount", schedule=WarmUp(steps=3, start=0.0)),
    )
    recipe = Recipe(techniques=(Dropout(rate=0.4), L2(amount=2.0)), ramps=ramps)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert recipe.structure() != replace(recipe, ramps=()).structure()
    assert recipe.at(0, 10).strengths()["L2.amount"] == 0.0
    assert recipe.at(9, 10).strengths()["Dropout.rate"] == pytest.approx(0.04)
    for name in ("Dropout.rte", "optimizer.learning_rate", "rate", "Gaussian.deviation"):
        with pytest.raises(BadInput, match=r"^Ramp\.strength must name a strength that acts at every step\. Got "):
            Recipe(techniques=(Dropout(), Gaussian()), ramps=(Ramp(strength=name, schedule=Constant()),))
    with pytest.raises(BadInput, match=r"line 4: Ramp\.strength must name .* Did you mean 'Dropout\.rate'\?"):
        text = '[[technique]]\nkind = "Dropout"\n\n[[ramp]]\nstrength = "Dropout.rte"\nschedule = {kind = "Constant"}'
        Recipe.from_toml(text)
    with pytest.raises(BadInput, match="ramp must be a list of tables"):
        Recipe.from_toml("ramp = 3")
