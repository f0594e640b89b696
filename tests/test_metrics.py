"""Oracle: scikit-learn in float64, member by member; rtol 1e-12, since sums run in another order."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import Tensor

from wellposed import metrics
from wellposed.errors import BadInput

K, N = 3, 200
CLASSIFIER = [
    metrics.accuracy,
    metrics.balanced_accuracy,
    metrics.cross_entropy,
    metrics.brier,
    metrics.auc,
    metrics.calibration_error,
]
REGRESSOR = [metrics.rmse, metrics.mae, metrics.r2]


def case(n_classes: int, *, n_decimals: int = 9, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits K N C (few decimals make ties), classes N, weights N of which some are zero."""
    g = torch.Generator().manual_seed(seed)
    outputs = torch.randn(K, N, n_classes, generator=g, dtype=torch.float64).round(decimals=n_decimals)
    y = torch.randint(n_classes, (N,), generator=g)
    return outputs, y, torch.randint(4, (N,), generator=g).double()


def slow_calibration_error(p: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    confidence, right, total = p.max(-1), p.argmax(-1) == y, 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if w[inside].sum() > 0:
            gap = np.average(right[inside], weights=w[inside]) - np.average(confidence[inside], weights=w[inside])
            total += w[inside].sum() * abs(gap)
    return total / w.sum()


def oracle(p: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> dict[str, float]:
    c = p.shape[-1]
    area = {"y_score": p[:, 1]} if c == 2 else {"y_score": p, "multi_class": "ovr"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        balanced = sk.balanced_accuracy_score(y, p.argmax(-1), sample_weight=w)
    distance = ((p - np.eye(c)[y]) ** 2).sum(-1) / (2 if c == 2 else 1)
    return {
        "accuracy": sk.accuracy_score(y, p.argmax(-1), sample_weight=w),
        "balanced_accuracy": balanced,
        "cross_entropy": sk.log_loss(y, p, sample_weight=w, labels=np.arange(c)),
        "brier": np.average(distance, weights=w),
        "auc": sk.roc_auc_score(y, sample_weight=w, **area),
        "calibration_error": slow_calibration_error(p, y, np.ones(len(y)) if w is None else w),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_decimals", [9, 0])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_classification_is_scikit_learns(n_classes: int, n_decimals: int, weighted: bool) -> None:
    outputs, y, w = case(n_classes, n_decimals=n_decimals)
    weight = w if weighted else None
    p = outputs.softmax(-1)
    for k in range(K):
        expected = oracle(p[k].numpy(), y.numpy(), w.numpy() if weighted else None)
        assert metrics.classification_metrics(p[k], y, weight) == pytest.approx(expected, rel=1e-12)
        found = {metric.__name__: float(metric(outputs, y, weight)[k]) for metric in CLASSIFIER}
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_brier_is_scikit_learns(n_classes: int) -> None:
    outputs, y, w = case(n_classes)
    p = outputs[0].softmax(-1)
    expected = sk.brier_score_loss(y, p[:, 1] if n_classes == 2 else p, sample_weight=w, labels=range(n_classes))
    assert float(metrics.brier(outputs, y, w)[0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_is_scikit_learns(weighted: bool) -> None:
    outputs, _, w = case(1)
    y = case(1, seed=1)[0][0]
    weight, sample_weight = (w, w.numpy()) if weighted else (None, None)
    for k in range(K):
        pair = (y[:, 0].numpy(), outputs[k, :, 0].numpy())
        expected = {
            "rmse": sk.root_mean_squared_error(*pair, sample_weight=sample_weight),
            "mae": sk.mean_absolute_error(*pair, sample_weight=sample_weight),
            "r2": sk.r2_score(*pair, sample_weight=sample_weight),
        }
        assert metrics.regression_metrics(outputs[k, :, 0], y[:, 0], weight) == pytest.approx(expected, rel=1e-12)
        found = {metric.__name__: float(metric(outputs, y, weight)[k]) for metric in REGRESSOR}
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", CLASSIFIER + REGRESSOR)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_among_others_equals_alone(metric: Callable[..., Tensor], dtype: torch.dtype) -> None:
    """To the bit: rows are summed member by member."""
    outputs, y, w = case(3 if metric in CLASSIFIER else 1)
    outputs = outputs.to(dtype)
    target = y if metric in CLASSIFIER else case(1, seed=1)[0][0]
    for weight in (None, w):
        together = metric(outputs, target, weight)
        assert together.shape == (K,)
        assert together.dtype == torch.float64
        assert torch.equal(together, torch.cat([metric(outputs[k : k + 1], target, weight) for k in range(K)]))


@pytest.mark.parametrize("metric", CLASSIFIER + REGRESSOR)
def test_whole_weights_count_rows_and_no_weight_is_absence(metric: Callable[..., Tensor]) -> None:
    outputs, y, w = case(3 if metric in CLASSIFIER else 1)
    target = y if metric in CLASSIFIER else case(1, seed=1)[0][0]
    rows = torch.arange(N).repeat_interleave(w.long())
    repeated = metric(outputs[:, rows], target[rows])
    torch.testing.assert_close(metric(outputs, target, w), repeated, rtol=1e-12, atol=0)


@pytest.mark.parametrize("metric", CLASSIFIER + REGRESSOR)
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_failed_member_is_nan_and_the_others_never_notice(metric: Callable[..., Tensor], broken: float) -> None:
    outputs, y, _ = case(3 if metric in CLASSIFIER else 1)
    target = y if metric in CLASSIFIER else case(1, seed=1)[0][0]
    sound = metric(outputs, target)
    outputs[1, 5, 0] = broken
    found = metric(outputs, target)
    assert found[1].isnan()
    assert torch.equal(found[[0, 2]], sound[[0, 2]])


@pytest.mark.parametrize("metric", CLASSIFIER + REGRESSOR)
def test_no_rows_is_nan(metric: Callable[..., Tensor]) -> None:
    width, target = (3, torch.zeros(0, dtype=torch.int64)) if metric in CLASSIFIER else (1, torch.zeros(0, 1))
    assert metric(torch.zeros(K, 0, width), target).isnan().all()


def test_a_class_that_is_absent_is_left_out() -> None:
    outputs, y, _ = case(4)
    y = y % 3
    p = outputs.softmax(-1)
    present = [sk.roc_auc_score(y == c, p[0, :, c]) for c in range(3)]
    assert float(metrics.auc(outputs, y)[0]) == pytest.approx(np.mean(present), rel=1e-12)
    recalls = sk.recall_score(y, outputs[0].argmax(-1), average=None, labels=[0, 1, 2])
    assert float(metrics.balanced_accuracy(outputs, y)[0]) == pytest.approx(np.mean(recalls), rel=1e-12)


def test_one_class_has_no_area_and_the_rest_is_defined() -> None:
    for n_classes in (2, 3):
        found = metrics.classification_metrics(case(n_classes)[0][0].softmax(-1), torch.zeros(N, dtype=torch.int64))
        assert math.isnan(found.pop("auc"))
        assert all(math.isfinite(value) for value in found.values())


def test_a_constant_target_has_no_variance_to_explain() -> None:
    found = metrics.regression_metrics(torch.linspace(0, 1, 7), torch.full((7,), 0.1))
    assert math.isnan(found["r2"])
    assert math.isfinite(found["rmse"])
    weight = torch.tensor([1.0, 1.0, 0.0])
    assert math.isnan(metrics.regression_metrics(torch.ones(3), torch.tensor([0.1, 0.1, 5.0]), weight)["r2"])
    right = torch.tensor([1.0, 2.0])
    assert metrics.regression_metrics(right, right) == {"rmse": 0, "mae": 0, "r2": 1}


@pytest.mark.parametrize(("low", "high"), [(0.59, 0.6), (0.99, 1.0)])
def test_a_bin_of_confidence_holds_its_upper_end(low: float, high: float) -> None:
    p = torch.tensor([[low, 1 - low], [high, 1 - high]], dtype=torch.float64)
    found = metrics.classification_metrics(p, torch.tensor([1, 0]))["calibration_error"]
    assert found == pytest.approx(abs(low + high - 1) / 2, rel=1e-12)  # one bin: the errors offset each other


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    positive, negative = [s for s, c in rows if c], [s for s, c in rows if not c]
    won = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    p = torch.tensor([s / 4 for s, _ in rows], dtype=torch.float64)
    found = metrics.classification_metrics(torch.stack([1 - p, p], 1), torch.tensor([int(c) for _, c in rows]))["auc"]
    assert found == pytest.approx(np.mean(won) if won else math.nan, rel=1e-12, nan_ok=True)


def test_sure_and_wrong_is_finite_in_an_answer_and_infinite_in_training() -> None:
    y = torch.tensor([0, 1])
    p = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    expected = sk.log_loss(y.numpy(), p.numpy())  # float32: seven digits
    assert metrics.classification_metrics(p, y)["cross_entropy"] == pytest.approx(expected, rel=1e-6)
    assert metrics.cross_entropy(p.log()[None], y).item() == math.inf
    assert metrics.cross_entropy(p.log()[None], y, torch.tensor([0.0, 1.0])).item() == 0


def test_large_logits_in_half_precision_are_kept_apart() -> None:
    outputs = torch.tensor([[[0.0, 20.0], [0.0, 21.0], [0.0, 22.0]]], dtype=torch.bfloat16)
    assert metrics.auc(outputs, torch.tensor([0, 1, 1])).item() == 1.0


def test_a_class_without_a_column_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^y must hold classes in \[0, 1\]\. Got \[0, 2\]\.$"):
        metrics.classification_metrics(torch.full((2, 2), 0.5), torch.tensor([0, 2]))
