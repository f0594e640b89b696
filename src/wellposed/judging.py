"""One number for answers, by the name of a metric, and how it varies with the rows that are asked.

A metric need be no mean over rows: its variance over rows is estimated by leaving out one of `G` groups of rows at a
time, $\\frac{G-1}{G}\\sum_g (\\theta_{-g} - \\bar\\theta)^2$, which holds for every smooth function of means.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 11.5 (the jackknife, here of groups).
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed import metrics

HIGHER: Mapping[str, Mapping[str, bool]] = {
    "classification": {
        "accuracy": True,
        "balanced_accuracy": True,
        "cross_entropy": False,
        "brier": False,
        "auc": True,
        "calibration_error": False,
    },
    "regression": {"rmse": False, "mae": False, "r2": True},
}
"""The metrics of each task, the first of which is the usual one, and whether higher is better."""

_OF_CLASSES = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    "cross_entropy": metrics.cross_entropy,
    "brier": metrics.brier,
    "auc": metrics.auc,
    "calibration_error": metrics.calibration_error,
}
_OF_NUMBERS = {"rmse": metrics.rmse, "mae": metrics.mae, "r2": metrics.r2}


def is_higher_better(metric: str) -> bool:
    """Whether a higher number is the better one."""
    return next(known[metric] for known in HIGHER.values() if metric in known)


def judge(metric: str, answer: Float[Tensor, "N C"], truth: Tensor) -> float:
    """The metric of an answer; NaN where it is not defined.

    >>> judge("accuracy", torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 0]))
    0.5

    Args:
        metric: Its name.
        answer: Class probabilities, or one column of numbers in the unit of the truth.
        truth: `N` class codes, or `N` numbers.
    """
    if metric in _OF_NUMBERS:
        return float(_OF_NUMBERS[metric](answer[None], truth[:, None]))
    if metric == "cross_entropy":  # a single 0 does not make it infinite
        answer = answer.clamp_min(torch.finfo(answer.dtype).eps)
    return float(_OF_CLASSES[metric](answer.log()[None], truth))


def groups_of(n: int, most: int) -> Int64[np.ndarray, " n"]:
    """The group of each of `n` rows: at most so many, of nearly equal size, drawn once and for all."""
    return np.random.default_rng(0).permutation(n) % min(n, most)


def judge_without(
    metric: str, answer: Float[Tensor, "N C"], truth: Tensor, groups: Int64[np.ndarray, " N"]
) -> Float[np.ndarray, " G"]:
    """The metric without the rows of each group in turn."""
    kept = [torch.as_tensor(np.flatnonzero(groups != g)) for g in range(int(groups.max()) + 1)]
    return np.array([judge(metric, answer[rows], truth[rows]) for rows in kept])


def jackknife_variance(without: Float[np.ndarray, " G"]) -> float:
    """The variance of a statistic of all rows, from its values without each group.

    >>> x = np.array([1.0, 2.0, 4.0, 7.0])  # of a mean it is the usual s^2 / n
    >>> without = (x.sum() - x) / 3
    >>> bool(np.isclose(jackknife_variance(without), x.var(ddof=1) / 4))
    True
    """
    n = len(without)
    return float((n - 1) / n * np.square(without - without.mean()).sum())
