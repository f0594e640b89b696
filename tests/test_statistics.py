"""Oracles: SciPy's intervals, and values worked out by hand or printed in the sources."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wellposed.errors import BadInput
from wellposed.statistics import (
    Interval,
    bootstrap_interval,
    holm,
    mean_interval,
    paired_interval,
    proportion_interval,
)

X = np.random.default_rng(0).normal(3.0, 2.0, size=20)
Y = np.random.default_rng(1).normal(2.5, 2.0, size=20)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("n", [2, 3, 20])
def test_mean_interval_is_scipys(level: float, n: int) -> None:
    found, x = mean_interval(X[:n], level=level), X[:n]
    assert found.estimate == pytest.approx(x.mean(), rel=1e-14)
    assert found.level == level
    assert ends(found) == pytest.approx(stats.t.interval(level, n - 1, x.mean(), stats.sem(x)), rel=1e-12)


def test_one_value_gives_the_whole_line_and_equal_values_no_width() -> None:
    for interval in (mean_interval([0.1]), bootstrap_interval([0.1], np.mean, seed=0)):
        assert interval == Interval(0.1, -math.inf, math.inf, 0.95)
        assert 1e300 in interval
    assert ends(mean_interval([0.1] * 10)) == (0.1, 0.1)
    assert ends(bootstrap_interval([0.1] * 10, np.median, seed=0)) == (0.1, 0.1)


def test_mean_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = sum(0.0 in mean_interval(rng.normal(size=5), level=0.9) for _ in range(2000))
    assert 0.9 in proportion_interval(covered, 2000, level=0.999)


def test_paired_interval_belongs_to_the_paired_t_test() -> None:
    test = stats.ttest_rel(X, Y)
    found = paired_interval(X, Y, level=0.9)
    expected = test.confidence_interval(0.9)
    assert ends(found) == pytest.approx((expected.low, expected.high), rel=1e-12)
    edge = paired_interval(X, Y, level=1 - test.pvalue)  # the level at which the interval just reaches zero
    assert min(abs(edge.low), abs(edge.high)) < 1e-9
    assert paired_interval(Y, X).estimate == -paired_interval(X, Y).estimate


def test_bootstrap_interval_is_scipys_bca_and_a_function_of_the_seed() -> None:
    expected = stats.bootstrap((X,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(7))
    found = bootstrap_interval(X, np.mean, seed=7, n_resamples=999)
    assert ends(found) == (expected.confidence_interval.low, expected.confidence_interval.high)
    assert found == bootstrap_interval(X, np.mean, seed=7, n_resamples=999)
    assert found != bootstrap_interval(X, np.mean, seed=8, n_resamples=999)


def test_bootstrap_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state(legacy=False)["state"]["pos"]  # noqa: NPY002
    bootstrap_interval(X, np.mean, seed=0, n_resamples=99)
    assert np.random.get_state(legacy=False)["state"]["pos"] == before  # noqa: NPY002


def test_bootstrap_takes_a_function_of_one_sample() -> None:
    def spread(x: np.ndarray) -> float:
        return float(np.subtract(*np.quantile(x, [0.75, 0.25])))

    found = bootstrap_interval(X, spread, seed=0, n_resamples=99)
    assert found.low <= found.estimate == spread(X) <= found.high


def test_bootstrap_of_a_statistic_that_hardly_varies_is_finite() -> None:
    found = bootstrap_interval([1.0] * 30 + [2.0], np.median, seed=0, n_resamples=99)
    assert ends(found) == (1.0, 1.0)


def test_holm_is_his_procedure() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float], a: float) -> None:
    rejected = set()
    for k, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - k) > a:
            break
        rejected.add(index)
    assert {i for i, p in enumerate(holm(p_values)) if p <= a} == rejected


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (990, 1000)])
def test_proportion_interval_is_scipys_wilson(successes: int, n: int, level: float) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    found = proportion_interval(successes, n, level=level)
    assert found.estimate == successes / n
    assert ends(found) == pytest.approx((expected.low, expected.high), rel=1e-12, abs=1e-15)
    assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_interval_holds_its_ends_and_never_nan() -> None:
    interval = Interval(0.5, 0.0, 1.0, 0.95)
    assert 0.0 in interval
    assert 1.0 in interval
    assert 1.1 not in interval
    assert math.nan not in interval


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: mean_interval([]), "values must be a list of at least one number. Got (0,)."),
        (lambda: mean_interval([[1.0]]), "values must be a list of at least one number. Got (1, 1)."),
        (lambda: mean_interval([1.0, math.nan]), "values must be finite. Got nan."),
        (lambda: mean_interval([1.0], level=95), "level must be in (0, 1). Got 95."),
        (lambda: paired_interval([1.0], [1.0, 2.0]), "a and b must have as many values. Got (1, 2)."),
        (lambda: paired_interval([1.0], [math.inf]), "b must be finite. Got inf."),
        (lambda: bootstrap_interval([1.0], np.mean, seed=0, n_resamples=0), "n_resamples must be at least 1. Got 0."),
        (lambda: bootstrap_interval([1.0], np.mean, seed=0, level=1), "level must be in (0, 1). Got 1."),
        (lambda: holm([0.5, math.nan]), "p_values must be a list of numbers in [0, 1]. Got [0.5, nan]."),
        (lambda: proportion_interval(0, 0), "n must be at least 1. Got 0."),
        (lambda: proportion_interval(3, 2), "successes must be in [0, 2]. Got 3."),
        (lambda: proportion_interval(1, 2, level=0), "level must be in (0, 1). Got 0."),
    ],
)
def test_refusals(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        call()
    assert str(caught.value) == sentence
