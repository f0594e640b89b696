"""Preflight: where the parts of a recipe disagree with each other or with the data, told before training begins.

Nothing here is refused: each piece of advice names its source, and the user may know better.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from wellposed.inputs.dataset import Data
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Net
from wellposed.optimizers import AdamW, Optimizer
from wellposed.techniques import (
    SWA,
    AlphaDropout,
    BatchNorm,
    BatchRenorm,
    CutMix,
    Dropout,
    Fixup,
    GhostBatchNorm,
    He,
    LabelSmoothing,
    Mixup,
    SpatialDropout,
    SpectralNorm,
    TemperatureScaling,
    WeightNorm,
    Xavier,
)
from wellposed.techniques.batch.invariance import Labels, preserves_label
from wellposed.techniques.places import BatchTechnique, LayerTechnique
from wellposed.techniques.technique import Strength, Technique

SMALL_BATCH = 8
"""Rows of a batch below which batch statistics are known to harm."""
DEEP = 20
"""Hidden layers from which the factor 2 between Xavier's and He's variances decides about learning at all."""


class Advice(NamedTuple):
    """Something that is likely to be a mistake.

    Attributes:
        what: Which parts disagree, why, and what to do.
        source: Who found it.
    """

    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.what} ({self.source})"


class Parts(NamedTuple):
    """What is looked at: a recipe in its parts, and the data, if they are known."""

    net: Net
    optimizer: Optimizer
    batch_size: int | str
    techniques: tuple[Technique, ...]
    data: Data | None

    def has(self, *kinds: type[Technique]) -> bool:
        """Whether one of these techniques is in the recipe."""
        return any(isinstance(t, kinds) for t in self.techniques)


def advise(parts: Parts) -> tuple[Advice, ...]:
    """All advice about a recipe, in the order of the places."""
    return tuple(advice for rule in RULES for advice in rule(parts))


def _fixup_with_weight_norm(parts: Parts) -> Iterator[Advice]:
    if parts.has(Fixup) and parts.has(WeightNorm, SpectralNorm):
        what = "Fixup sets weights to 0, from which a normed weight has no direction to start: take one of them out"
        yield Advice(what, "Salimans & Kingma, Weight normalization, 2016, section 2")


def _label_changes(parts: Parts) -> Iterator[Advice]:
    for technique in parts.techniques:
        if isinstance(technique, BatchTechnique):
            verdict = preserves_label(technique, labels=_labels(parts.data))
            if not verdict.preserved:
                yield Advice(verdict.reason, "Cubuk et al., AutoAugment, 2019, section 4")


def _labels(data: Data | None) -> Labels | None:
    """What the classes of images are, as far as their names tell."""
    if data is None or data.kind != "images":
        return None
    names = {str(name) for name in data.rows.target.tolist()}
    if names <= set("0123456789"):
        return "digits"
    return "letters" if all(len(name) == 1 and name.isalpha() for name in names) else None


def _xavier_with_deep_relu(parts: Parts) -> Iterator[Advice]:
    net = parts.net
    depth = len(net.widths) if isinstance(net, MLP | CNN) else 0
    rectified = isinstance(net, MLP | CNN) and net.activation in ("relu", "leaky_relu", "prelu")
    plain = any(isinstance(t, Xavier) and t.gain == "linear" for t in parts.techniques)
    if plain and rectified and depth >= DEEP and not parts.has(BatchNorm):
        what = f"Xavier loses half of the signal's variance in each of {depth} rectified layers: use He"
        yield Advice(what, "He et al., Delving deep into rectifiers, 2015, section 2.2")


def _he_with_sigmoid(parts: Parts) -> Iterator[Advice]:
    if parts.has(He) and isinstance(parts.net, MLP | CNN) and parts.net.activation in ("sigmoid", "tanh"):
        what = f"He starts weights for rectified units, and the net has {parts.net.activation}: use Xavier"
        yield Advice(what, "Glorot & Bengio, 2010, section 4.2")


def _smoothing_and_mixing(parts: Parts) -> Iterator[Advice]:
    if parts.has(LabelSmoothing) and parts.has(Mixup, CutMix):
        what = "Labels are mixed and smoothed: the training loss has two floors above 0, so compare validation alone"
        yield Advice(what, "Müller et al., When does label smoothing help?, 2019, section 2")


def _norm_with_small_batch(parts: Parts) -> Iterator[Advice]:
    rows = len(parts.data.rows) if parts.data is not None else None
    size = parts.batch_size if isinstance(parts.batch_size, int) else rows
    size = size if rows is None or size is None else min(size, rows)
    ghosts = [t.rows for t in parts.techniques if isinstance(t, GhostBatchNorm)]
    if parts.has(BatchNorm):
        ghosts += [size] if size is not None else []
    for seen in ghosts:
        if seen < SMALL_BATCH:
            what = f"Batch norm sees {seen} rows at once: use GroupNorm or LayerNorm, or larger batches"
            yield Advice(what, "Wu & He, Group normalization, 2018, figure 1: error 10 points higher with 2 images")


def _dropout_before_norm(parts: Parts) -> Iterator[Advice]:
    layers = [t for t in parts.techniques if isinstance(t, LayerTechnique)]
    ordered = sorted(layers, key=lambda t: t.where == "after")  # as they stand in a hidden layer
    dropouts = [i for i, t in enumerate(ordered) if isinstance(t, Dropout | SpatialDropout | AlphaDropout)]
    norms = [i for i, t in enumerate(ordered) if isinstance(t, BatchNorm | BatchRenorm | GhostBatchNorm)]
    if dropouts and norms and min(dropouts) < max(norms):
        what = "Dropout stands before batch norm, whose running variance is then that of dropped units: swap them"
        yield Advice(what, "Li et al., Understanding the disharmony between dropout and batch normalization, 2019")


def _decay_of_everything(parts: Parts) -> Iterator[Advice]:
    if isinstance(parts.optimizer, AdamW) and _is_on(parts.optimizer.weight_decay) and parts.has(*NORMS):
        what = "AdamW decays biases and the scales of norms, too: use Adam with the technique WeightDecay"
        yield Advice(what, "Goodfellow et al., Deep Learning, 2016, section 7.1; He et al., Bag of tricks, 2019")


def _average_without_statistics(parts: Parts) -> Iterator[Advice]:
    stale = any(isinstance(t, SWA) and not t.refresh for t in parts.techniques)
    if stale and parts.has(BatchNorm, BatchRenorm, GhostBatchNorm):
        what = "SWA's averaged weights answer with the norms' statistics of other weights: set refresh = true"
        yield Advice(what, "Izmailov et al., Averaging weights leads to wider optima, 2018, section 3.2")


def _temperature_of_numbers(parts: Parts) -> Iterator[Advice]:
    if parts.has(TemperatureScaling) and parts.data is not None and parts.data.task == "regression":
        what = "TemperatureScaling changes nothing for numbers, which have no probabilities: take it out"
        yield Advice(what, "Guo et al., On calibration of modern neural networks, 2017, section 4.2")


def _is_on(value: Strength) -> bool:
    return bool(value != 0) if isinstance(value, int | float) else bool((value != 0).any())


NORMS: tuple[type[Technique], ...] = (BatchNorm, BatchRenorm, GhostBatchNorm)
RULES: tuple[Callable[[Parts], Iterator[Advice]], ...] = (
    *(_he_with_sigmoid, _xavier_with_deep_relu, _fixup_with_weight_norm),
    *(_label_changes, _smoothing_and_mixing),
    *(_norm_with_small_batch, _dropout_before_norm),
    *(_decay_of_everything, _average_without_statistics, _temperature_of_numbers),
)
