"""Verdicts on scores that are made up, so that what they should be is known."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from wellposed.inputs.dataset import Data, Part
from wellposed.recipe import Recipe
from wellposed.repeats import Repeats, Runs
from wellposed.statistics import bootstrap_interval, holm
from wellposed.verdicts import difference_of, failures, frame_of, judge_pairs, rank_recipes, scope, signed_sum

PART = Part(np.zeros((4, 1, 1)), np.array([0, 1, 0, 1]))
NOISE = np.random.default_rng(0).normal(0, 0.01, 10)


def data(*, own_test: bool = False) -> Data:
    return Data("made", "images", "classification", "y", PART, PART if own_test else None, (), "")


def runs(scores: np.ndarray, *, without: np.ndarray | None = None, flops: float = 1.0) -> Runs:
    return Runs(Recipe(), scores, without, (), (), 10, flops, 2.0)


def made(scores: Mapping[str, np.ndarray], *, metric: str = "accuracy", name: str = "made") -> Repeats:
    each = {name: runs(values, flops=2.0 + i) for i, (name, values) in enumerate(scores.items())}
    n = len(next(iter(scores.values())))
    return Repeats(name, data(), metric, each, np.full(n, 0.5), 80, 20)


def test_a_pair_holds_the_tests_of_its_differences() -> None:
    a, b = 0.9 + NOISE, 0.85 - NOISE[::-1]
    (pair,) = judge_pairs(made({"a": a, "b": b}), [("a", "b")])
    d = a - b
    t = d.mean() / math.sqrt((1 / 10 + 20 / 80) * d.var(ddof=1))
    assert pair.p_value == pair.holm == pytest.approx(2 * stats.t.sf(abs(t), 9), rel=1e-10)
    assert pair.probability == pytest.approx(stats.t.cdf(t, 9), rel=1e-10)
    assert pair.difference.estimate == pytest.approx(d.mean())
    assert pair.bootstrap == bootstrap_interval(d, np.mean, seed=0)
    assert (pair.wins, pair.cost, pair.seconds) == (1.0, 2 / 3, 1.0)
    assert pair.verdict == "better" and pair.advice == "" and pair.repeats_needed is None
    (mirrored,) = judge_pairs(made({"a": a, "b": b}), [("b", "a")])
    assert mirrored.verdict == "worse" and mirrored.probability == pytest.approx(1 - pair.probability)


def test_of_errors_the_lower_is_better() -> None:
    (pair,) = judge_pairs(made({"a": 3 + NOISE, "b": 4 + 2 * NOISE}, metric="rmse"), [("a", "b")])
    assert pair.verdict == "better" and pair.difference.estimate < 0 and pair.probability > 0.99 and pair.wins == 1.0


def test_verdicts_follow_holms_p_values_over_the_pairs() -> None:
    scores = {"a": 0.9 + NOISE, "b": 0.887 - NOISE, "c": 0.9 + 3 * NOISE, "d": 0.5 - NOISE}
    pairs = [("a", "b"), ("a", "c"), ("a", "d")]
    found = judge_pairs(made(scores), pairs)
    assert [p.holm for p in found] == pytest.approx(holm([p.p_value for p in found]).tolist())
    assert [p.verdict for p in found] == ["no difference shown", "no difference shown", "better"]
    alone = judge_pairs(made(scores), pairs[:1])[0]
    assert alone.p_value == found[0].p_value < found[0].holm


def test_repeats_needed_are_told_or_that_none_are_enough() -> None:
    few = made({"a": 0.9 + NOISE, "b": 0.891 - NOISE})
    out_of_reach = judge_pairs(few, [("a", "b")])[0]
    assert out_of_reach.repeats_needed is None and out_of_reach.chance < 0.8
    assert "it takes more rows" in out_of_reach.advice
    within = judge_pairs(replace(few, n_test=1), [("a", "b")])[0]
    assert within.repeats_needed is not None and within.repeats_needed > 10
    assert f"About {within.repeats_needed} repeats" in within.advice
    same = judge_pairs(made({"a": NOISE, "b": NOISE}), [("a", "b")])[0]
    assert same.advice == "No difference was seen." and same.verdict == "no difference shown"
    assert (same.difference.low, same.difference.high, same.p_value, same.probability) == (0.0, 0.0, 1.0, 0.5)


def test_own_test_rows_add_their_own_variance() -> None:
    """With 5 groups: the variance over repeats, and the jackknife's over the rows, with 4 degrees of freedom."""
    draw = np.random.default_rng(1)
    a, b = (runs(0.9 + draw.normal(0, 0.01, 10), without=0.9 + draw.normal(0, 0.01, (10, 5))) for _ in range(2))
    found = replace(made({"a": a.scores}), data=data(own_test=True))
    test = difference_of(a, b, found)
    without = (a.without - b.without).mean(0)
    expected = (a.scores - b.scores).var(ddof=1) / 10 + 4 / 5 * ((without - without.mean()) ** 2).sum()
    assert test.error**2 == pytest.approx(expected, rel=1e-12) and test.freedom == 4
    assert "the data's own" in scope(found) and "draws 20 test rows" in scope(made({"a": a.scores}))


def test_failures_are_told_with_what_they_count_for() -> None:
    one = replace(runs(NOISE), failed=(1, 4, 7), unanswered=(4,))
    (told,) = failures(replace(made({"x": NOISE}), runs={"a": one, "b": runs(NOISE)}))
    assert "3 of 10 networks of 'a' failed" in told
    assert "2 with the best weights from before and 1 with the score of a constant answer" in told


def test_a_frame_has_one_line_a_pair() -> None:
    found = judge_pairs(made({"a": NOISE, "b": -NOISE, "c": 2 * NOISE}), [("a", "b"), ("a", "c"), ("b", "c")])
    frame = frame_of(found)
    assert frame["second"].tolist() == ["b", "c", "c"] and frame["low"].tolist() == [p.difference.low for p in found]
    assert frame["bootstrap_high"].tolist() == [p.bootstrap.high for p in found]
    assert frame_of([]).empty


def several(metric: str = "accuracy") -> list[Repeats]:
    draw = np.random.default_rng(2)
    sets = []
    for i in range(12):
        base = draw.uniform(0.5, 0.9)
        scores = {name: base + add + draw.normal(0, 0.005, 4) for name, add in (("a", 0.06), ("b", 0.0), ("c", 0.0))}
        sets.append(made(scores, metric=metric, name=f"set {i}"))
    return sets


def test_over_several_data_sets_ranks_decide() -> None:
    sets = several()
    found = rank_recipes(sets, [("a", "b"), ("b", "c"), ("b", "a")])
    means = np.array([[run.scores.mean() for run in one.runs.values()] for one in sets])
    expected = stats.friedmanchisquare(*means.T)
    assert found.friedman.chi_square == pytest.approx(expected.statistic)
    assert found.ranks["a"] == 1.0 and found.cliques == (tuple(sorted("bc", key=lambda n: found.ranks[n])),)
    assert [p.verdict for p in found.pairs] == ["better", "no difference shown", "worse"]
    assert found.pairs[0].p_value == pytest.approx(stats.wilcoxon(means[:, 0], means[:, 1]).pvalue)
    errors = rank_recipes(several("rmse"), [("a", "b")])
    assert errors.ranks["a"] == 3.0 and errors.pairs[0].verdict == "worse"


def test_errors_in_units_count_by_what_a_constant_answer_scores() -> None:
    """A data set in a unit a thousand times as small would else outweigh all others in signed ranks."""
    sets = [made({"a": np.full(3, 0.4), "b": np.full(3, 0.3 + i / 100)}, metric="rmse") for i in range(6)]
    scaled = [
        replace(
            one,
            constant=one.constant * 10.0**i,
            runs={name: replace(run, scores=run.scores * 10.0**i) for name, run in one.runs.items()},
        )
        for i, one in enumerate(sets)
    ]
    pair = [("a", "b")]
    assert rank_recipes(scaled, pair).pairs == rank_recipes(sets, pair).pairs


def test_signed_sum_is_the_difference_of_both_sums() -> None:
    d = np.random.default_rng(0).normal(size=9)
    smaller = stats.wilcoxon(d).statistic
    assert abs(signed_sum(d)) == pytest.approx(45 - 2 * smaller)
