"""What crosses from the inputs to the rest: raw data as loaded, and encoded rows as a network sees them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

Task: TypeAlias = Literal["classification", "regression"]
Kind: TypeAlias = Literal["table", "images", "text", "sequence"]


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of a column.

    Attributes:
        values: `N` texts, as written; a missing one is empty.
        column: Name of the column.
    """

    values: np.ndarray
    column: str

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Int64[np.ndarray, " M"]) -> "Texts":
        """The texts of these positions, in this order."""
        return Texts(self.values[rows], self.column)


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of steps, each of a length of its own.

    Attributes:
        steps: All steps, sequence by sequence, in their order in time: one column a channel.
        lengths: `N` numbers of steps.
        ids: `N` names of the sequences, as written.
        column: Name of the column that says which sequence a step belongs to.
        step: Name of the column that says where in its sequence a step stands; empty where the order of the rows does.
    """

    steps: pd.DataFrame
    lengths: Int64[np.ndarray, " N"]
    ids: np.ndarray
    column: str
    step: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int64[np.ndarray, " M"]) -> "Sequences":
        """The sequences of these positions, in this order, whole.

        >>> steps = pd.DataFrame({"a": [1, 2, 3, 4]})
        >>> pair = Sequences(steps, np.array([3, 1]), np.array(["u", "v"]), "id").take(np.array([1, 0]))
        >>> pair.steps["a"].tolist(), pair.lengths.tolist(), pair.ids.tolist()
        ([4, 1, 2, 3], [1, 3], ['v', 'u'])
        """
        lengths = self.lengths[rows]
        starts = (np.cumsum(self.lengths) - self.lengths)[rows] - (np.cumsum(lengths) - lengths)
        places = np.repeat(starts, lengths) + np.arange(lengths.sum())
        steps = self.steps.iloc[places].reset_index(drop=True)
        return Sequences(steps, lengths, self.ids[rows], self.column, self.step)


Features: TypeAlias = pd.DataFrame | np.ndarray | Texts | Sequences


@dataclass(frozen=True, eq=False)
class Part:
    """Raw rows: features as they were read, and the target that belongs to each.

    Attributes:
        features: A frame with one column a feature (table); an array of pixels `N H W` or `N H W C`
            as they were read, in [0, 255] or in [0, 1] (images); texts; or sequences.
        target: `N` class labels (any type, as read) or `N` numbers.
    """

    features: Features
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: np.ndarray) -> "Part":
        """The rows of these positions, in this order."""
        return Part(take(self.features, rows), self.target[rows])


def take(features: Features, rows: Int64[np.ndarray, " M"]) -> Features:
    """The rows of these positions, in this order, whatever they are."""
    if isinstance(features, Texts | Sequences):
        return features.take(rows)
    return features.iloc[rows] if isinstance(features, pd.DataFrame) else features[rows]


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
        flags: What the command line was told of the columns, as words of a command.
    """

    name: str
    kind: Kind
    task: Task
    target: str
    rows: Part
    test: Part | None
    notes: tuple[str, ...]
    fingerprint: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """Encoded rows: what a network sees.

    Attributes:
        x: `N D` numbers (table), `N C H W` pixels (images), `N T D` steps (sequences), or `N 0` (texts); finite.
        codes: `N J` whole numbers: categories as codes, one column a categorical feature; tokens, 0 behind the last; or
            the length of each sequence. `J` is 0 where there are none.
        y: `N` class codes (int64), `N C` class probabilities, or `N 1` scaled targets (the dtype of `x`).
        weight: `N` weights of rows, or None when all weigh the same.
        words: The word of each token, where the rows are texts.
    """

    x: Float[Tensor, "N *shape"]
    codes: Int64[Tensor, "N J"]
    y: Tensor
    weight: Float[Tensor, " N"] | None = None
    words: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Int64[Tensor, " M"]) -> "Rows":
        """The rows of these positions, in this order."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.x[rows], self.codes[rows], self.y[rows], weight, self.words)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Rows":
        """The same rows on a device, with numbers of this type."""
        y = self.y.to(device, dtype if self.y.is_floating_point() else self.y.dtype)
        weight = None if self.weight is None else self.weight.to(device, dtype)
        return Rows(self.x.to(device, dtype), self.codes.to(device), y, weight, self.words)
