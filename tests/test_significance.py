"""Oracles: hand computation, scikit-learn's published example of the corrected test, simulated repeats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from wellposed.errors import BadInput
from wellposed.significance import CorrectedT, share_above_zero
from wellposed.statistics import mean_interval


def test_by_hand() -> None:
    """d = 1, 2, 3, 6: mean 3, variance 14/3; with ratio 1/4 the error is sqrt((1/4 + 1/4) 14/3) = sqrt(7/3)."""
    test = CorrectedT.of([1, 2, 3, 6], ratio=0.25)
    assert (test.n, test.mean, test.freedom) == (4, 3.0, 3)
    assert test.error == pytest.approx(math.sqrt(7 / 3), rel=1e-14)
    assert test.p_value == pytest.approx(2 * stats.t.sf(3 / math.sqrt(7 / 3), 3), rel=1e-12)
    interval = test.interval(0.9)
    half = 2.353363434801824 * math.sqrt(7 / 3)  # the quantile as tables print it
    assert (interval.low, interval.high) == pytest.approx((3 - half, 3 + half), rel=1e-9)
    assert test.probability_above_zero == pytest.approx(1 - test.p_value / 2, rel=1e-12)


def test_scikit_learns_published_example() -> None:
    """Statistical comparison of models using grid search: t 0.750, one-sided p 0.227; uncorrected 2.611 and 0.005."""
    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    scores = [
        cross_val_score(SVC(kernel=kernel, random_state=0), x, y, scoring="roc_auc", cv=folds)
        for kernel in ("rbf", "linear")
    ]
    corrected, plain = (CorrectedT.of(scores[0] - scores[1], ratio=ratio) for ratio in (10 / 90, 0.0))
    assert corrected.mean / corrected.error == pytest.approx(0.750, abs=5e-4)
    assert corrected.p_value / 2 == pytest.approx(0.227, abs=5e-4)
    assert plain.mean / plain.error == pytest.approx(2.611, abs=5e-4)
    assert plain.p_value / 2 == pytest.approx(0.005, abs=5e-4)
    assert corrected.probability_above_zero == pytest.approx(0.773, abs=5e-4)  # the page's Bayesian part


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(0, 1))
def test_without_correction_it_is_students_and_with_it_wider(values: list[float], ratio: float) -> None:
    plain, wide = CorrectedT.of(values).interval(), CorrectedT.of(values, ratio=ratio).interval()
    expected = mean_interval(values)
    assert (plain.low, plain.high) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)
    assert wide.low <= plain.low and plain.high <= wide.high


def test_equal_differences_have_no_spread() -> None:
    nothing = CorrectedT.of([0.0] * 5, ratio=0.2)
    assert (nothing.p_value, nothing.probability_above_zero, nothing.repeats_needed()) == (1.0, 0.5, None)
    assert 0.0 in nothing.interval()
    always = CorrectedT.of([0.1] * 5, ratio=0.2)
    assert always.p_value == pytest.approx(stats.binomtest(5, 5).pvalue)
    assert always.probability_above_zero == 1.0 and always.repeats_needed() == 2


def test_a_floor_adds_to_the_variance_and_takes_its_freedom() -> None:
    test = CorrectedT.of([1, 2, 3, 6], floor=2.0, most_freedom=2)
    assert test.error == pytest.approx(math.sqrt(14 / 12 + 2), rel=1e-14)
    assert test.freedom == 2


@pytest.mark.parametrize("repeats", [5, 30])
def test_power_is_that_of_simulated_repeats(repeats: int) -> None:
    """10,000 draws of dependent differences; the false-alarm rate of the bound of 4.5 sigma is below 1e-5."""
    ratio, mean = 0.25, 1.1
    rng = np.random.default_rng(3)
    shared = math.sqrt(ratio / (1 + ratio))  # correlation n_test / (n_test + n_train)
    d = mean + math.sqrt(1 + ratio) * (
        shared * rng.normal(size=(10_000, 1)) + math.sqrt(1 - shared**2) * rng.normal(size=(10_000, repeats))
    )  # within a draw: variance 1, as the noncentral t takes the seen one for the true one
    t = d.mean(1) / (d.std(1, ddof=1) * math.sqrt(1 / repeats + ratio))
    found = float((np.abs(t) > stats.t.ppf(0.975, repeats - 1)).mean())
    expected = CorrectedT(10, mean, 1.0, ratio, 9).power(repeats)
    assert abs(found - expected) < 4.5 * math.sqrt(expected * (1 - expected) / 10_000)


def test_repeats_needed_is_the_least_number_with_the_power() -> None:
    test = CorrectedT.of(np.random.default_rng(0).normal(0.5, 1.0, 10), ratio=0.0)
    needed = test.repeats_needed()
    assert needed is not None and test.power(needed) >= 0.8 > test.power(needed - 1)
    assert test.repeats_needed(alpha=0.01) > needed


def test_more_repeats_of_the_same_rows_are_not_more_rows() -> None:
    """With 0.25 test rows a training row a mean below 2.8 s / 2 is out of reach, however many repeats."""
    limit = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * math.sqrt(0.25)
    assert CorrectedT(10, limit * 0.99, 1.0, 0.25, 9).repeats_needed() is None
    assert CorrectedT(10, limit * 1.01, 1.0, 0.25, 9).repeats_needed() is not None
    assert CorrectedT(10, limit * 0.99, 1.0, 0.25, 9).power(math.inf) < 0.8


def test_power_does_not_leap_where_the_normal_takes_over() -> None:
    test = CorrectedT(10, 1.0, 10.0, 0.01, 9)
    assert test.power(500) == pytest.approx(test.power(501), abs=2e-3)
    powers = [test.power(n) for n in (2, 5, 20, 100, 400, 600, 5000, math.inf)]
    assert powers == sorted(powers)


def test_share_above_zero_counts_ties_half() -> None:
    assert share_above_zero([0.0, 0.0]) == 0.5
    assert share_above_zero([1, 2, -1, 3]) == 0.75


def test_refuse_what_is_no_sample() -> None:
    for values in ([1.0], [], [1.0, math.nan], [[1.0, 2.0]]):
        with pytest.raises(BadInput, match="differences must be"):
            CorrectedT.of(values)
    with pytest.raises(BadInput, match="ratio must be"):
        CorrectedT.of([1.0, 2.0], ratio=-1.0)
    with pytest.raises(BadInput, match="level must be"):
        CorrectedT.of([1.0, 2.0]).interval(1.0)
