"""What is to be predicted, as codes or standardized numbers, and back again."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput
from wellposed.inputs.columns import numbers
from wellposed.inputs.dataset import Task
from wellposed.inputs.fields import LIMIT

Label: TypeAlias = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Target:
    """How a target is encoded, fitted to the training rows alone.

    Attributes:
        task: What is asked.
        classes: The labels, sorted, in their own types; the code of a label is its place here. Empty for regression.
        scale: Mean and standard deviation of the training targets, (0, 1) for classification; a constant target has
            deviation 1.

    >>> target = Target.fit(np.array(["no", "yes", "no"]), "classification")
    >>> target.encode(np.array(["yes", "no"])).tolist(), target.decode(np.array([1, 0])).tolist()
    ([1, 0], ['yes', 'no'])
    """

    task: Task
    classes: tuple[Label, ...] = ()
    scale: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def fit(cls, target: np.ndarray, task: Task, weight: np.ndarray | None = None) -> "Target":
        """Learn the labels, or the mean and deviation (weighted, if rows have weights)."""
        if task == "regression":
            return cls(task=task, scale=mean_and_deviation(_finite(target), weight))
        labels = set(_labels(target))
        if len(labels) < 2:
            raise refusal("The target", "have at least two classes", sorted(map(str, labels)))
        return cls(task=task, classes=tuple(sorted(labels, key=_order)))

    def encode(self, target: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
        """`N` class codes (int64), or `N 1` standardized numbers of type `dtype`; an unknown label is refused."""
        if self.task == "regression":
            mean, deviation = self.scale
            with np.errstate(over="ignore"):
                scaled = np.clip((_finite(target) - mean) / deviation, -LIMIT, LIMIT)
            return torch.from_numpy(scaled).to(dtype)[:, None]
        place = {label: code for code, label in enumerate(self.classes)}
        labels = _labels(target)
        unknown = next((label for label in labels if label not in place), None)
        if unknown is not None:
            hint = nearest(str(unknown), [str(label) for label in self.classes])
            raise refusal("A class label", "be one of those trained on", unknown, hint)
        return torch.tensor([place[label] for label in labels], dtype=torch.int64)

    def decode(self, encoded: np.ndarray | Tensor) -> np.ndarray:
        """Labels from class codes (any shape), or `N` numbers on the original scale from standardized ones."""
        values = encoded.detach().cpu().numpy() if isinstance(encoded, Tensor) else np.asarray(encoded)
        if self.task == "regression":
            mean, deviation = self.scale
            return np.asarray(values.reshape(-1).astype(np.float64) * deviation + mean)
        one_type = len({type(label) for label in self.classes}) == 1
        return np.asarray(np.array(self.classes, dtype=None if one_type else object)[values])

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        return {"task": self.task, "classes": list(self.classes), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Target":
        """The value that `to_json` wrote."""
        mean, deviation = plain["scale"]
        return cls(task=plain["task"], classes=tuple(plain["classes"]), scale=(float(mean), float(deviation)))


def mean_and_deviation(values: np.ndarray, weight: np.ndarray | None) -> tuple[float, float]:
    """Mean and (population) standard deviation, without overflow; the deviation of a constant is 1.

    >>> mean_and_deviation(np.array([1.0, 3.0]), None), mean_and_deviation(np.array([5.0, 5.0]), None)
    ((2.0, 1.0), (5.0, 1.0))
    """
    largest = float(np.abs(values).max(initial=0.0))
    unit = 1.0 if 1e-100 < largest < 1e100 or largest == 0 else largest
    mean = float(np.average(values / unit, weights=weight))
    deviation = float(np.sqrt(np.average((values / unit - mean) ** 2, weights=weight)))
    constant = deviation <= 1e-12 * abs(mean) or deviation * unit == 0.0
    return mean * unit, 1.0 if constant else deviation * unit


def _labels(target: np.ndarray) -> list[Label]:
    """The labels as Python values; a label cannot be missing."""
    array = np.asarray(target).reshape(-1)
    missing = pd.isna(array)
    if missing.any():
        raise BadInput(f"The target, row {int(missing.argmax()) + 1}: found a missing value, expected a class label.")
    labels = [label.item() if isinstance(label, np.generic) else label for label in array.tolist()]
    odd = next((label for label in labels if not isinstance(label, Label)), None)
    if odd is not None:
        raise refusal("A class label", "be text, a number or a boolean", odd)
    return labels


def _order(label: Label) -> tuple[bool, float, str]:
    """Numbers by size, then text by letter."""
    return (True, 0.0, label) if isinstance(label, str) else (False, float(label), "")


def _finite(target: np.ndarray) -> Float64[np.ndarray, " N"]:
    values = numbers(pd.Series(np.asarray(target).reshape(-1), name="target"), where="The rows")
    missing = np.isnan(values)
    if missing.any():
        raise BadInput(f"The target, row {int(missing.argmax()) + 1}: found a missing value, expected a number.")
    return values
