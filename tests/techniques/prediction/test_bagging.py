"""The identity against draws, and out-of-bag answers against scikit-learn's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier

from wellposed.techniques.prediction.bagging import decompose_errors, out_of_bag


@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 1000))
def test_what_is_predicted_is_what_is_measured(k: int, n: int, seed: int) -> None:
    errors = torch.randn(k, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5
    found = decompose_errors(errors)
    assert found.predicted == pytest.approx(found.measured, rel=1e-9, abs=1e-12)
    own = errors.numpy()
    assert found.v == pytest.approx(float(np.mean(own**2)), rel=1e-9)
    pairs = [float(np.mean(own[i] * own[j])) for i in range(k) for j in range(k) if i != j]
    assert found.c == pytest.approx(float(np.mean(pairs)) if pairs else 0.0, rel=1e-9, abs=1e-12)


def test_errors_of_known_variance_and_covariance() -> None:
    """Normal with v = 2 and c = 0.5: v/k + (k-1)c/k = 0.8 for k = 5. Of 200000 draws the mean's square deviates by
    0.8 * sqrt(2/200000) = 0.0025, v and c by less: 6 deviations, one false alarm in 1e8."""
    k, v, c = 5, 2.0, 0.5
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(1, 200_000, generator=generator, dtype=torch.float64) * c**0.5
    own = torch.randn(k, 200_000, generator=generator, dtype=torch.float64) * (v - c) ** 0.5
    found = decompose_errors(common + own)
    assert found.measured == pytest.approx(0.8, abs=6 * 0.0025)
    assert found.v == pytest.approx(v, abs=6 * 0.004)
    assert found.c == pytest.approx(c, abs=6 * 0.0025)


def test_errors_in_common_are_not_helped_and_independent_ones_are_divided() -> None:
    same = decompose_errors(torch.ones(4, 3))
    assert same == (1.0, 1.0, 1.0, 1.0)
    apart = decompose_errors(torch.eye(4))
    assert (apart.v, apart.c, apart.predicted, apart.measured) == (0.25, 0.0, 0.0625, 0.0625)


def test_out_of_bag_answers_are_scikit_learns() -> None:
    x, y = load_iris(return_X_y=True)
    theirs = BaggingClassifier(n_estimators=40, oob_score=True, random_state=0).fit(x, y)
    outputs = torch.tensor(np.stack([tree.predict_proba(x) for tree in theirs.estimators_]))
    owned = torch.tensor(np.stack(theirs.estimators_samples_), dtype=torch.int64)
    np.testing.assert_allclose(out_of_bag(outputs, owned).numpy(), theirs.oob_decision_function_, rtol=1e-12)


def test_rows_that_all_own_have_no_answer_and_a_bad_member_counts_where_it_is_asked_alone() -> None:
    outputs = torch.tensor([[[1.0], [2.0], [3.0]], [[torch.nan], [4.0], [5.0]]])
    found = out_of_bag(outputs, torch.tensor([[2, 2], [0, 2]]))
    assert found[:2].tolist() == [[1.0], [3.0]]
    assert found[2].isnan().all()
