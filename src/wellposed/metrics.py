"""How good answers are: one number a member from outputs of all members at once; every number of one answer by name.

Axes as everywhere: `K` members, `N` rows, `C` classes. Outputs of a classifier are logits: the softmax over `C` makes
them probabilities (so the logarithm of probabilities serves as well). Everything is computed in float64, whatever the
outputs are in. Rows may have weights; what weighs nothing counts as absent. Undefined is nan: no rows at all, an area
under the curve of one class, the share of a variance that is zero, every number of a member whose outputs hold nan or
plus infinity.

Sources: Brodersen et al., The Balanced Accuracy and Its Posterior Distribution, 2010; Brier, Verification of Forecasts
Expressed in Terms of Probability, 1950; Mann and Whitney, 1947 (the area as a share of pairs); Guo et al., On
Calibration of Modern Neural Networks, 2017, equation 5 (calibration error).
"""

from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.checks import refusal

Outputs: TypeAlias = Float[Tensor, "K N C"]
Predictions: TypeAlias = Float[Tensor, "K N 1"]
Weight: TypeAlias = Float[Tensor, " N"] | None
Score: TypeAlias = Float[Tensor, " K"]

N_BINS = 15
"""Bins of confidence in the calibration error, all of one width."""


def accuracy(outputs: Outputs, y: Int64[Tensor, " N"], weight: Weight = None) -> Score:
    """The share of rows whose largest output is that of their class (the first of equals)."""
    return _where_valid(outputs, _mean(_is_right(outputs, y), weight))


def balanced_accuracy(outputs: Outputs, y: Int64[Tensor, " N"], weight: Weight = None) -> Score:
    """The mean over the classes in `y` of the share of their rows that is answered right."""
    ours = _one_hot(y, outputs.shape[-1]) * _weights(weight, y)[:, None]
    recall = (_is_right(outputs, y) @ ours) / ours.sum(0)
    return _where_valid(outputs, recall.nanmean(-1))  # 0 / 0 for a class that is absent


def cross_entropy(outputs: Outputs, y: Int64[Tensor, " N"], weight: Weight = None) -> Score:
    """The mean of minus the natural logarithm of the probability of the right class."""
    right = outputs.double().log_softmax(-1).gather(-1, y.expand(len(outputs), -1)[..., None])
    return _where_valid(outputs, -_mean(right.squeeze(-1), weight))


def brier(outputs: Outputs, y: Int64[Tensor, " N"], weight: Weight = None) -> Score:
    """The mean squared distance of the probabilities from the truth, 0 to 2; of two classes half of it, 0 to 1.

    With two classes this is the mean of $(p - y)^2$ for the second class, as usual; scikit-learn does the same.
    """
    return _where_valid(outputs, _brier(outputs.double().softmax(-1), y, weight))


def auc(outputs: Outputs, y: Int64[Tensor, " N"], weight: Weight = None) -> Score:
    """The area under the ROC curve: the share of pairs of rows in the right order, a tie counting half.

    Of two classes that of the second; of more the plain mean of each class against the rest, over the classes that are
    in `y`. nan when `y` holds one class.
    """
    return _where_valid(outputs, _auc(outputs.double().softmax(-1), y, weight))


def calibration_error(outputs: Outputs, y: Int64[Tensor, " N"], weight: Weight = None) -> Score:
    """The mean over rows of |confidence - accuracy|, both averaged over the bin `(low, high]` that a row is in.

    Confidence is the largest probability. The error is biased upwards where bins hold few rows: compare at equal `N`.
    """
    return _where_valid(outputs, _calibration_error(outputs.double().softmax(-1), y, weight))


def rmse(outputs: Predictions, y: Float[Tensor, "N 1"], weight: Weight = None) -> Score:
    """The root of the mean squared error, in the unit of `y`."""
    return _where_valid(outputs, _mean(_errors(outputs, y).square(), weight).sqrt())


def mae(outputs: Predictions, y: Float[Tensor, "N 1"], weight: Weight = None) -> Score:
    """The mean absolute error, in the unit of `y`."""
    return _where_valid(outputs, _mean(_errors(outputs, y).abs(), weight))


def r2(outputs: Predictions, y: Float[Tensor, "N 1"], weight: Weight = None) -> Score:
    """The share of the variance of `y` that is explained; nan when `y` is constant, where there is none to explain."""
    truth = y.double().squeeze(-1)
    counted = truth[_weights(weight, y) > 0]
    variance = _mean((truth - _mean(truth, weight)).square(), weight)
    if not bool((counted != counted[:1]).any()):  # the mean may be rounded away from a constant
        variance = torch.full_like(variance, torch.nan)
    return _where_valid(outputs, 1 - _mean(_errors(outputs, y).square(), weight) / variance)


def classification_metrics(
    probabilities: Float[Tensor, "N C"], y: Int64[Tensor, " N"], weight: Weight = None
) -> dict[str, float]:
    """Every number of one answer of a classifier, by name.

    The cross-entropy takes no probability for smaller than the spacing of their dtype at 1, so that a single 0 does not
    make it infinite; scikit-learn does the same.

    Raises:
        BadInput: A class in `y` is none of the columns of `probabilities`.
    """
    n_classes = probabilities.shape[-1]
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < n_classes:
        raise refusal("y", f"hold classes in [0, {n_classes - 1}]", sorted({int(y.min()), int(y.max())}))
    tiny = torch.finfo(probabilities.dtype).eps
    p = probabilities.double()[None]
    right = p.gather(-1, y[None, :, None]).squeeze(-1).clamp(tiny, 1 - tiny)
    scores = {
        "accuracy": accuracy(p, y, weight),
        "balanced_accuracy": balanced_accuracy(p, y, weight),
        "cross_entropy": _where_valid(p, -_mean(right.log(), weight)),
        "brier": _where_valid(p, _brier(p, y, weight)),
        "auc": _where_valid(p, _auc(p, y, weight)),
        "calibration_error": _where_valid(p, _calibration_error(p, y, weight)),
    }
    return {name: float(score) for name, score in scores.items()}


def regression_metrics(
    prediction: Float[Tensor, " N"], y: Float[Tensor, " N"], weight: Weight = None
) -> dict[str, float]:
    """Every number of one answer of a regressor, by name; `prediction` and `y` in the unit of the data."""
    answer, truth = prediction[None, :, None], y[:, None]
    scores = {"rmse": rmse(answer, truth, weight), "mae": mae(answer, truth, weight), "r2": r2(answer, truth, weight)}
    return {name: float(score) for name, score in scores.items()}


def _brier(p: Outputs, y: Int64[Tensor, " N"], weight: Weight) -> Score:
    distance = (p - _one_hot(y, p.shape[-1])).square().sum(-1)
    return _mean(distance, weight) / (2 if p.shape[-1] == 2 else 1)


def _calibration_error(p: Outputs, y: Int64[Tensor, " N"], weight: Weight) -> Score:
    """Within a bin the rows' weights cancel: |sum of w (confidence - right)| of each bin, over the sum of w."""
    confidence, w = p.amax(-1), _weights(weight, y)
    bins = (confidence * N_BINS).ceil().nan_to_num(1).long().clamp(1, N_BINS) - 1
    gaps = (confidence - _is_right(p, y)) * w
    return confidence.new_zeros(len(p), N_BINS).scatter_add(-1, bins, gaps).abs().sum(-1) / w.sum()


def _auc(p: Outputs, y: Int64[Tensor, " N"], weight: Weight) -> Score:
    """Of each class against the rest: rows sorted by score, equal scores in one group, weights below summed up."""
    first = 1 if p.shape[-1] == 2 else 0
    scores, ours, w = p.mT[:, first:], _one_hot(y, p.shape[-1]).mT[first:], _weights(weight, y)
    ascending, order = scores.sort(-1)
    group = torch.zeros_like(order)
    group[..., 1:] = (ascending[..., 1:] != ascending[..., :-1]).cumsum(-1)
    positive = (ours * w).expand_as(scores).gather(-1, order)
    negative = ((1 - ours) * w).expand_as(scores).gather(-1, order)
    tied = torch.zeros_like(negative).scatter_add(-1, group, negative)
    below = tied.cumsum(-1) - tied
    won = (positive * (below + tied / 2).gather(-1, group)).sum(-1)
    return (won / (positive.sum(-1) * negative.sum(-1))).nanmean(-1)  # 0 / 0 for a class that is absent, or alone


def _is_right(outputs: Outputs, y: Int64[Tensor, " N"]) -> Float[Tensor, "K N"]:
    return (outputs.argmax(-1) == y).double()


def _errors(outputs: Predictions, y: Float[Tensor, "N 1"]) -> Float[Tensor, "K N"]:
    return (outputs.double() - y.double()).squeeze(-1)


def _one_hot(y: Int64[Tensor, " N"], n_classes: int) -> Float[Tensor, "N C"]:
    return torch.nn.functional.one_hot(y, n_classes).double()


def _weights(weight: Weight, y: Tensor) -> Float[Tensor, " N"]:
    ones = torch.ones(len(y), dtype=torch.float64, device=y.device)
    return ones if weight is None else weight.double()


def _mean(values: Float[Tensor, "*K N"], weight: Weight) -> Float[Tensor, "*K"]:
    """The weighted mean over rows; nan without any."""
    if weight is None:
        return values.mean(-1)
    w = weight.double()
    return torch.where(w > 0, values * w, 0.0).sum(-1) / w.sum()  # where: an infinite loss of a row that weighs nothing


def _where_valid(outputs: Float[Tensor, "K N _"], score: Score) -> Score:
    """nan for a member whose outputs hold nan or plus infinity (minus infinity is a probability of 0)."""
    broken = (outputs.isnan() | (outputs == torch.inf)).flatten(1).any(-1)
    return score.masked_fill(broken, torch.nan)
