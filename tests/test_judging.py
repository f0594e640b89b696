"""Oracles: scikit-learn's metrics, and the jackknife of a mean, which is known."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch

from wellposed.judging import HIGHER, groups_of, is_higher_better, jackknife_variance, judge, judge_without

DRAW = np.random.default_rng(0)
P, Y = DRAW.dirichlet(np.ones(3), size=40), np.arange(40) % 3
X, T = DRAW.normal(size=40), DRAW.normal(size=40)
NUMBERS = {
    "rmse": sklearn.metrics.root_mean_squared_error,
    "mae": sklearn.metrics.mean_absolute_error,
    "r2": sklearn.metrics.r2_score,
}


def test_classes_are_judged_as_scikit_learn_does() -> None:
    p, y = torch.tensor(P), torch.tensor(Y)
    assert judge("accuracy", p, y) == pytest.approx(sklearn.metrics.accuracy_score(Y, P.argmax(1)))
    assert judge("cross_entropy", p, y) == pytest.approx(sklearn.metrics.log_loss(Y, P))
    auc = sklearn.metrics.roc_auc_score(Y, P, multi_class="ovr")
    assert judge("auc", p, y) == pytest.approx(auc)
    sure = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert judge("cross_entropy", sure, torch.tensor([0, 0])) == pytest.approx(-math.log(2.2e-16) / 2, rel=1e-3)
    assert math.isfinite(judge("brier", sure, torch.tensor([0, 0])))


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_judged_as_scikit_learn_does(name: str) -> None:
    assert judge(name, torch.tensor(X)[:, None], torch.tensor(T)) == pytest.approx(NUMBERS[name](T, X))


def test_every_metric_has_a_side_and_can_be_asked_for() -> None:
    assert [name for known in HIGHER.values() for name in known if is_higher_better(name)] == [
        "accuracy", "balanced_accuracy", "auc", "r2",
    ]  # fmt: skip
    for task, known in HIGHER.items():
        for name in known:
            answer, truth = (P, Y) if task == "classification" else (X[:, None], T)
            assert math.isfinite(judge(name, torch.tensor(answer), torch.tensor(truth)))


def test_groups_are_of_nearly_one_size() -> None:
    assert np.bincount(groups_of(45, 20)).tolist() == [3] * 5 + [2] * 15
    assert sorted(groups_of(7, 20).tolist()) == list(range(7))


def test_leaving_out_groups_is_judging_the_rest() -> None:
    groups = groups_of(40, 20)
    found = judge_without("accuracy", torch.tensor(P), torch.tensor(Y), groups)
    expected = [judge("accuracy", torch.tensor(P[groups != g]), torch.tensor(Y[groups != g])) for g in range(20)]
    assert found.tolist() == expected


def test_variance_over_rows_is_that_of_the_rmse_by_the_delta_method() -> None:
    """1,000 rows: the variance of a root of a mean of squares is s^2 / (4 n mean); groups of 50 scatter by a third."""
    errors = np.random.default_rng(1).normal(size=1000)
    zero = torch.zeros(1000, 1, dtype=torch.float64)
    found = jackknife_variance(judge_without("rmse", zero, torch.tensor(errors), groups_of(1000, 20)))
    squares = errors**2
    assert found == pytest.approx(squares.var() / (4 * 1000 * squares.mean()), rel=0.9)
