"""A study: its trials, the best of them, and what they say of the space."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from wellposed.checks import check_count, refusal
from wellposed.document import render, show
from wellposed.inputs.dataset import Task
from wellposed.recipe import Recipe
from wellposed.search_space import Dimension
from wellposed.study.importance import Importances, importances
from wellposed.study.narrowing import Narrowing, narrow
from wellposed.study.nested import Nested
from wellposed.study.optimism import Optimism, Score, optimism
from wellposed.study.pages import search_sections
from wellposed.study.shard import Metric
from wellposed.study.trial import Trial
from wellposed.techniques.prediction.greedy_selection import select_greedily

ANSWERING = 50
"""Trials at most, the best ones, among which networks are chosen for a bag."""


@dataclass(frozen=True, eq=False)
class Study:
    """What a search has found.

    Attributes:
        task: What is asked.
        metric: What was minimized on the validation rows: "loss" or "error".
        seed: Of everything drawn.
        dimensions: What varied.
        trials: In the order of asking.
        targets: The classes `N`, or scaled numbers `N 1`, of the validation rows.
        seconds: Of the whole search.
        facts: What was searched and how, as plain values.
        nested: What the whole procedure is worth on rows that it has not seen; None where that was not asked.
    """

    task: Task
    metric: Metric
    seed: int
    dimensions: tuple[Dimension, ...]
    trials: tuple[Trial, ...]
    targets: Tensor
    seconds: float
    facts: Mapping[str, Any]
    nested: Nested | None = None

    @property
    def best(self) -> Trial:
        """The trial of the lowest score, among those that were trained to their end, if there are any.

        Raises:
            BadInput: None has a score.
        """
        ranked = self.ranked()
        if not ranked:
            failed = next((t.failure for t in self.trials if t.failure), "no trial came to its first evaluation")
            raise refusal("A study", "have a trial with a finite score", failed, "Narrow the space, or give it time.")
        return ranked[0]

    @property
    def recipe(self) -> Recipe:
        """The best trial's."""
        return self.best.recipe

    def ranked(self) -> list[Trial]:
        """The trials with a finite score from the best on, those that were left before their end behind the others."""
        scored = [t for t in self.trials if math.isfinite(t.score) and t.state in ("complete", "pruned")]
        return sorted(scored, key=lambda t: (t.state != "complete", t.score, t.number))

    def bag(self, networks: int) -> list[tuple[Trial, int]]:
        """The trials whose recipes answer together best on the validation rows, and how many networks of each.

        By greedy selection with replacement among the best trials whose answers were kept; where there are none, the
        best trial gets all networks.

        Args:
            networks: In all.
        """
        check_count("networks", networks)
        listed = [t for t in self.ranked()[:ANSWERING] if t.answers is not None]
        if not listed:
            return [(self.best, networks)]
        share = select_greedily(self._answers(listed), self.targets, steps=networks)
        counts = apportion(share.tolist(), networks)
        return [(trial, count) for trial, count in zip(listed, counts, strict=True) if count]

    def optimism(self) -> Optimism:
        """How much too good the best trial's score is for having been chosen by it.

        Raises:
            BadInput: No trial's answers were kept.
        """
        listed = [t for t in self.ranked() if t.answers is not None]
        if not listed:
            raise refusal("A study", "have kept a trial's answers", "none")
        kind: Score = "log_loss" if self.metric == "loss" else "accuracy"
        kind = "squared_error" if self.task == "regression" else kind
        return optimism(self._answers(listed), self.targets, score=kind, seed=self.seed)

    def importances(self) -> Importances:
        """Which dimension makes how much of the differences between trials."""
        return importances(self.dimensions, self.trials, seed=self.seed)

    def narrow(self, *, share: float = 0.25) -> Narrowing:
        """The ranges around the best share of the trials: where to search on."""
        return narrow(self.dimensions, self.trials, share=share)

    def to_frame(self) -> pd.DataFrame:
        """A row a trial: what came of it, and a column for each dimension."""
        names = (
            "number",
            "generation",
            "state",
            "epochs",
            "score",
            "metric",
            "best_epoch",
            "seconds",
            "seed",
            "failure",
        )
        rows = [
            {n: getattr(t, n) for n in names} | {d.name: t.values.get(d.name) for d in self.dimensions}
            for t in self.trials
        ]
        return pd.DataFrame(rows, columns=[*names, *(d.name for d in self.dimensions)])

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values, without the answers."""
        return {
            **self.facts,
            "nested": None if self.nested is None else self.nested.to_json(),
            "metric": self.metric,
            "seconds": self.seconds,
            "best": self.best.number,
            "recipe": self.recipe.to_toml(),
            "dimensions": [
                {"name": d.name, "kind": d.kind, "low": d.low, "high": d.high, "log": d.log, "options": list(d.options)}
                for d in self.dimensions
            ],
            "trials": [
                {
                    "number": t.number, "generation": t.generation, "state": t.state, "epochs": t.epochs,
                    "score": t.score, "metric": t.metric, "seconds": t.seconds, "values": dict(t.values),
                }
                for t in self.trials
            ],
        }  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """What a page says of it."""
        kept = [t for t in self.ranked() if t.answers is not None]
        return {
            **self.to_json(),
            "metric": "accuracy" if self.task == "classification" else "rmse",
            "halving": self.facts["halving"]["kind"],
            "importance": self.importances().shares or None,
            "optimism": self.optimism().to_json() if kept else None,
        }

    def show(self, *, path: str | Path | None = None) -> Path | None:
        """Show a page: the scores in their order, where the best lie, and what mattered.

        Args:
            path: The file to write; None for a temporary one, or, in a notebook, for none.
        """
        return show(render(f"A search of {len(self.trials)} trials", "", search_sections(self.summary())), path=path)

    def __str__(self) -> str:
        count = {state: sum(t.state == state for t in self.trials) for state in ("complete", "pruned", "failed")}
        states = ", ".join(f"{n} {state}" for state, n in count.items() if n)
        name = "accuracy" if self.task == "classification" else "rmse"
        lines = [f"{len(self.trials)} trials in {self.seconds:.1f} s: {states}"]
        for trial in self.ranked()[:5]:
            values = ", ".join(f"{n} {v if isinstance(v, str | int) else f'{v:.3g}'}" for n, v in trial.values.items())
            lines.append(
                f"  trial {trial.number}: {self.metric} {trial.score:.4f}, {name} {trial.metric:.4f}  {values}"
            )
        return "\n".join([*lines, *([] if self.nested is None else [str(self.nested)])])

    def _answers(self, trials: Sequence[Trial]) -> Float32[Tensor, "K N C"]:
        return torch.stack([t.answers for t in trials if t.answers is not None])


def apportion(shares: Sequence[float], seats: int) -> list[int]:
    """Whole numbers in these shares that sum to `seats`, by the largest remainders; the first of equals first.

    >>> apportion([0.5, 0.25, 0.25], 5)
    [3, 1, 1]
    """
    exact = [share / sum(shares) * seats for share in shares]
    counts = [math.floor(e + 1e-9) for e in exact]
    order = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in order[: seats - sum(counts)]:
        counts[i] += 1
    return counts
