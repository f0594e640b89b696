"""Presets: sizes within their bounds for any number of rows, and what the sentences about them say."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.inputs.dataset import Kind
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.nets.recurrent import Recurrent
from wellposed.nets.resnet import ResNet
from wellposed.optimizers import SGD
from wellposed.presets import PRESETS, UPDATES, book, plain, sound
from wellposed.recipe import Recipe
from wellposed.schedules import Constant
from wellposed.techniques import He, Patience, Robust, Standardize, Vote
from wellposed.techniques.places import DataTechnique, LayerTechnique, LossTechnique, UpdateTechnique

INPUTS: dict[Kind, Inputs] = {
    "table": Inputs((5,)),
    "images": Inputs((1, 28, 28)),
    "text": Inputs((0,), (), 100),
    "sequence": Inputs((12, 3)),
}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("kind", INPUTS)
def test_presets_are_recipes_whose_net_fits_the_kind(name: str, kind: Kind) -> None:
    recipe, inputs = PRESETS[name](kind, 1000), INPUTS[kind]
    assert isinstance(recipe, Recipe)
    nets = {"images": ResNet if name == "cocktail" else CNN, "text": BagOfWords, "sequence": Recurrent}
    assert isinstance(recipe.net, nets.get(kind, MLP) if name != "book" or kind == "text" else MLP)
    network = recipe.net.build(inputs, 10, recipe.of(LayerTechnique)).eval()
    assert network(*inputs.example(torch.zeros(1))).shape == (1, 10)
    assert bool(recipe.of(DataTechnique)) == (name != "book" and kind != "text")
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@given(rows=st.integers(0, 10**8), kind=st.sampled_from([*INPUTS]))
def test_sizes_follow_the_rows_within_bounds(rows: int, kind: Kind) -> None:
    for recipe in (plain(kind, rows), sound(kind, rows)):
        size = recipe.batch_size
        assert size in (16, 32, 64, 128, 256)
        assert 4 <= recipe.epochs <= 150
        assert isinstance(size, int)
        if 4 < recipe.epochs < 150:  # half an epoch of rounding
            assert abs(recipe.epochs * rows / size - UPDATES[kind]) <= 0.5 * rows / size + 1


@pytest.mark.parametrize(("rows", "size"), [(1, 16), (320, 16), (500, 32), (1000, 64), (2000, 128), (60000, 256)])
def test_batches_are_about_a_twentieth_of_the_rows(rows: int, size: int) -> None:
    assert plain("table", rows).batch_size == size


def test_plain_regularizes_nothing() -> None:
    recipe = plain()
    assert recipe.of(DataTechnique) == (Standardize(),)
    assert not any(recipe.of(place) for place in (LayerTechnique, LossTechnique, UpdateTechnique))


def test_sound_treats_tables_robustly_and_images_by_their_deviation() -> None:
    assert sound("table").of(DataTechnique) == (Robust(),)
    assert sound("images").of(DataTechnique) == (Standardize(),)
    assert sound().of(Patience) == (Patience(epochs=20),)
    assert sound().of(Vote) == (Vote(),)


def test_book_is_the_book() -> None:
    assert book("images", 300) == Recipe(
        net=MLP(widths=(100, 100, 100, 100, 100, 100), activation="relu"),
        optimizer=SGD(learning_rate=0.01, momentum=0.0),
        schedule=Constant(),
        epochs=201,
        batch_size=100,
        techniques=(He(),),
    )
