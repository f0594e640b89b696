"""Verdicts: what repeats say of one recipe against another, on one data set and over several.

A verdict is given where the p-value of the corrected resampled t test, adjusted by Holm's procedure for all pairs of a
data set, is at most 1 - level. Beside its interval stands the BCa bootstrap of the differences, which takes the repeats
for independent, as they are not: it is too narrow, and decides nothing.

A network whose numbers stop being finite counts: it answers with its best weights from before, if there are any, and
else scores as a constant answer does, the shares of the classes or the mean. No repeat is dropped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from wellposed.judging import is_higher_better, jackknife_variance
from wellposed.ranking import Friedman, cliques, critical_difference, friedman, rank, signed_ranks
from wellposed.repeats import Repeats, Runs
from wellposed.significance import CorrectedT, share_above_zero
from wellposed.statistics import Interval, bootstrap_interval, holm
from wellposed.words import percent, plural

Verdict: TypeAlias = Literal["better", "worse", "no difference shown"]
POWER = 0.8
"""The chance of showing a difference that is asked of the number of repeats needed."""
IN_UNITS = ("rmse", "mae")
"""Metrics in the unit of the target: over several data sets they are divided by those of a constant answer."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What is known of the first recipe against the second on one data set.

    Attributes:
        data: The data set.
        first: The one that is judged.
        second: The one that it is judged against.
        difference: The first one's mean score minus the second one's, by the corrected resampled t.
        bootstrap: The same by BCa bootstrap of the repeats, as if they were independent.
        probability: That the first one's mean score is the better one, by the Bayesian correlated t test.
        wins: Share of the repeats in which the first one is better, ties counting half.
        p_value: Two-sided, of no difference.
        holm: The same, adjusted for the number of pairs.
        cost: Floating-point operations of training, the first one's over the second one's.
        seconds: The same of seconds of training, which vary from run to run.
        verdict: "better" or "worse" than the second one, or "no difference shown".
        repeats_needed: Repeats that would show the difference seen with a chance of 0.8, were it the true one; None
            where one is shown, none was seen, or no number of repeats would.
        chance: That infinitely many repeats of as many rows would show the difference seen, were it the true one.
    """

    data: str
    first: str
    second: str
    difference: Interval
    bootstrap: Interval
    probability: float
    wins: float
    p_value: float
    holm: float
    cost: float
    seconds: float
    verdict: Verdict
    repeats_needed: int | None
    chance: float

    @property
    def advice(self) -> str:
        """What more repeats would bring, where no difference is shown; else empty."""
        if self.verdict != "no difference shown":
            return ""
        if self.difference.estimate == 0:
            return "No difference was seen."
        if self.repeats_needed is not None:
            return f"About {plural(self.repeats_needed, 'repeat')} would show the difference seen, if it is real."
        most = f"at most with a chance of {percent(self.chance)}"
        return f"No number of repeats of these rows would show the difference seen ({most}): it takes more rows."


@dataclass(frozen=True, kw_only=True)
class SignedRanks:
    """The first recipe against the second over several data sets, by Wilcoxon's signed ranks of their mean scores.

    Attributes:
        first: The one that is judged.
        second: The one that it is judged against.
        p_value: Two-sided, of no difference.
        holm: The same, adjusted for the number of pairs.
        verdict: As of a `Pair`.
    """

    first: str
    second: str
    p_value: float
    holm: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Several recipes over several data sets.

    Attributes:
        ranks: The mean rank of each recipe, by name; 1 is the best.
        friedman: Whether all are alike.
        critical_difference: Nemenyi's: mean ranks that differ by less are not told apart.
        cliques: Names of recipes that are not told apart, best first.
        pairs: Wilcoxon's signed ranks.
    """

    ranks: Mapping[str, float]
    friedman: Friedman
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]
    pairs: tuple[SignedRanks, ...]


def judge_pairs(
    found: Repeats, pairs: Sequence[tuple[str, str]], *, level: float = 0.95, seed: int = 0
) -> tuple[Pair, ...]:
    """A verdict on the first of each pair.

    Where each repeat draws its test rows, the variance of the mean difference is that of Nadeau and Bengio, with all
    rows but the test rows as the rows that are learnt from. Where the test rows are the data's own, it is the variance
    over the repeats divided by their number, and beside it that over the choice of the test rows, by jackknife.

    Args:
        found: What came of the recipes.
        pairs: Names of recipes.
        level: Of the intervals; 1 - level is the chance of any false alarm among the pairs.
        seed: Of the bootstrap.
    """
    tests = [difference_of(found.runs[first], found.runs[second], found) for first, second in pairs]
    adjusted = holm([test.p_value for test in tests]).tolist()
    alpha, sign = 1 - level, 1 if is_higher_better(found.metric) else -1
    judged = []
    for (first, second), test, p in zip(pairs, tests, adjusted, strict=True):
        a, b = found.runs[first], found.runs[second]
        shown = p <= alpha and test.mean != 0
        verdict: Verdict = "no difference shown" if not shown else "better" if sign * test.mean > 0 else "worse"
        above = test.probability_above_zero
        strict = alpha / len(pairs)
        judged.append(
            Pair(
                data=found.name,
                first=first,
                second=second,
                difference=test.interval(level),
                bootstrap=bootstrap_interval(a.scores - b.scores, np.mean, seed=seed, level=level),
                probability=above if sign > 0 else 1 - above,
                wins=share_above_zero(sign * (a.scores - b.scores)),
                p_value=test.p_value,
                holm=p,
                cost=a.flops / b.flops if b.flops else math.nan,
                seconds=a.seconds / b.seconds if b.seconds else math.nan,
                verdict=verdict,
                repeats_needed=None if shown else test.repeats_needed(alpha=strict, power=POWER),
                chance=test.power(math.inf, alpha=strict),
            )
        )
    return tuple(judged)


def difference_of(first: Runs, second: Runs, found: Repeats) -> CorrectedT:
    """The mean difference of two recipes' scores, and how sure it is."""
    d = first.scores - second.scores
    if first.without is None or second.without is None:
        return CorrectedT.of(d, ratio=found.n_test / found.n_learning)
    without = (first.without - second.without).mean(0)
    if len(without) < 2:
        return CorrectedT.of(d)
    return CorrectedT.of(d, floor=jackknife_variance(without), most_freedom=len(without) - 1)


def rank_recipes(found: Sequence[Repeats], pairs: Sequence[tuple[str, str]], *, level: float = 0.95) -> Ranking:
    """Recipes over several data sets, each of which counts once, with its mean scores.

    Args:
        found: What came of the same recipes on each data set, by one metric.
        pairs: Names of recipes.
        level: 1 - level is the chance of any false alarm among the pairs.
    """
    names, metric = list(found[0].runs), found[0].metric
    scores = np.array([[one.runs[name].scores.mean() for name in names] for one in found])
    if metric in IN_UNITS:
        scores /= np.array([[one.constant.mean()] for one in found])
    higher = is_higher_better(metric)
    ranks = rank(scores, higher_is_better=higher)
    mean = ranks.mean(0).tolist()
    limit = critical_difference(len(names), len(found), level=level)
    differences = [scores[:, names.index(a)] - scores[:, names.index(b)] for a, b in pairs]
    p_values = [signed_ranks(d.tolist()) for d in differences]
    judged = []
    for (a, b), d, p, adjusted in zip(pairs, differences, p_values, holm(p_values).tolist(), strict=True):
        better = signed_sum(d) > 0 if higher else signed_sum(d) < 0
        verdict: Verdict = "no difference shown" if adjusted > 1 - level else "better" if better else "worse"
        judged.append(SignedRanks(first=a, second=b, p_value=p, holm=adjusted, verdict=verdict))
    return Ranking(
        ranks=dict(zip(names, mean, strict=True)),
        friedman=friedman(ranks),
        critical_difference=limit,
        cliques=tuple(tuple(names[i] for i in clique) for clique in cliques(mean, limit)),
        pairs=tuple(judged),
    )


def signed_sum(differences: np.ndarray) -> float:
    """The ranks of the sizes of differences, summed with their signs.

    >>> signed_sum(np.array([0.1, -0.3, 0.2]))
    0.0
    """
    sizes = rank(np.abs(differences)[None], higher_is_better=False)[0]
    return float((np.sign(differences) * sizes).sum())


def frame_of(pairs: Sequence[Pair]) -> pd.DataFrame:
    """One line a pair; the ends of its intervals are columns."""
    lines = []
    for pair in pairs:
        line = asdict(pair)
        for name, prefix in (("difference", ""), ("bootstrap", "bootstrap_")):
            interval: Interval = getattr(pair, name)
            line |= {name: interval.estimate, f"{prefix}low": interval.low, f"{prefix}high": interval.high}
        del line["bootstrap"]
        lines.append(line)
    order = ["data", "first", "second", "difference", "low", "high", "verdict", "p_value", "holm", "probability"]
    rest = ["wins", "bootstrap_low", "bootstrap_high", "cost", "seconds", "repeats_needed", "chance"]
    frame = pd.DataFrame(lines, columns=[*order, *rest])
    return frame.astype({"repeats_needed": "Int64"})


def scope(found: Repeats) -> str:
    """What the intervals on a data set are about."""
    rows = f"{plural(found.n_learning, 'row')} to learn from"
    if found.data.test is None:
        return (
            f"{found.name}: each repeat draws {plural(found.n_test, 'test row')} and {rows} anew; the intervals are "
            "for the mean over such draws, corrected for the rows that repeats share (Nadeau and Bengio 2003)."
        )
    return (
        f"{found.name}: the {plural(found.n_test, 'test row')} are the data's own, the same in each repeat; the "
        f"intervals are for other networks, other validation rows and other test rows, not for other {rows}."
    )


def failures(found: Repeats) -> tuple[str, ...]:
    """What is told of networks that failed."""
    told = []
    for name, run in found.runs.items():
        if run.failed:
            of = f"{found.name}: {len(run.failed)} of {plural(len(run.scores), 'network')} of {name!r} failed"
            kept, lost = len(run.failed) - len(run.unanswered), len(run.unanswered)
            how = [f"{kept} with the best weights from before"] if kept else []
            how += [f"{lost} with the score of a constant answer"] if lost else []
            told.append(f"{of}: their numbers stopped being finite. They count, {' and '.join(how)}.")
    return tuple(told)
