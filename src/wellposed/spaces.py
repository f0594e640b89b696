"""What is searched where nothing is said: a space for each kind of data, around the preset `sound`."""

from dataclasses import replace

from wellposed.inputs.dataset import Kind, Task
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Net
from wellposed.nets.recurrent import Recurrent
from wellposed.presets import sound
from wellposed.search_space import Space, space
from wellposed.techniques import (
    FeatureMasking,
    HeavierAugmentation,
    InputNoise,
    Jitter,
    LabelSmoothing,
    Scaling,
)
from wellposed.techniques.places import DataTechnique
from wellposed.techniques.technique import Technique

NETS: dict[Kind, tuple[Net, ...]] = {
    "table": (MLP(widths=(128, 128)), MLP(widths=(128, 128, 128), residual=True)),
    "images": (CNN(channels=(16, 32), widths=(64,)), CNN(channels=(32, 64), widths=(128,)), MLP(widths=(256, 128))),
    "text": (BagOfWords(embedding=64, widths=(64,)), BagOfWords(embedding=128, widths=(128, 64))),
    "sequence": (
        Recurrent(cell="gru", states=(32,), widths=(32,)),
        Recurrent(cell="gru", states=(64,), widths=(64,)),
    ),
}
BATCH: dict[Kind, tuple[Technique, ...]] = {
    "table": (InputNoise(deviation=0.01), FeatureMasking(rate=0.05)),
    "images": (HeavierAugmentation(amount=0.5, probability=0.0, fill="low"),),
    "text": (),
    "sequence": (Jitter(deviation=0.02), Scaling(deviation=0.05)),
}
"""Changes of each batch; at 0 they change nothing."""
RANGES: dict[str, tuple[float, float] | tuple[float, float, str]] = {
    "optimizer.learning_rate": (5e-4, 2e-2, "log"),
    "Dropout.rate": (0.0, 0.6),
    "WeightDecay.amount": (1e-3, 0.5, "log"),
    "LabelSmoothing.amount": (0.0, 0.15),
    "InputNoise.deviation": (1e-3, 0.5, "log"),
    "FeatureMasking.rate": (0.0, 0.3),
    "HeavierAugmentation.amount": (0.0, 1.2),
    "Jitter.deviation": (1e-3, 0.3, "log"),
    "Scaling.deviation": (1e-3, 0.3, "log"),
}


def default_space(kind: Kind, rows: int, task: Task = "classification") -> Space:
    """Nets of two or three sizes, the learning rate, and how much is dropped, decayed, smoothed and augmented.

    Strengths that change nothing at one end stand for techniques that may be left out: so all trials with one net have
    one structure, and train together.

    Args:
        kind: Of the data.
        rows: To train on.
        task: What is asked.
    """
    recipe = sound(kind, rows)
    scales = tuple(t for t in recipe.techniques if isinstance(t, DataTechnique))
    rest = tuple(t for t in recipe.techniques if t not in scales)
    smoothing = (LabelSmoothing(amount=0.05),) if task == "classification" else ()
    whole = replace(recipe, techniques=(*scales, *BATCH[kind], *smoothing, *rest))
    known = whole.strengths()
    return space(
        whole,
        choices={"net": NETS[kind]},
        ranges={name: ends for name, ends in RANGES.items() if name in known},
        fixed=tuple(name for name in known if name not in RANGES),
    )
