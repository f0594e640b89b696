"""The regularization cocktail: one residual network, thirteen regularizers, and which of them to take is searched.

After Kadra, Lindauer, Hutter & Grabocka, Well-tuned simple nets excel on tabular datasets, 2021,
https://arxiv.org/abs/2106.11189, section 4 and table 1. What is as there: nine hidden layers of one width, Adam,
batches of 128 rows, 105 epochs at most, a cosine that starts anew, standardized columns, what may be taken together,
and the range of each strength. What is otherwise:

- The width is 128, not 512: a sixteenth of the cost. Fewer than 1024 rows are split into smaller batches, and many rows
  are seen fewer times.
- The three cycles of the cosine are equally long (theirs 15, 30 and 60 epochs), as those of snapshots are.
- Shares and factors of shake-shake and ShakeDrop are drawn anew for each row and step, those of the gradient apart.
- The adversarial step is not clamped to [0, 1], which standardized columns leave; pixels stay in the range of the data.
- Rows have masks of their own under CutMix and cutout, and shares of their own under mixup.
- Weight decay spares biases and norms, and its amount has a logarithmic prior.
- Of stochastic weight averaging and Lookahead one may be taken, as both say which weights answer.
- Stochastic depth is one more way to disturb the branches of residual blocks.
- The learning rate, 0.001 there, is searched around it: what regularizes changes how large it may be.
- The classes weigh as much as they have rows.

All of it makes sense for classes and numbers alike. Images get a small residual network, or a plain convolutional one
without skip connections; sequences and texts, whose networks here have no residual blocks, do without those, and texts,
which cannot be mixed, without augmentation.
"""

import math
from collections.abc import Sequence

from wellposed.inputs.dataset import Kind
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Net
from wellposed.nets.recurrent import Recurrent
from wellposed.nets.resnet import ResNet
from wellposed.optimizers import Adam
from wellposed.recipe import Recipe
from wellposed.schedules import CosineRestarts
from wellposed.search_space import Choice, Dimension, Option, Part, Space, Value, When
from wellposed.techniques import (
    SWA,
    AdversarialTraining,
    BatchNorm,
    CutMix,
    Cutout,
    Dropout,
    He,
    Lookahead,
    Mixup,
    ShakeDrop,
    ShakeShake,
    SnapshotEnsemble,
    Standardize,
    StochasticDepth,
    Vote,
    WeightDecay,
)
from wellposed.techniques.layers.dropout import Shape
from wellposed.techniques.technique import Technique

CYCLES = 3
"""Of the learning rate, and so snapshots."""
EPOCHS = 105
"""At most."""
UPDATES: dict[Kind, int] = {"table": 6000, "images": 2000, "text": 2000, "sequence": 2000}
"""Updates that a network takes at most, so that large data are seen a few times and small data often."""

PLAIN: dict[Kind, Net] = {
    "table": MLP(widths=(128,) * 9),
    "images": CNN(channels=(16, 32), widths=(64,)),
    "text": BagOfWords(embedding=64, widths=(128, 128)),
    "sequence": Recurrent(cell="gru", states=(32,), widths=(64, 64)),
}
"""Networks without skip connections."""
SKIPPING: dict[Kind, Net] = {
    "table": MLP(widths=(128,) * 9, residual=True, block=2),
    "images": ResNet(channels=(16, 32), widths=(64,)),
}
"""Networks with them."""
AUGMENTATIONS: tuple[Technique, ...] = (
    Mixup(each="row"),
    CutMix(each="row", probability=0.5),
    Cutout(probability=0.5),
    AdversarialTraining(),
)
SHAPES: tuple[Shape, ...] = ("brick", "funnel", "long_funnel", "diamond", "hexagon", "triangle", "stairs")

TYPICAL: dict[str, Value] = {
    "BatchNorm": "on",
    "WeightDecay": "on",
    "WeightDecay.amount": 0.01,
    "Dropout": "on",
    "Dropout.rate": 0.2,
    "SnapshotEnsemble": "on",
    "skip": "on",
}
"""What the preset takes, as far as the kind of data has it."""


def cocktail(kind: Kind = "table", rows: int = 1000) -> Recipe:
    """One cocktail to start from: batch norm, dropout, weight decay, skip connections and snapshots.

    >>> [type(technique).__name__ for technique in cocktail("table", 1000).techniques]
    ['Standardize', 'He', 'BatchNorm', 'Dropout', 'WeightDecay', 'SnapshotEnsemble', 'Vote']
    """
    space = cocktail_space(kind, rows)
    there = {dimension.name for dimension in space.dimensions}
    return space.recipe({name: value for name, value in TYPICAL.items() if name in there})


def cocktail_space(kind: Kind = "table", rows: int = 1000) -> Space:
    """All cocktails: what may be taken of thirteen regularizers, and how much of each.

    >>> space = cocktail_space("table", 1000)
    >>> [d.name for d in space.dimensions if d.kind == "choice"][:5]
    ['skip', 'augmentation', 'BatchNorm', 'branches', 'Dropout']
    """
    skips = kind in SKIPPING
    before: tuple[Technique, ...] = (He(),) if kind == "text" else (Standardize(), He())
    skip = Choice(name="skip", options=(Option("off"), Option("on", (SKIPPING.get(kind, PLAIN[kind]),))))
    branches = _one_of("branches", (None, ShakeShake(), ShakeDrop(), StochasticDepth()), when=("skip", ("on",)))
    shapes = tuple(Option(shape, (Dropout(shape=shape),)) for shape in SHAPES)
    slots: tuple[Technique | Choice, ...] = (
        *([skip] if skips else []),
        *before,
        *([augmentation] if (augmentation := _augmentation(kind)) is not None else []),
        _one_of("BatchNorm", (None, BatchNorm())),
        *([branches] if skips else []),
        Choice(name="Dropout", options=(Option("off"), Option("on"))),
        Choice(name="Dropout.shape", options=shapes, when=("Dropout", ("on",))),
        _one_of("WeightDecay", (None, WeightDecay())),
        _one_of("average", (None, SWA(), Lookahead())),
        _one_of("SnapshotEnsemble", (None, SnapshotEnsemble(count=CYCLES))),
        Vote(),
    )
    return Space(base=_base(kind, rows), slots=slots, ranges=tuple(r for r in RANGES if _is_there(r, slots)))


RANGES: tuple[Dimension, ...] = (
    Dimension(name="optimizer.learning_rate", kind="real", low=3e-4, high=1e-2, log=True),
    Dimension(name="Mixup.alpha", kind="real", low=0.0, high=1.0, when=("augmentation", ("Mixup",))),
    Dimension(name="CutMix.probability", kind="real", low=0.0, high=1.0, when=("augmentation", ("CutMix",))),
    Dimension(name="Cutout.size", kind="real", low=0.0, high=1.0, when=("augmentation", ("Cutout",))),
    Dimension(name="Cutout.probability", kind="real", low=0.0, high=1.0, when=("augmentation", ("Cutout",))),
    Dimension(
        name="AdversarialTraining.epsilon",
        kind="real",
        low=0.01,
        high=0.3,
        log=True,
        when=("augmentation", ("AdversarialTraining",)),
    ),
    Dimension(name="ShakeDrop.rate", kind="real", low=0.0, high=1.0, when=("branches", ("ShakeDrop",))),
    Dimension(name="StochasticDepth.rate", kind="real", low=0.0, high=0.99, when=("branches", ("StochasticDepth",))),
    Dimension(name="Dropout.rate", kind="real", low=0.0, high=0.8, when=("Dropout", ("on",))),
    Dimension(name="WeightDecay.amount", kind="real", low=1e-5, high=0.1, log=True, when=("WeightDecay", ("on",))),
    Dimension(name="Lookahead.alpha", kind="real", low=0.5, high=0.8, when=("average", ("Lookahead",))),
    Dimension(name="Lookahead.every", kind="whole", low=5, high=10, when=("average", ("Lookahead",))),
)
"""As in table 1; a decade and a half of the adversarial step and the learning rate, which stand still there."""


def _base(kind: Kind, rows: int) -> Recipe:
    """What does not vary."""
    size = min(128, 1 << max(4, int(math.log2(max(rows, 8) / 8))))
    epochs = min(EPOCHS, UPDATES[kind] // max(1, -(-rows // size)))
    return Recipe(
        net=PLAIN[kind],
        optimizer=Adam(),
        schedule=CosineRestarts(cycles=CYCLES),
        epochs=CYCLES * max(2, epochs // CYCLES),
        batch_size=size,
    )


def _augmentation(kind: Kind) -> Choice | None:
    """One augmentation at most, of those that the kind of data has."""
    if kind == "text":
        return None
    found = [a for a in AUGMENTATIONS if kind != "sequence" or not isinstance(a, Cutout)]
    return _one_of("augmentation", (None, *found))


def _one_of(name: str, parts: Sequence[Part | None], *, when: When = None) -> Choice:
    """A choice whose options are named by their class; "off" and "on" where there is one, "none" where several."""
    if len(parts) == 2 and parts[1] is not None:
        return Choice(name=name, options=(Option("off"), Option("on", (parts[1],))), when=when)
    options = (Option("none") if part is None else Option(type(part).__name__, (part,)) for part in parts)
    return Choice(name=name, options=tuple(options), when=when)


def _is_there(dimension: Dimension, slots: Sequence[Technique | Choice]) -> bool:
    """Whether the choice that a range hangs on has that option."""
    if dimension.when is None:
        return True
    name, labels = dimension.when
    return any(isinstance(s, Choice) and s.name == name and {o.label for o in s.options} >= {*labels} for s in slots)
