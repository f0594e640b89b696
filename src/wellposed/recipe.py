"""A recipe: what is trained and how. Structure plus strengths; frozen, equal by content, the same in TOML."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import tomli_w

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput
from wellposed.inputs.dataset import Data
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Net
from wellposed.nets.recurrent import Recurrent
from wellposed.nets.resnet import ResNet
from wellposed.nets.transformer import Transformer
from wellposed.optimizers import OPTIMIZERS, Adam, Optimizer
from wellposed.preflight import Advice, Parts, advise
from wellposed.schedules import SCHEDULES, Constant, Schedule
from wellposed.techniques import TECHNIQUES
from wellposed.techniques.places import (
    AnswerTechnique,
    AverageTechnique,
    BatchTechnique,
    GradientTechnique,
    InnerTechnique,
    LossTechnique,
    PassTechnique,
    PointTechnique,
    PredictionTechnique,
    SampleTechnique,
    SnapshotTechnique,
    UpdateTechnique,
    WeightTechnique,
)
from wellposed.techniques.technique import Own, Strength, Technique, Vector, strengths, structure, vectors
from wellposed.toml import build, choose, encode, parse

NETS: dict[str, type[Net]] = {
    "MLP": MLP,
    "CNN": CNN,
    "ResNet": ResNet,
    "Recurrent": Recurrent,
    "Transformer": Transformer,
    "BagOfWords": BagOfWords,
}
SINGLE = (SampleTechnique, WeightTechnique, AverageTechnique, SnapshotTechnique, PassTechnique, PredictionTechnique)
"""Places in which two techniques would contradict each other."""

RAMPED = (
    *(BatchTechnique, InnerTechnique, LossTechnique, AnswerTechnique, GradientTechnique, PointTechnique),
    *(UpdateTechnique, AverageTechnique),
)
"""Places that act at every step, so that their strengths may follow a schedule."""

T = TypeVar("T", bound=Technique)


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """A strength that follows a schedule over training.

    Args:
        strength: Its name as `Recipe.strengths` gives it, such as "Dropout.rate".
        schedule: What the value written in the technique is multiplied with, step by step.
    """

    strength: str
    schedule: Schedule


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained and how.

    Args:
        net: The network; ignored by populations that are given a factory of modules.
        optimizer: How gradients become steps.
        schedule: What the learning rate is multiplied with, over training.
        epochs: Passes over the training rows, at most.
        batch_size: Rows of a step, at most: an epoch is split into batches whose sizes differ by one at most. "all" is
            the whole training set.
        techniques: In any order of places; within one place, the order written is the order run.
        ramps: Strengths that follow a schedule over training.
    """

    net: Net = field(default_factory=MLP)
    optimizer: Optimizer = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=Constant)
    epochs: int = 100
    batch_size: int | Literal["all"] = 64
    techniques: tuple[Technique, ...] = ()
    ramps: tuple[Ramp, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in {"net": Net, "optimizer": Optimizer, "schedule": Schedule}.items():
            if not isinstance(getattr(self, name), kind):
                raise refusal(f"Recipe.{name}", f"be a {kind.__name__}", getattr(self, name))
        if not _is_positive(self.epochs):
            raise refusal("Recipe.epochs", "be a positive whole number", self.epochs)
        if self.batch_size != "all" and not _is_positive(self.batch_size):
            raise refusal("Recipe.batch_size", "be a positive whole number or 'all'", self.batch_size)
        listed = self.techniques if isinstance(self.techniques, tuple) else (None,)
        if any(not isinstance(t, Technique) or isinstance(t, Net | Optimizer) for t in listed):
            raise refusal("Recipe.techniques", "be a tuple of techniques", self.techniques)
        for place in SINGLE:
            if len(found := self.of(place)) > 1:
                names = [type(t).__name__ for t in found]
                raise refusal("Recipe.techniques", f"hold at most one {place.__name__}", names)
        for snapshots in self.of(SnapshotTechnique):
            snapshots.slot(self.epochs, self.epochs)  # refuses more snapshots than epochs
        acting = [name for name, t in self.named().items() if isinstance(t, RAMPED)]
        names = [name for name in self.strengths() if name.rpartition(".")[0] in acting]
        for ramp in self.ramps:
            if ramp.strength not in names:
                raise refusal(
                    "Ramp.strength",
                    "name a strength that acts at every step",
                    ramp.strength,
                    nearest(ramp.strength, names),
                )

    def of(self, kind: Callable[..., T]) -> tuple[T, ...]:  # an abstract class is no `type[T]` to the type checker
        """The techniques of one place, in the order written."""
        return tuple(t for t in self.techniques if isinstance(t, cast(type[T], kind)))

    def structure(self) -> tuple[object, ...]:
        """Everything but the strengths: recipes of equal structure train as one population."""
        parts = tuple(structure(t) for t in (self.net, self.optimizer, *self.techniques))
        return (*parts, self.schedule, self.ramps, self.epochs, self.batch_size)

    def strengths(self) -> dict[str, Strength]:
        """Each strength by name, such as `Dropout.rate`; a second technique of a kind is `Dropout#2.rate`."""
        return {f"{name}.{key}": value for name, t in self.named().items() for key, value in strengths(t).items()}

    def vectors(self) -> dict[str, Vector]:
        """Each field of many numbers likewise, such as `Policy.policy`."""
        return {f"{name}.{key}": value for name, t in self.named().items() for key, value in vectors(t).items()}

    def with_strengths(self, values: Mapping[str, Own]) -> "Recipe":
        """The same structure with other strengths, by the names that `strengths` and `vectors` give."""
        known = {**self.strengths(), **self.vectors()}
        for name in values:
            if name not in known:
                raise refusal("The name of a strength", "be one of this recipe's", name, nearest(name, known))
        named = self.named()
        own = {
            name: {key: values[f"{name}.{key}"] for key in (*strengths(t), *vectors(t)) if f"{name}.{key}" in values}
            for name, t in named.items()
        }
        optimizer = self.optimizer.bound(own.pop("optimizer"))
        return replace(self, optimizer=optimizer, techniques=tuple(named[name].bound(own[name]) for name in own))

    def at(self, step: int, total: int) -> "Recipe":
        """The recipe with ramped strengths as they are at a step, counted from 0, of so many."""
        values = self.strengths()
        return self.with_strengths(
            {r.strength: values[r.strength] * r.schedule.factor(step, total) for r in self.ramps}
        )

    def named(self) -> dict[str, Technique]:
        """The optimizer and each technique, by the name that its strengths carry."""
        named: dict[str, Technique] = {"optimizer": self.optimizer}
        counts = Counter[str]()
        for t in self.techniques:
            name = type(t).__name__
            counts[name] += 1
            named[name if counts[name] == 1 else f"{name}#{counts[name]}"] = t
        return named

    def to_toml(self) -> str:
        """The recipe as TOML; `from_toml` reads it back equal."""
        table: dict[str, Any] = {"epochs": self.epochs, "batch_size": self.batch_size}
        table |= {name: encode(getattr(self, name)) for name in ("net", "optimizer", "schedule")}
        table["technique"] = [encode(t) for t in self.techniques]
        if self.ramps:
            table["ramp"] = [{"strength": r.strength, "schedule": encode(r.schedule)} for r in self.ramps]
        return tomli_w.dumps(table)

    @classmethod
    def from_toml(cls, text: str, *, file: str = "recipe.toml") -> "Recipe":
        """The recipe that a TOML text describes.

        Raises:
            BadInput: Naming file, line and key, for syntax, unknown names and values out of range.
        """
        table, source = parse(text, file)
        values: dict[str, Any] = {}
        choices: dict[str, Mapping[str, type[Any]]] = {"net": NETS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}
        for key in ("net", "optimizer", "schedule"):
            if key in table:
                values[key] = choose(choices[key], table.pop(key), source, (key,))
        listed = table.pop("technique", [])
        if not isinstance(listed, list):
            raise source.refuse(("technique",), "technique must be a list of tables, each headed [[technique]].")
        found = (choose(TECHNIQUES, t, source, ("technique", i)) for i, t in enumerate(listed))
        values["techniques"] = tuple(found)
        ramps = table.pop("ramp", [])
        if not isinstance(ramps, list) or not all(isinstance(ramp, dict) for ramp in ramps):
            raise source.refuse(("ramp",), "ramp must be a list of tables, each headed [[ramp]].")
        values["ramps"] = tuple(build(Ramp, r, source, ("ramp", i), SCHEDULES) for i, r in enumerate(ramps))
        unknown = [key for key in table if key not in ("epochs", "batch_size")]
        if unknown:
            hint = nearest(unknown[0], ["epochs", "batch_size", "net", "optimizer", "schedule", "technique", "ramp"])
            raise source.refuse((unknown[0],), f"A recipe has no key {unknown[0]!r}. {hint}".rstrip())
        plain = build(cls, table, source, (), {})
        try:
            return replace(plain, **values)
        except BadInput as error:
            raise source.refuse(_blamed(values, str(error)), str(error)) from None

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """The recipe in a TOML file."""
        try:
            return cls.from_toml(path.read_text(encoding="utf-8-sig"), file=path.name)
        except (OSError, UnicodeDecodeError) as error:
            raise refusal("The recipe file", "be readable text", str(path), f"Cause: {error}.") from None

    def check(self, data: Data | None = None) -> tuple[Advice, ...]:
        """Where parts of the recipe disagree with each other, or with the data, with the source of each advice."""
        return advise(Parts(self.net, self.optimizer, self.batch_size, self.techniques, data))

    def digest(self) -> str:
        """Twelve hexadecimal digits that name the content, the same in every process."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()[:12]


def _blamed(values: Mapping[str, Any], words: str) -> tuple[str, int]:
    """Which ramp or technique a refusal speaks of."""
    if words.startswith("Ramp"):
        return "ramp", next((i for i, ramp in enumerate(values["ramps"]) if f"Got {ramp.strength!r}" in words), 0)
    return "technique", next((i for i, t in enumerate(values["techniques"]) if type(t).__name__ in words), 0)


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
