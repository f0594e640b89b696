"""A shard: trials of one structure that train as one population, leg by leg."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from wellposed import metrics
from wellposed.bag import Bag
from wellposed.inputs.dataset import Part, Task
from wellposed.population.population import Progress
from wellposed.population.save import resume_training, save_training
from wellposed.recipe import Recipe
from wellposed.remarks import answers_of, networks_of

Metric: TypeAlias = Literal["loss", "error"]
SAVED_SECONDS = 20.0
"""Between two times that a training is written to the disk."""
WORTH_SAVING_SECONDS = 5.0
"""Of a leg, from which its end is written: what took less is sooner repeated."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What all trials of a study have in common.

    Attributes:
        task: What is asked.
        train: The rows to train on.
        validation: The rows by which each network stops, and by which trials are compared.
        metric: What is minimized on them: "loss" (cross-entropy, or the squared error of the scaled target), or "error"
            (the share of wrong answers, or the root mean squared error in the target's own unit).
        infinite_is_missing: Take infinities in a table as missing.
        device: Where training runs.
    """

    task: Task
    train: Part
    validation: Part
    metric: Metric = "loss"
    infinite_is_missing: bool = False
    device: str = "cpu"


@dataclass(frozen=True)
class Shard:
    """Trials that train together: one structure, strengths and seeds of their own.

    Attributes:
        generation: Counted from 0.
        index: Counted from 0 within its generation.
        numbers: Of the trials.
        recipes: Theirs.
        seeds: Of their networks.
    """

    generation: int
    index: int
    numbers: tuple[int, ...]
    recipes: tuple[Recipe, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, members: Sequence[int]) -> "Shard":
        """Some of the trials, by their positions."""
        return Shard(
            self.generation,
            self.index,
            tuple(self.numbers[k] for k in members),
            tuple(self.recipes[k] for k in members),
            tuple(self.seeds[k] for k in members),
        )


class Leg(NamedTuple):
    """A stretch of a shard's training.

    Attributes:
        until: Epochs done at its end.
        leaving: Numbers of the trials that leave before it begins.
        last: Whether the networks answer at its end: after the last epoch, and where rungs compare by answers.
        deadline: When it has to be left, by `time.monotonic` of the machine that trains; infinite for never.
    """

    until: int
    leaving: tuple[int, ...] = ()
    last: bool = True
    deadline: float = math.inf


@dataclass(frozen=True, eq=False)
class Reached:
    """Where a trial stands after a leg.

    Attributes:
        number: Of the trial.
        curve: The validation loss after each epoch that it lived through.
        best_epoch: The epoch of its best weights; 0 for none.
        living: Whether it would train on.
        failure: Where its numbers stopped being finite; empty otherwise.
        seconds: Of training so far, its share.
        answers: After the last leg: probabilities or scaled numbers on the validation rows; None without weights.
        score: What is minimized, by the answers; NaN before the last leg.
        metric: Accuracy, or root mean squared error in the target's own unit; NaN likewise.
    """

    number: int
    curve: tuple[float, ...]
    best_epoch: int
    living: bool
    failure: str
    seconds: float
    answers: Float32[Tensor, "N C"] | None = None
    score: float = math.nan
    metric: float = math.nan


class Run:
    """A shard in training, on this machine.

    Args:
        setting: What all trials have in common.
        shard: The trials.
        folder: Where the training is saved now and then, to go on from after a kill; None for nowhere.
    """

    def __init__(self, setting: Setting, shard: Shard, folder: Path | None = None) -> None:
        self.setting, self.shard, self.folder = setting, shard, folder
        self.bag, self.rows = Bag.prepare(
            setting.train,
            task=setting.task,
            recipe=shard.recipes,
            members=len(shard),
            seed=shard.seeds,
            infinite_is_missing=setting.infinite_is_missing,
            device=setting.device,
        )
        self.validation = self.bag.rows(setting.validation.features, setting.validation.target)
        if folder is not None and (folder / "training.json").is_file():
            resume_training(self.bag.population, folder)

    def advance(self, leg: Leg) -> Iterator[Progress]:
        """Train to the end of the leg, or to its deadline; where that has been reached already, do nothing."""
        population, saved = self.bag.population, time.monotonic()
        places = {number: k for k, number in enumerate(self.shard.numbers)}
        population.retire([places[number] for number in leg.leaving if number in places])
        late = time.monotonic() >= leg.deadline
        if not late and population.record.epochs < leg.until and len(population.state):
            for progress in self.bag.train(self.rows, self.validation):
                yield progress
                late = time.monotonic() >= leg.deadline
                if late or population.record.epochs >= leg.until:
                    break
                if self.folder is not None and time.monotonic() - saved > SAVED_SECONDS:
                    save_training(population, self.folder)
                    saved = time.monotonic()
        if late:
            population.settle(self.rows, self.validation)
        if self.folder is not None and not leg.last and time.monotonic() - saved > WORTH_SAVING_SECONDS:
            save_training(population, self.folder)

    def reached(self, *, last: bool) -> list[Reached]:
        """Where each trial stands."""
        population = self.bag.population
        record, living = population.record, set(population.state.ids.tolist())
        losses = (
            torch.stack(record.validation_loss).cpu() if record.validation_loss else torch.empty(0, len(population))
        )
        trained = (
            torch.stack(record.train_loss).isfinite().sum(0).cpu()
            if record.train_loss
            else torch.zeros(len(population))
        )
        shares = (trained / trained.sum().clamp_min(1)).tolist()
        answers = self._answers() if last else {}
        found = []
        for k, number in enumerate(self.shard.numbers):
            failure = record.failures.get(k)
            score, metric = judge(self.setting, self.bag, answers[k]) if k in answers else (math.nan, math.nan)
            found.append(
                Reached(
                    number=number,
                    curve=tuple(losses[:, k][~losses[:, k].isnan()].tolist()),
                    best_epoch=int(record.best_epoch.view(-1, len(population))[:, k].max()),
                    living=k in living,
                    failure="" if failure is None else f"step {failure.step}, {failure.where}",
                    seconds=record.seconds * shares[k],
                    answers=answers[k].float() if k in answers else None,
                    score=score,
                    metric=metric,
                )
            )
        return found

    def _answers(self) -> dict[int, Float64[Tensor, "N C"]]:
        """What each usable network says of the validation rows, the mean of its snapshots and passes, by position."""
        population = self.bag.population
        if not len(population.usable()):
            return {}
        population.correct(self.validation)
        each = answers_of(population, population.outputs_of(self.validation).cpu().double())
        networks = networks_of(population)
        return {k: each[networks == k].mean(0) for k in dict.fromkeys(networks.tolist())}


def judge(setting: Setting, bag: Bag, answer: Float64[Tensor, "N C"]) -> tuple[float, float]:
    """What is minimized, and accuracy or root mean squared error, of answers on the validation rows."""
    raw = setting.validation.target
    if setting.task == "classification":
        y = bag.target.encode(raw)
        accuracy = float(metrics.accuracy(answer.unsqueeze(0), y))
        loss = float(metrics.cross_entropy(answer.log().unsqueeze(0), y))
        return (loss if setting.metric == "loss" else 1 - accuracy), accuracy
    mean, deviation = bag.target.scale
    own = torch.as_tensor(raw.astype(np.float64)).unsqueeze(-1)
    rmse = float(metrics.rmse((answer * deviation + mean).unsqueeze(0), own))
    return ((rmse / deviation) ** 2 if setting.metric == "loss" else rmse), rmse


def split_shards(generation: int, trials: Sequence[tuple[int, Recipe, int]], *, most: int) -> list[Shard]:
    """The trials of a generation by structure, in the order in which structures appear, at most so many together.

    Args:
        generation: Counted from 0.
        trials: Number, recipe and seed of each.
        most: Members of a shard.
    """
    groups: dict[tuple[object, ...], list[tuple[int, Recipe, int]]] = {}
    for trial in trials:
        groups.setdefault(trial[1].structure(), []).append(trial)
    parts = [group[i : i + most] for group in groups.values() for i in range(0, len(group), most)]
    shards = []
    for index, part in enumerate(parts):
        numbers, recipes, seeds = zip(*part, strict=True)
        shards.append(Shard(generation, index, numbers, recipes, seeds))
    return shards
