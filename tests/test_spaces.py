"""The spaces that are searched where nothing is said."""

import pytest

from wellposed.inputs.dataset import Kind
from wellposed.presets import sound
from wellposed.search_space import space
from wellposed.spaces import NETS, default_space
from wellposed.techniques import LabelSmoothing


@pytest.mark.parametrize("kind", ["table", "images", "text", "sequence"])
def test_it_lies_around_the_sound_preset(kind: Kind) -> None:
    found = default_space(kind, 1000)
    recipe, start = found.recipe({}), sound(kind, 1000)
    assert recipe.net == NETS[kind][0] and recipe.epochs == start.epochs
    assert set(map(type, start.techniques)) <= set(map(type, recipe.techniques))
    dimensions = {d.name: d for d in found.dimensions}
    assert {"net", "optimizer.learning_rate", "Dropout.rate", "WeightDecay.amount"} <= set(dimensions)
    assert len({found.recipe({"net": option}).structure() for option in dimensions["net"].options}) == len(NETS[kind])


def test_labels_are_smoothed_where_there_are_classes() -> None:
    assert not any(
        isinstance(t, LabelSmoothing) for t in default_space("table", 100, "regression").recipe({}).techniques
    )


def test_every_range_lies_within_what_is_valid() -> None:
    for kind in NETS:
        for d in default_space(kind, 500).dimensions:
            if d.kind == "real":
                for end in (d.low, d.high):
                    default_space(kind, 500).recipe({d.name: end})  # refused where it is not valid


def test_a_space_of_its_own_is_as_good() -> None:
    assert len(space(sound()).dimensions) > 3
