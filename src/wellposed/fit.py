"""The main job: split a data set, train a bag of one recipe on it, and measure what came of it."""

import platform
import time
from collections.abc import Iterator
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
from wellposed.files import write_json, write_text
from wellposed.inputs.dataset import Data, Features, Part, Rows, Sequences
from wellposed.inputs.encoders import Encoder
from wellposed.inputs.sequences import SequenceEncoder
from wellposed.inputs.split import holdout
from wellposed.population.population import Progress
from wellposed.presets import Preset, sound
from wellposed.recipe import Recipe
from wellposed.remarks import Asked, answering, ask, by_network, measure_bagging, passes_of, remark
from wellposed.statistics import mean_interval

PARTS = ("train", "validation", "test")
SCHEMA = 1
"""Of `result.json`."""
VALIDATION_SHARE = 0.2
"""Of the rows that are not test rows."""


@dataclass(frozen=True, eq=False)
class Split:
    """Three parts of a data set that share no row: to train on, to stop by, and to be judged by."""

    train: Part
    validation: Part
    test: Part


def split(data: Data, *, test_share: float, seed: int) -> Split:
    """Split a data set; its own test rows stay its test rows.

    Args:
        data: The rows.
        test_share: Share of the rows held out for the test, where the data bring none of their own.
        seed: The same seed gives the same split.
    """
    rest, test = data.rows, data.test
    if test is None:
        kept, held = holdout(data.task, rest.target, share=test_share, seed=seed)
        rest, test = rest.take(kept), rest.take(held)
    kept, held = holdout(data.task, rest.target, share=VALIDATION_SHARE, seed=seed + 1)
    return Split(rest.take(kept), rest.take(held), test)


def cut_notes(encoder: Encoder, features: Features) -> tuple[str, ...]:
    """What is told of rows that were not trained on: sequences that are cut."""
    if isinstance(encoder, SequenceEncoder) and isinstance(features, Sequences):
        return encoder.told(features)
    return ()


@dataclass(eq=False)
class Fit:
    """A bag in the making, and what is known of it.

    Attributes:
        data: What it learns from.
        split: The three parts.
        bag: The networks.
        rows: The training rows as the networks see them.
        validation: The validation rows likewise.
        seed: Of splits and networks.
        notes: What was told and carried on with.
        began: When it began, on a clock that never goes back.
        interrupted: Whether training was left before its end.
    """

    data: Data
    split: Split
    bag: Bag
    rows: Rows
    validation: Rows
    seed: int
    notes: tuple[str, ...]
    began: float
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
        """Split the data, fit the encoding to the training rows, and build the networks.

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
        if not 0 < test_share < 1:
            raise refusal("--test", "be a share between 0 and 1, or a file", test_share)
        began, parts = time.monotonic(), split(data, test_share=test_share, seed=seed)
        chosen = recipe if isinstance(recipe, Recipe) else recipe(data.kind, len(parts.train))
        bag, rows = Bag.prepare(
            parts.train, task=data.task, recipe=chosen, members=members, seed=seed,
            infinite_is_missing=infinite_is_missing, device=device,
        )  # fmt: skip
        told = [note for part in (parts.validation, parts.test) for note in cut_notes(bag.encoder, part.features)]
        advice = [str(advice) for advice in chosen.check(data)]
        notes = dict.fromkeys((*data.notes, *bag.encoder.notes, *told, *advice))
        if data.task == "classification":
            known = np.isin(parts.test.target.astype(str), [str(label) for label in bag.target.classes])
            if not known.all():
                parts = replace(parts, test=parts.test.take(known.nonzero()[0]))
                notes[f"Left out {(~known).sum()} test rows whose class no training row has."] = None
        validation = bag.rows(parts.validation.features, parts.validation.target)
        return cls(data, parts, bag, rows, validation, seed, tuple(notes), began)

    def train(self) -> Iterator[Progress]:
        """Train the bag; leaving the iteration early is safe, and `finish` counts what was reached."""
        self.interrupted = True
        yield from self.bag.train(self.rows, self.validation)
        self.interrupted = False

    def finish(self) -> dict[str, Any]:
        """All that `result.json` holds, as plain values; NaN stands for what is not defined.

        Raises:
            BadInput: No network has weights to answer with.
        """
        population = self.bag.population
        if self.interrupted:
            population.settle(self.rows, self.validation)
        self.bag.refuse_untrained()
        record, name = population.record, "accuracy" if self.data.task == "classification" else "rmse"
        kept, networks = record.best_epoch.view(-1, len(population)), answering(population)
        scores: dict[str, dict[str, float]] = {}
        members: dict[str, Tensor] = {}
        test = self.bag.rows(self.split.test.features, self.split.test.target)
        own = self.rows.take(torch.arange(len(self.split.train)))  # without further versions of texts
        encoded = {"train": own, "validation": self.validation, "test": test}
        asked = {part: ask(self.bag, rows) for part, rows in encoded.items()}
        for part in PARTS:
            scores[part], members[part] = self._measured(getattr(self.split, part), asked[part])
        sign = 1 if name == "accuracy" else -1
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
                "classes": list(self.bag.target.classes),
            },
            "split": {part: len(getattr(self.split, part)) for part in PARTS},
            "metrics": scores,
            "gap": {"metric": name, **asdict(gap)},
            "members": {
                "count": len(population),
                "usable": len(networks),
                "snapshots": int((kept > 0).sum(0).max()),
                "passes": passes_of(population),
                "failed": [{"member": k, **asdict(f)} for k, f in sorted(record.failures.items())],
                "best_epoch": kept.amax(0).tolist(),
                "kept_epochs": [[epoch for epoch in epochs if epoch] for epochs in kept.T.tolist()],
                "ended": record.ended.tolist(),
                name: {part: values.tolist() for part, values in members.items()},
            },
            "curves": {
                "train_loss": [row.tolist() for row in record.train_loss],
                "validation_loss": [row.tolist() for row in record.validation_loss],
            },
            "bagging": measure_bagging(self.bag, asked["test"], asked["train"]),
            "trials": 1,
            "interrupted": self.interrupted,
            "seconds": round(time.monotonic() - self.began, 3),
            "recipe_digest": population.recipe.digest(),
            "seed": self.seed,
            "notes": [*self.notes, *remark(self.bag)],
            "versions": {
                "wellposed": own_version(), "torch": version("torch"), "python": platform.python_version(),
            },
        }  # fmt: skip

    def _measured(self, raw: Part, asked: Asked) -> tuple[dict[str, float], Tensor]:
        """The bag's metrics on one part, and each usable network's score, in the target's own unit.

        The score of a network that answers with several snapshots is the mean of theirs.
        """
        population, target = self.bag.population, self.bag.target
        answer, each = asked.answer, asked.each
        if self.data.task == "classification":
            y = target.encode(raw.target)
            return metrics.classification_metrics(answer, y), by_network(population, metrics.accuracy(each, y))
        (mean, deviation), y = target.scale, torch.as_tensor(raw.target.astype(np.float64))
        answer, each = answer * deviation + mean, each * deviation + mean
        alone = by_network(population, metrics.rmse(each, y.unsqueeze(-1)))
        return metrics.regression_metrics(answer.squeeze(-1), y), alone

    def save(self, folder: Path, result: dict[str, Any]) -> None:
        """Write the result folder: the model, the recipe, and last of all `result.json`."""
        self.bag.save(folder / "model")
        write_text(folder / "recipe.toml", self.bag.population.recipe.to_toml())
        write_json(folder / "result.json", result)
