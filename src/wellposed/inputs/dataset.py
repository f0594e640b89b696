"""What crosses from the inputs to the rest: raw data as loaded, and encoded rows as a network sees them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

Task: TypeAlias = Literal["classification", "regression"]
Kind: TypeAlias = Literal["table", "images"]
Features: TypeAlias = pd.DataFrame | np.ndarray


@dataclass(frozen=True, eq=False)
class Part:
    """Raw rows: features as they were read, and the target that belongs to each.

    Attributes:
        features: A frame with one column a feature (table), or an array of pixels `N H W` or `N H W C`
            as they were read, in [0, 255] or in [0, 1] (images).
        target: `N` class labels (any type, as read) or `N` numbers.
    """

    features: Features
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: np.ndarray) -> "Part":
        """The rows of these positions, in this order."""
        features = self.features.iloc[rows] if isinstance(self.features, pd.DataFrame) else self.features[rows]
        return Part(features, self.target[rows])


@dataclass(frozen=True, eq=False)
class Data:
    """A data set as loaded: nothing is fitted to it yet, so nothing of its test rows can leak.

    Attributes:
        name: What the user called it, for people to read.
        kind: What its features are.
        task: What is asked.
        target: Name of the target.
        rows: The rows to learn from (and to split).
        test: The test rows, where the data bring their own.
        notes: What was told and carried on with: dropped columns and rows, decoding.
        fingerprint: SHA-256 over the content.
    """

    name: str
    kind: Kind
    task: Task
    target: str
    rows: Part
    test: Part | None
    notes: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Rows:
    """Encoded rows: what a network sees.

    Attributes:
        x: `N D` numbers (table) or `N C H W` pixels (images); finite.
        codes: `N J` categories as codes, one column a categorical feature; `J` is 0 where there are none.
        y: `N` class codes (int64), or `N 1` scaled targets (the dtype of `x`).
        weight: `N` weights of rows, or None when all weigh the same.
    """

    x: Float[Tensor, "N *shape"]
    codes: Int64[Tensor, "N J"]
    y: Tensor
    weight: Float[Tensor, " N"] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Int64[Tensor, " M"]) -> "Rows":
        """The rows of these positions, in this order."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.x[rows], self.codes[rows], self.y[rows], weight)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Rows":
        """The same rows on a device, with numbers of this type."""
        y = self.y.to(device, dtype if self.y.is_floating_point() else self.y.dtype)
        weight = None if self.weight is None else self.weight.to(device, dtype)
        return Rows(self.x.to(device, dtype), self.codes.to(device), y, weight)
