"""Oracles: Demšar's worked example and his tables, SciPy, scikit-posthocs where it is installed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wellposed.errors import BadInput
from wellposed.ranking import cliques, critical_difference, friedman, rank, signed_ranks

J48 = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
"""Areas under the curve of C4.5 and three ways to tune it on 14 data sets: Demšar 2006, table 6. (Of the two
printed as 0.975 the paper ranks the former higher.)"""


def test_demsars_worked_example() -> None:
    """Section 3.2.2: average ranks, chi-square 9.28, F 3.69, and CD 1.25 for four on fourteen data sets."""
    ranks = rank(J48, higher_is_better=True)
    assert ranks.mean(0).tolist() == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    found = friedman(ranks)
    assert found.chi_square == pytest.approx(9.28, abs=6e-3)
    assert found.f == pytest.approx(3.69, abs=6e-3)
    assert found.p_value == pytest.approx(stats.chi2.sf(9.28, 3), abs=1e-3)
    assert found.f_p_value < 0.05
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, level=0.9) == pytest.approx(1.12, abs=5e-3)


def test_demsars_signed_ranks() -> None:
    """Section 3.1.3: C4.5 against the one with tuned m; the smaller sum of ranks is 12, below the table's 21."""
    differences = J48[:, 1] - J48[:, 0]
    assert stats.wilcoxon(differences, zero_method="zsplit").statistic == 12.0
    assert signed_ranks(differences.tolist()) < 0.05
    assert signed_ranks([0.0, 0.0]) == 1.0
    assert signed_ranks([1.0, 2.0, 3.0]) == pytest.approx(0.25)  # exact: 2 of 8 signs


@pytest.mark.parametrize(
    ("k", "q"), list(zip(range(2, 11), [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164], strict=True))
)
def test_nemenyis_values_are_those_of_demsars_table_5(k: int, q: float) -> None:
    assert critical_difference(k, 10) == pytest.approx(q * math.sqrt(k * (k + 1) / 60), abs=1e-3)


@given(seed=st.integers(0, 10_000), n=st.integers(3, 12), k=st.integers(3, 6))
def test_friedman_is_scipys_without_ties(seed: int, n: int, k: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(n, k))
    expected = stats.friedmanchisquare(*scores.T)
    found = friedman(rank(scores, higher_is_better=False))
    assert (found.chi_square, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


def test_data_sets_that_agree_leave_no_doubt() -> None:
    found = friedman(rank(np.array([[3.0, 2.0, 1.0]] * 5), higher_is_better=True))
    assert found.chi_square == 10.0 and math.isinf(found.f) and found.f_p_value == 0.0
    nothing = friedman(rank(np.ones((5, 3)), higher_is_better=True))
    assert (nothing.chi_square, nothing.p_value, nothing.f_p_value) == (0.0, 1.0, 1.0)


def test_cliques_are_the_bars_of_demsars_diagram() -> None:
    """At 5 % nobody is told apart; at 10 % C4.5 is worse than the two with tuned m: his figure 1a."""
    ranks = rank(J48, higher_is_better=True).mean(0).tolist()
    assert cliques(ranks, critical_difference(4, 14)) == ((3, 1, 2, 0),)
    assert cliques(ranks, critical_difference(4, 14, level=0.9)) == ((3, 1, 2), (2, 0))
    assert cliques(ranks, 0.01) == ()
    assert cliques([1.0, 2.0], 1.0) == ()  # as much as the critical difference is told apart


@given(st.lists(st.floats(1, 8), min_size=2, max_size=8), st.floats(0.1, 4))
def test_two_share_a_clique_exactly_if_they_cannot_be_told_apart(ranks: list[float], difference: float) -> None:
    groups = cliques(ranks, difference)
    for i in range(len(ranks)):
        for j in range(i):
            low, high = sorted((ranks[i], ranks[j]))
            assert any({i, j} <= set(group) for group in groups) == (high - low < difference)
    assert not any(set(a) <= set(b) for a in groups for b in groups if a is not b)


def test_nemenyi_agrees_with_scikit_posthocs() -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    scores = np.random.default_rng(1).normal(size=(10, 4)) + np.array([0.0, 0.4, 1.2, 2.0])
    p = np.asarray(posthocs.posthoc_nemenyi_friedman(scores))
    ranks, limit = rank(scores, higher_is_better=True).mean(0), critical_difference(4, 10)
    apart = np.abs(ranks[:, None] - ranks) >= limit
    assert apart.any() and np.array_equal(apart, p < 0.05)


def test_refuse_a_single_data_set() -> None:
    with pytest.raises(BadInput, match="two competitors or more"):
        friedman(np.ones((1, 3)))
