"""The main job: split a data set, train a bag of one recipe on it, and measure what came of it."""

import math
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wellposed import metrics
from wellposed.bag import Bag, own_version
from wellposed.checks import refusal
from wellposed.committee import Committee, voices
from wellposed.files import write_json, write_text
from wellposed.inputs.dataset import Data, Features, Part, Rows, Sequences
from wellposed.inputs.encoders import Encoder
from wellposed.inputs.parts import Split, split
from wellposed.inputs.sequences import SequenceEncoder
from wellposed.population.population import Progress
from wellposed.presets import Preset, sound
from wellposed.recipe import Recipe
from wellposed.remarks import Asked, ask, by_network, measure_bagging, passes_of, remark, together
from wellposed.statistics import mean_interval
from wellposed.study.final import Group, Refit, choose_groups, seat
from wellposed.study.shard import Setting
from wellposed.study.study import Study

PARTS = ("train", "validation", "test")
SCHEMA = 1
"""Of `result.json`."""


def cut_notes(encoder: Encoder, features: Features) -> tuple[str, ...]:
    """What is told of rows that were not trained on: sequences that are cut."""
    if isinstance(encoder, SequenceEncoder) and isinstance(features, Sequences):
        return encoder.told(features)
    return ()


@dataclass(eq=False)
class Fit:
    """Networks in the making, and what is known of them.

    Attributes:
        data: What they learn from.
        split: The three parts.
        committee: The networks, a bag a structure.
        rows: The training rows as the networks of each bag see them.
        validation: The validation rows likewise; None where the networks are trained on them, too.
        seed: Of splits and networks.
        notes: What was told and carried on with.
        began: When it began, on a clock that never goes back.
        study: Where the recipes come from; None where one was given.
        interrupted: Whether training was left before its end.
    """

    data: Data
    split: Split
    committee: Committee
    rows: tuple[Rows, ...]
    validation: tuple[Rows | None, ...]
    seed: int
    notes: tuple[str, ...]
    began: float
    study: Study | None = None
    interrupted: bool = False

    @classmethod
    def prepare(
        cls,
        data: Data,
        *,
        recipe: Recipe | Preset = sound,
        members: int = 16,
        test_share: float = 0.2,
        seed: int = 0,
        infinite_is_missing: bool = False,
        device: str | torch.device = "cpu",
    ) -> "Fit":
        """Split the data, fit the encoding to the training rows, and build networks of one recipe.

        Args:
            data: From `load`.
            recipe: What each member is, or a preset that makes it from the kind and number of the training rows.
            members: How many networks.
            test_share: Share of the rows to test on, where the data bring no test rows.
            seed: The same seed gives the same result.
            infinite_is_missing: Take infinities in a table as missing instead of refusing them.
            device: Where training runs.
        """
        if members < 1:
            raise refusal("--members", "be at least 1", members)
        began, parts = time.monotonic(), split_for_test(data, test_share=test_share, seed=seed)
        chosen = recipe if isinstance(recipe, Recipe) else recipe(data.kind, len(parts.train))
        setting = Setting(
            data.task, parts.train, parts.validation, infinite_is_missing=infinite_is_missing, device=str(device)
        )
        return cls._seat(data, parts, [Group((chosen,) * members, seed)], setting, seed, began, refit="train")

    @classmethod
    def of_study(
        cls,
        data: Data,
        parts: Split,
        study: Study,
        *,
        members: int,
        refit: Refit,
        began: float,
        infinite_is_missing: bool = False,
        device: str | torch.device = "cpu",
    ) -> "Fit":
        """Networks of the recipes that answer together best, by a study of these training and validation rows.

        Args:
            data: From `load`.
            parts: The three parts of it; the study has not seen the test rows.
            study: Where the recipes come from.
            members: How many networks.
            refit: Train them on the rows that the search trained on ("train"), or on the validation rows as well
                ("all"), then to the end of their schedules.
            began: When the search began.
            infinite_is_missing: As in `prepare`.
            device: Where training runs.
        """
        groups = choose_groups(study, members)
        setting = Setting(
            data.task, parts.train, parts.validation, infinite_is_missing=infinite_is_missing, device=str(device)
        )
        return replace(cls._seat(data, parts, groups, setting, study.seed, began, refit=refit), study=study)

    @classmethod
    def _seat(
        cls,
        data: Data,
        parts: Split,
        groups: Sequence[Group],
        setting: Setting,
        seed: int,
        began: float,
        *,
        refit: Refit,
    ) -> "Fit":
        seated = seat(groups, setting, refit=refit)
        bags = [one.bag for one in seated]
        held = (parts.test,) if refit == "all" else (parts.validation, parts.test)
        told = [note for part in held for note in cut_notes(bags[0].encoder, part.features)]
        advice = [str(advice) for group in groups for advice in group.recipes[0].check(data)]
        notes = dict.fromkeys((*data.notes, *bags[0].encoder.notes, *told, *advice))
        if data.task == "classification":
            known = np.isin(parts.test.target.astype(str), [str(label) for label in bags[0].target.classes])
            if not known.all():
                parts = replace(parts, test=parts.test.take(known.nonzero()[0]))
                notes[f"Left out {(~known).sum()} test rows whose class no training row has."] = None
        rows, stop_by = tuple(one.rows for one in seated), tuple(one.validation for one in seated)
        return cls(data, parts, Committee(tuple(bags)), rows, stop_by, seed, tuple(notes), began)

    def train(self) -> Iterator[tuple[int, Progress]]:
        """Train bag after bag, telling which; leaving the iteration early is safe, `finish` counts what was reached."""
        self.interrupted = True
        for number, bag in enumerate(self.committee.bags):
            for progress in bag.train(self.rows[number], self.validation[number]):
                yield number, progress
        self.interrupted = False

    def finish(self) -> dict[str, Any]:
        """All that `result.json` holds, as plain values; NaN stands for what is not defined.

        Raises:
            BadInput: No network has weights to answer with.
        """
        every = self.committee.bags
        if self.interrupted:
            for bag, rows, held in zip(every, self.rows, self.validation, strict=True):
                bag.population.settle(rows, held)
        usable = [i for i, bag in enumerate(every) if len(bag.population.usable())]
        if not usable:
            every[0].refuse_untrained()
        bags = [every[i] for i in usable]
        widths, name = [len(b.population) for b in every], "accuracy" if self.data.task == "classification" else "rmse"
        scores: dict[str, dict[str, float]] = {}
        members: dict[str, Tensor] = {}
        asked: dict[str, Asked] = {}
        for part in PARTS:
            raw = getattr(self.split, part)
            if part == "validation" and self.validation[0] is None:
                scores[part] = self._found_in_search()
                continue
            each = [ask(bag, self._encoded(i, part)) for i, bag in zip(usable, bags, strict=True)]
            asked[part] = together(bags, each)
            scores[part] = self._measured(raw, asked[part].answer)
            alone = [by_network(b.population, self._alone(raw, own)) for b, own in zip(bags, each, strict=True)]
            members[part] = torch.cat(alone)
        sign = 1 if name == "accuracy" else -1
        members.setdefault("validation", torch.full_like(members["test"], math.nan))
        gap = mean_interval((sign * (members["train"] - members["test"])).numpy())
        return {
            "schema": SCHEMA,
            "data": {
                "name": self.data.name,
                "kind": self.data.kind,
                "task": self.data.task,
                "target": self.data.target,
                "fingerprint": self.data.fingerprint,
                "flags": list(self.data.flags),
                "classes": list(self.committee.target.classes),
            },
            "split": {part: len(getattr(self.split, part)) for part in PARTS},
            "metrics": scores,
            "gap": {"metric": name, **asdict(gap)},
            "members": {
                **describe_members(every),
                "usable": sum(voices(bags)),
                "passes": max(passes_of(bag.population) for bag in bags),
                name: {part: members[part].tolist() for part in PARTS},
            },
            "curves": {
                "train_loss": side_by_side([bag.population.record.train_loss for bag in every], widths),
                "validation_loss": side_by_side([bag.population.record.validation_loss for bag in every], widths),
            },
            "bagging": measure_bagging(bags, asked["test"], asked["train"]),
            "trials": 1 if self.study is None else len(self.study.trials),
            "interrupted": self.interrupted,
            "seconds": round(time.monotonic() - self.began, 3),
            "recipe_digest": self.recipe.digest(),
            "seed": self.seed,
            "notes": [*self.notes, *dict.fromkeys(note for bag in bags for note in remark(bag))],
            "versions": {
                "wellposed": own_version(), "torch": version("torch"), "python": platform.python_version(),
            },
            **({} if self.study is None else {"search": self._search(self.study)}),
        }  # fmt: skip

    @property
    def recipe(self) -> Recipe:
        """The first network's; of a study, the best trial's."""
        return self.committee.bags[0].population.recipe if self.study is None else self.study.recipe

    def _encoded(self, number: int, part: str) -> Rows:
        """Rows of a part as a bag sees them, those to train on without what the recipe adds."""
        if part == "train":
            return self.rows[number].take(torch.arange(len(self.split.train)))
        held = self.validation[number]
        if part == "validation" and held is not None:
            return held
        raw = getattr(self.split, part)
        return self.committee.bags[number].rows(raw.features, raw.target)

    def _measured(self, raw: Part, answer: Tensor) -> dict[str, float]:
        """The committee's metrics on one part, in the target's own unit."""
        target = self.committee.target
        if self.data.task == "classification":
            return metrics.classification_metrics(answer, target.encode(raw.target))
        mean, deviation = target.scale
        own = torch.as_tensor(raw.target.astype(np.float64))
        return metrics.regression_metrics((answer * deviation + mean).squeeze(-1), own)

    def _alone(self, raw: Part, asked: Asked) -> Tensor:
        """The score of each network, and of each of its snapshots, in the target's own unit."""
        if self.data.task == "classification":
            return metrics.accuracy(asked.each, self.committee.target.encode(raw.target))
        mean, deviation = self.committee.target.scale
        own = torch.as_tensor(raw.target.astype(np.float64)).unsqueeze(-1)
        return metrics.rmse(asked.each * deviation + mean, own)

    def _found_in_search(self) -> dict[str, float]:
        """The metrics on the validation rows of the search's own networks, which were not trained on them."""
        listed = [] if self.study is None else self.study.bag(sum(len(b.population) for b in self.committee.bags))
        heard = [(trial.answers, count) for trial, count in listed if trial.answers is not None]
        if not heard:
            return {}
        total = sum(count for _, count in heard)
        answer = torch.stack([answers.double() * count / total for answers, count in heard]).sum(0)
        return self._measured(self.split.validation, answer)

    def _search(self, study: Study) -> dict[str, Any]:
        """What is told of the search."""
        members = sum(len(bag.population) for bag in self.committee.bags)
        return {
            **study.summary(),
            "refit": "train" if self.validation[0] is not None else "all",
            "chosen": [{"trial": trial.number, "networks": count} for trial, count in study.bag(members)],
        }

    def save(self, folder: Path, result: dict[str, Any]) -> None:
        """Write the result folder: the model, the recipe, and last of all `result.json`."""
        self.committee.save(folder / "model")
        write_text(folder / "recipe.toml", self.recipe.to_toml())
        write_json(folder / "result.json", result)


def split_for_test(data: Data, *, test_share: float, seed: int) -> Split:
    """The three parts of a data set, by what the command line says."""
    if not 0 < test_share < 1:
        raise refusal("--test", "be a share between 0 and 1, or a file", test_share)
    return split(data, test_share=test_share, seed=seed)


def describe_members(bags: Sequence[Bag]) -> dict[str, Any]:
    """Every network of some bags, bag by bag: what was kept of it, when it ended, where it failed."""
    found: dict[str, Any] = {"count": 0, "snapshots": 0, "failed": [], "best_epoch": [], "kept_epochs": [], "ended": []}
    for bag in bags:
        population, record = bag.population, bag.population.record
        kept = record.best_epoch.view(-1, len(population))
        failed = sorted(record.failures.items())
        found["failed"] += [{"member": found["count"] + k, **asdict(failure)} for k, failure in failed]
        found["snapshots"] = max(found["snapshots"], int((kept > 0).sum(0).max()))
        found["best_epoch"] += kept.amax(0).tolist()
        found["kept_epochs"] += [[epoch for epoch in epochs if epoch] for epochs in kept.T.tolist()]
        found["ended"] += record.ended.tolist()
        found["count"] += len(population)
    return found


def side_by_side(curves: Sequence[list[Tensor]], widths: Sequence[int]) -> list[list[float]]:
    """Curves of several bags, an epoch a row and a network a column; NaN behind a bag's last epoch.

    Args:
        curves: For each bag, the values of its networks after each epoch.
        widths: How many networks each has.

    >>> side_by_side([[torch.tensor([1.0, 2.0])], []], [2, 1])
    [[1.0, 2.0, nan]]
    """
    behind = [[math.nan] * k for k in widths]
    return [
        [v for curve, none in zip(curves, behind, strict=True) for v in (curve[e].tolist() if e < len(curve) else none)]
        for e in range(max(len(curve) for curve in curves))
    ]
