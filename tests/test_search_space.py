"""Spaces: what is derived from a recipe, what exists when, and which recipe the values make."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD, Adam
from wellposed.recipe import Ramp, Recipe
from wellposed.schedules import Cosine, Linear
from wellposed.search_space import Choice, Dimension, Option, Space, read_dimensions, space
from wellposed.study.positions import exists
from wellposed.techniques import BatchNorm, Dropout, He, LayerNorm, Lookahead, Mixup, Standardize, WeightDecay

RECIPE = Recipe(net=MLP(widths=(8, 8)), techniques=(Standardize(), He(), BatchNorm(), Dropout(), WeightDecay()))


def names(found: Space) -> list[str]:
    return [d.name for d in found.dimensions]


def test_every_strength_is_taken_from_where_it_is_declared() -> None:
    found = space(RECIPE)
    assert names(found) == [f"optimizer.{n}" for n in ("learning_rate", "momentum", "decay")] + [
        "BatchNorm.momentum", "Dropout.rate", "WeightDecay.amount",
    ]  # fmt: skip
    rate, decay = found.dimensions[0], found.dimensions[-1]
    assert (rate.low, rate.high, rate.log, rate.kind) == (1e-4, 1e-1, True, "real")
    assert (decay.low, decay.high, decay.log) == (1e-4, 1.0, True)
    assert found.recipe({}) == RECIPE
    assert found.recipe({"Dropout.rate": 0.25}).strengths()["Dropout.rate"] == 0.25


def test_a_technique_may_be_there_or_not_and_its_strengths_go_with_it() -> None:
    found = space(RECIPE, optional=["Dropout"], fixed=["optimizer.*", "BatchNorm*"])
    assert names(found) == ["Dropout", "WeightDecay.amount", "Dropout.rate"]
    assert found.dimensions[2].when == ("Dropout", ("on",))
    with_it = found.recipe({"Dropout": "on", "Dropout.rate": 0.1})
    assert [type(t).__name__ for t in with_it.techniques] == [type(t).__name__ for t in RECIPE.techniques]
    assert found.recipe({"Dropout": "off", "Dropout.rate": 0.1}) == replace(
        RECIPE, techniques=tuple(t for t in RECIPE.techniques if not isinstance(t, Dropout))
    )


def test_one_of_several_takes_the_place_of_what_it_replaces() -> None:
    found = space(RECIPE, choices={"norm": (None, BatchNorm(), LayerNorm())})
    assert found.dimensions[0].options == ("none", "BatchNorm", "LayerNorm")
    kinds = [type(t).__name__ for t in found.recipe({"norm": "LayerNorm"}).techniques]
    assert kinds == ["Standardize", "He", "LayerNorm", "Dropout", "WeightDecay"]


def test_nets_optimizers_and_schedules_may_be_chosen_with_their_own_ranges() -> None:
    nets = (MLP(widths=(8,)), MLP(widths=(16,), residual=True), CNN())
    optimizers = (Adam(), (SGD(learning_rate=0.1), Cosine()))
    found = space(Recipe(), choices={"net": nets, "optimizer": optimizers})
    assert found.dimensions[0].options == ("MLP(widths=(8,))", "MLP(widths=(16,), residual=True)", "CNN")
    ranges = {d.name: (d.low, d.when) for d in found.dimensions}
    assert ranges["Adam.learning_rate"] == (1e-4, ("optimizer", ("Adam",)))
    assert ranges["SGD.learning_rate"] == (1e-3, ("optimizer", ("SGD + Cosine",)))
    made = found.recipe(
        {"net": "CNN", "optimizer": "SGD + Cosine", "SGD.learning_rate": 0.3, "Adam.learning_rate": 9.0}
    )
    assert made == Recipe(net=CNN(), optimizer=SGD(learning_rate=0.3), schedule=Cosine())


def test_whole_numbers_may_vary_where_they_are_asked_for() -> None:
    recipe = Recipe(net=MLP(residual=True), techniques=(Lookahead(),))
    asked = {"Lookahead.every": (5, 10), "batch_size": (16, 128, "log"), "net.block": (1, 2)}
    found = space(recipe, ranges=asked, fixed=["optimizer.*", "Lookahead.alpha"])
    assert {(d.name, d.kind, d.log) for d in found.dimensions} == {
        ("Lookahead.every", "whole", False), ("batch_size", "whole", True), ("net.block", "whole", False),
    }  # fmt: skip
    made = found.recipe({"Lookahead.every": 7, "batch_size": 32, "net.block": 2})
    assert made.batch_size == 32 and made.techniques == (Lookahead(every=7),)
    assert made.net == MLP(residual=True, block=2)


def test_ramps_go_with_their_technique() -> None:
    ramped = replace(RECIPE, ramps=(Ramp(strength="Dropout.rate", schedule=Linear()),))
    found = space(ramped, optional=["Dropout"])
    assert found.recipe({"Dropout": "on"}).ramps == ramped.ramps
    assert found.recipe({"Dropout": "off"}).ramps == ()


def test_two_of_a_kind_have_names_of_their_own() -> None:
    twice = Recipe(techniques=(Dropout(rate=0.1, where="before"), Dropout(rate=0.2)))
    found = space(twice, fixed=["optimizer.*"])
    assert names(found) == ["Dropout.rate", "Dropout#2.rate"]
    assert found.recipe({"Dropout#2.rate": 0.5}).strengths()["Dropout#2.rate"] == 0.5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: space(RECIPE, optional=["Dropuot"]), "Did you mean 'Dropout'"),
        (lambda: space(RECIPE, ranges={"Dropout.rat": (0, 1)}), "Did you mean 'Dropout.rate'"),
        (lambda: space(RECIPE, ranges={"Dropout.rate": (0.5, 0.1)}), "end above its beginning"),
        (lambda: space(RECIPE, ranges={"Dropout.rate": (0, 1, "log")}), "begin above 0"),
        (lambda: space(RECIPE, ranges={"Dropout.rate": (0, 1, "lin")}), '"log" behind them'),
        (lambda: space(RECIPE, choices={"a": (None, Mixup()), "b": (None, Mixup())}), "in one place"),
        (lambda: space(RECIPE).recipe({"Dropout.rat": 0.1}), "Did you mean 'Dropout.rate'"),
        (lambda: space(RECIPE, optional=["Dropout"]).recipe({"Dropout": "maybe"}), "be one of its options"),
        (lambda: Space(base=Recipe(), ranges=(Dimension(name="a.b", kind="real", high=1.0, when=("c", ("d",))),)),
         "earlier choice"),
        (lambda: Dimension(name="x", kind="choice", options=("a",)), "at least two"),
        (lambda: Space(base=Recipe(), slots=(Choice(name="a", options=(Option("x"), Option("y"))),) * 2), "differ"),
    ],
)  # fmt: skip
def test_what_is_no_space_is_refused_in_a_sentence(make, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        make()


def test_a_choice_of_one_option_is_made() -> None:
    norm = Choice(name="norm", options=(Option("BatchNorm", (BatchNorm(),)),))
    ranges = (Dimension(name="BatchNorm.momentum", kind="real", high=0.5, when=("norm", ("BatchNorm",))),)
    found = Space(base=Recipe(), slots=(norm,), ranges=ranges)
    assert [(d.name, d.when) for d in found.dimensions] == [("BatchNorm.momentum", None)]
    assert found.recipe({"BatchNorm.momentum": 0.25}).techniques == (BatchNorm(momentum=0.25),)


def test_it_is_known_again_by_its_plain_form() -> None:
    one, other = space(RECIPE), space(replace(RECIPE, epochs=7))
    assert one.to_json() == space(RECIPE).to_json() != other.to_json()
    assert read_dimensions(one.to_json()) == one.dimensions
    assert read_dimensions([RECIPE.to_toml()]) == ()


BIG = space(
    RECIPE,
    optional=["WeightDecay"],
    choices={"norm": (None, BatchNorm(), LayerNorm()), "net": (MLP(), CNN())},
)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_values_in_range_make_a_recipe_that_holds_them(data: st.DataObject) -> None:
    values: dict[str, float | str] = {}
    for d in BIG.dimensions:
        if exists(d, values):
            values[d.name] = data.draw(st.sampled_from(d.options) if d.options else st.floats(d.low, d.high))
    strengths = BIG.recipe(values).strengths()
    numbers = {name: value for name, value in values.items() if "." in name}
    assert {name: strengths[name] for name in numbers} == numbers
    assert Recipe.from_toml(BIG.recipe(values).to_toml()) == BIG.recipe(values)
