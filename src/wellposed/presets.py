"""Recipes to start from, as functions of what the data are and how many rows there are to train on."""

import math
from collections.abc import Callable
from typing import TypeAlias

from wellposed.cocktails import cocktail
from wellposed.inputs.dataset import Kind
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Net
from wellposed.nets.recurrent import Recurrent
from wellposed.optimizers import SGD, Adam
from wellposed.recipe import Recipe
from wellposed.schedules import Constant, Cosine
from wellposed.techniques import BatchNorm, Dropout, He, Patience, Robust, Standardize, Vote, WeightDecay
from wellposed.techniques.places import DataTechnique

Preset: TypeAlias = Callable[[Kind, int], Recipe]

UPDATES: dict[Kind, int] = {"table": 6000, "images": 1200, "text": 1200, "sequence": 1500}
"""Updates that a network takes at most, so that large data are seen a few times and small data often."""


def plain(kind: Kind = "table", rows: int = 1000) -> Recipe:
    """A network with nothing that regularizes it but standardized inputs: the other side of a comparison."""
    return Recipe(
        net=_net(kind),
        optimizer=Adam(),
        epochs=_epochs(kind, rows),
        batch_size=_batch_size(rows),
        techniques=(*_scale(kind, Standardize()), He()),
    )


def sound(kind: Kind = "table", rows: int = 1000) -> Recipe:
    """What a careful practitioner starts from: normalized, dropped out, decayed, stopped early, voted."""
    return Recipe(
        net=_net(kind),
        optimizer=Adam(learning_rate=2e-3),
        schedule=Cosine(),
        epochs=_epochs(kind, rows),
        batch_size=_batch_size(rows),
        techniques=(
            *_scale(kind, Robust() if kind == "table" else Standardize()),
            He(),
            BatchNorm(),
            Dropout(rate=0.2),
            WeightDecay(amount=0.02),
            Patience(epochs=20),
            Vote(),
        ),
    )


def book(kind: Kind = "table", rows: int = 1000) -> Recipe:
    """The network that overfits 300 images: six hidden layers of 100, He, plain gradient descent, no regularization.

    For texts the layers stand behind the mean of their word vectors.

    Source: K. Saito, Deep Learning from Scratch, 2016, section 6.4.1.
    """
    return Recipe(
        net=BagOfWords(widths=(100,) * 6) if kind == "text" else MLP(widths=(100,) * 6),
        optimizer=SGD(learning_rate=0.01),
        schedule=Constant(),
        epochs=201,
        batch_size=100,
        techniques=(He(),),
    )


def _net(kind: Kind) -> Net:
    nets: dict[Kind, Net] = {
        "table": MLP(widths=(128, 128)),
        "images": CNN(channels=(16, 32), widths=(64,)),
        "text": BagOfWords(embedding=64, widths=(64,)),
        "sequence": Recurrent(cell="gru", states=(32,), widths=(32,)),
    }
    return nets[kind]


def _scale(kind: Kind, scale: DataTechnique) -> tuple[DataTechnique, ...]:
    """How numbers are scaled; texts have none."""
    return () if kind == "text" else (scale,)


def _batch_size(rows: int) -> int:
    """A power of two near a twentieth of the rows, from 16 to 256."""
    return 1 << min(8, max(4, round(math.log2(max(rows, 1) / 20))))


def _epochs(kind: Kind, rows: int) -> int:
    """As many as the updates allow, from 4 to 150."""
    return min(150, max(4, round(UPDATES[kind] * _batch_size(rows) / max(rows, 1))))


PRESETS: dict[str, Preset] = {"plain": plain, "sound": sound, "book": book, "cocktail": cocktail}
