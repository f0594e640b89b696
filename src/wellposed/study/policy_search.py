"""What a search for an augmentation policy has found, and all that may be claimed of it: its difference to random."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from wellposed import document
from wellposed.charts.comparison import forest
from wellposed.charts.search import rewards
from wellposed.recipe import Recipe
from wellposed.significance import CorrectedT
from wellposed.statistics import Interval
from wellposed.study.trial import Trial
from wellposed.techniques import Policy
from wellposed.techniques.batch.policy import Written
from wellposed.verdicts import Verdict
from wellposed.words import number, plural

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Difference:
    """Two policies on the same rows, by networks of the same seeds.

    Attributes:
        first: Which is asked for.
        second: What it is compared with.
        test: Of the mean difference in `gain`, over networks and rows.
    """

    first: str
    second: str
    test: CorrectedT

    @classmethod
    def of(cls, first: str, second: str, gains: Mapping[str, Float64[np.ndarray, "F N"]]) -> "Difference":
        """From what each network (`F`) gains on each row (`N`), by the name of the policy; higher is better.

        The rows are a sample as the seeds are: the variance of the mean over rows is the floor of the test's.
        """
        d = gains[first] - gains[second]
        by_row = d.mean(0)
        floor = float(by_row.var(ddof=1)) / len(by_row) if len(by_row) > 1 else 0.0
        return cls(first, second, CorrectedT.of(d.mean(1), floor=floor))

    @property
    def interval(self) -> Interval:
        """For the mean difference."""
        return self.test.interval(LEVEL)

    @property
    def verdict(self) -> Verdict:
        """Whether the first is better, or worse, or nothing is shown."""
        if self.test.p_value > 1 - LEVEL:
            return "no difference shown"
        return "better" if self.test.mean > 0 else "worse"

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        found = self.interval
        return {
            "first": self.first, "second": self.second, "estimate": found.estimate, "low": found.low,
            "high": found.high, "level": found.level, "p_value": self.test.p_value, "networks": self.test.n,
            "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class PolicySearch:
    """What was found.

    Attributes:
        strategy: How policies were proposed.
        policy: The best one that the strategy has found, to be put into a recipe.
        control: The best of as many random ones.
        trials: Of the strategy, in their order; those of the control, if the strategy is "random".
        controls: Of the control.
        scores: Of each policy's fresh networks, one a seed, by "found", "random" and "none": the accuracy, or the mean
            absolute error in the target's own unit, on rows that have chosen nothing.
        differences: Between these, in accuracy or in the error avoided; what may be claimed comes first.
        ancestry: The policies that the best network has seen one after another, each with the epochs that were done
            when it began; one for other strategies than "population".
        facts: What was searched and how, as plain values.
    """

    strategy: str
    policy: Policy
    control: Policy
    trials: tuple[Trial, ...]
    controls: tuple[Trial, ...]
    scores: Mapping[str, tuple[float, ...]]
    differences: tuple[Difference, ...]
    ancestry: tuple[tuple[int, Written], ...]
    facts: Mapping[str, Any]

    @property
    def arms(self) -> dict[str, tuple[Trial, ...]]:
        """The trials by what proposed them, the control last."""
        return {self.strategy: self.trials, "random": self.controls}

    @property
    def verdict(self) -> str:
        """All that may be claimed, in one sentence."""
        if self.strategy == "random":
            return "Random policies are their own control: there is nothing to claim beyond them."
        first = self.differences[0]
        said = f"{number(first.interval.estimate)} in {self.facts['gain']}, {_between(first.interval)}"
        if first.verdict == "no difference shown":
            return f"No difference to the best random policy is shown: {said}."
        return f"The policy found by {self.strategy} is {first.verdict} than the best random policy: {said}."

    def to_frame(self) -> pd.DataFrame:
        """A row a trial of either kind."""
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
            {"kind": kind, **{name: getattr(t, name) for name in names}, "policy": describe(policy_in(t.recipe))}
            for kind, trials in self.arms.items()
            for t in trials
        ]
        return pd.DataFrame(rows, columns=["kind", *names, "policy"])

    def rewards(self) -> pd.DataFrame:
        """A row a trial: its round, counted from 1, its reward (less its validation loss), and what proposed it."""
        rows = [
            {"round": t.generation + 1, "reward": -t.score, "kind": kind}
            for kind, trials in self.arms.items()
            for t in trials
        ]
        return pd.DataFrame(rows, columns=["round", "reward", "kind"])

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            **self.facts,
            "strategy": self.strategy,
            "verdict": self.verdict,
            "policy": self.policy.policy,
            "control": self.control.policy,
            "ancestry": [{"epochs": epochs, "policy": policy} for epochs, policy in self.ancestry],
            "scores": {name: list(values) for name, values in self.scores.items()},
            "differences": [difference.to_json() for difference in self.differences],
            "trials": [
                {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in row.items()}
                for row in self.to_frame().to_dict("records")
            ],
        }

    def summary(self) -> dict[str, Any]:
        """What a page of a fit says of it."""
        first = self.differences[0].to_json() if self.differences else None
        rewards = self.rewards()
        return {
            "strategy": self.strategy,
            "claim": self.verdict,
            "metric": self.facts["gain"],
            "difference": first,
            "rewards": rewards.to_dict("records"),
            "operations": [
                {"sub-policy": i, "operation": operation, "probability": probability, "level": level}
                for i, sub in enumerate(self.policy.policy, 1)
                for operation, probability, level in sub
            ],
        }

    def __str__(self) -> str:
        facts = self.facts
        n, many = len(self.trials), "" if self.strategy == "random" else ", and as many of random policies"
        lines = [f"Augmentation policy by {self.strategy}: {plural(n, 'network')}{many}.", self.verdict]
        lines += [
            f"{d.first} against {d.second}: {number(d.interval.estimate)}, {_between(d.interval)}, {d.verdict}."
            for d in self.differences
        ]
        lines.append(
            f"Judged by {plural(facts['fresh'], 'fresh network')} each on"
            f" {plural(facts['rows']['judging'], 'validation row')} that have chosen nothing. No test row was seen."
        )
        return "\n".join([*lines, describe(self.policy)])

    def show(self, *, path: str | Path | None = None) -> Path | None:
        """Show it as a page: in a notebook, or in a file which a browser opens.

        Args:
            path: The file to write; None for a temporary one.
        """
        rows = [{"label": f"{d.first} against {d.second}", **d.to_json()} for d in self.differences]
        frame = pd.DataFrame(rows)[["label", "estimate", "low", "high", "verdict"]]
        policies = [("found", self.policy), ("random", self.control)]
        table = [{"policy": name, "sub-policies": describe(policy)} for name, policy in policies]
        sections = [
            document.Section(
                title="Differences",
                sentence=self.verdict,
                chart=forest(frame, effect=self.facts["gain"]),
                caption="The mean difference and its 95 % interval, over networks and rows.",
                table=frame,
            ),
            document.Section(
                title="Rewards by round",
                sentence="Each proposal was trained once. The reward is what the search sees, and too good by choice.",
                chart=rewards(self.rewards(), reward="less validation loss"),
                table=self.to_frame(),
                label="The trials",
            ),
            document.Section(title="Policies", sentence="The best of each kind.", table=pd.DataFrame(table)),
        ]
        title = f"Augmentation policy for {self.facts['data']}"
        return document.show(document.render(title, self.verdict, sections), path=path)


def policy_in(recipe: Recipe) -> Policy:
    """A recipe's policy."""
    return recipe.of(Policy)[0]


def describe(policy: Policy) -> str:
    """A policy in words.

    >>> describe(Policy(policy=((("Rotate", 0.7, 0.2), ("Invert", 0.3, 0.0)), (("Identity", 1, 0), ("Color", 0, 1)))))
    '1. Rotate 0.7 at 0.2, Invert 0.3 at 0; 2. nothing'
    """
    subs = []
    for i, sub in enumerate(policy.policy, start=1):
        done = [f"{o} {p:g} at {m:g}" for o, p, m in sub if o != "Identity" and p > 0]
        subs.append(f"{i}. {', '.join(done) or 'nothing'}")
    return "; ".join(subs)


def _between(interval: Interval) -> str:
    return f"{interval.level:.0%} interval {number(interval.low)} to {number(interval.high)}".replace("%", " %")
