"""Sequences as a network sees them: numbers of each step and channel, zeros behind the end, and the lengths."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wellposed.inputs.dataset import Sequences
from wellposed.inputs.encode import TableEncoder


@dataclass(frozen=True, kw_only=True)
class SequenceEncoder:
    """How sequences are encoded: their steps as rows of a table, categories as one number for each that is known.

    Attributes:
        steps: How a step is encoded, fitted to all steps of the training sequences.
        length: Steps that are kept of a sequence, from its beginning: those of the longest training sequence.
        column: Name of the column that says which sequence a step belongs to.
        step: Name of the column that orders steps; empty where the order of the rows does.

    >>> import pandas as pd
    >>> steps = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "x", "y"]})
    >>> pair = Sequences(steps, np.array([2, 1]), np.array(["u", "v"]), "id")
    >>> encoder = SequenceEncoder.fit(pair)
    >>> encoder.channels, [t.tolist() for t in encoder.encode(pair)]
    (('a', 'b: x', 'b: y'), [[[[1.0, 1.0, 0.0], [2.0, 1.0, 0.0]], [[3.0, 0.0, 1.0], [0.0, 0.0, 0.0]]], [[2], [1]]])
    """

    steps: TableEncoder
    length: int
    column: str
    step: str = ""

    @classmethod
    def fit(
        cls, features: Sequences, *, infinite_is_missing: bool = False, where: str = "The sequences"
    ) -> "SequenceEncoder":
        """Learn the channels and the length from training sequences.

        Args:
            features: The sequences.
            infinite_is_missing: Take infinities as missing instead of refusing them.
            where: What a message calls them.
        """
        steps = TableEncoder.fit(features.steps, infinite_is_missing=infinite_is_missing, where=where)
        return cls(steps=steps, length=int(features.lengths.max()), column=features.column, step=features.step)

    def encode(
        self, features: Sequences, *, dtype: torch.dtype = torch.float32, where: str = "The sequences"
    ) -> tuple[Float[Tensor, "N T D"], Int64[Tensor, "N 1"]]:
        """Numbers of each step, 0 behind the last; and the lengths.

        Args:
            features: The sequences; of longer ones than `length` the rest is left out.
            dtype: Type of the numbers.
            where: What a message calls the sequences.
        """
        numbers, codes = self.steps.encode(features.steps, dtype=dtype, where=where)
        known = [
            codes[:, [j]] == torch.arange(2, n) for j, n in enumerate(self.steps.cardinalities)
        ]  # missing and unseen categories are zeros
        table = torch.cat([numbers, *[one_hot.to(dtype) for one_hot in known]], dim=1)
        lengths = torch.from_numpy(np.minimum(features.lengths, self.length))
        kept = within(torch.from_numpy(features.lengths), self.length).flatten()
        places = torch.from_numpy(np.cumsum(features.lengths) - features.lengths)[:, None] + torch.arange(self.length)
        x = torch.zeros(len(features), self.length, table.shape[1], dtype=dtype)
        x.flatten(0, 1)[kept] = table[places.flatten()[kept]]
        return x, lengths[:, None]

    def told(self, features: Sequences) -> tuple[str, ...]:
        """A note of sequences that are cut, or no note."""
        n = int((features.lengths > self.length).sum())
        if not n:
            return ()
        what = "1 sequence is longer than the longest" if n == 1 else f"{n} sequences are longer than the longest"
        return (f"{what} of the training rows and cut at {self.length} steps.",)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the numbers of a step."""
        fields = {field.name: field for field in self.steps.fields}
        known = [f"{name}: {text}" for name in self.steps.category_names for text in fields[name].to_json()["known"]]
        return (*self.steps.numeric_names, *known)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was told and carried on with."""
        return self.steps.notes

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        return {"steps": self.steps.to_json(), "length": self.length, "column": self.column, "step": self.step}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "SequenceEncoder":
        """The value that `to_json` wrote."""
        steps = TableEncoder.from_json(plain["steps"])
        return cls(steps=steps, length=plain["length"], column=plain["column"], step=plain["step"])


def within(lengths: Int64[Tensor, " N"], longest: int) -> Bool[Tensor, "N T"]:
    """Which of the padded steps are steps of the sequence.

    >>> within(torch.tensor([1, 3]), 2).tolist()
    [[True, False], [True, True]]
    """
    return torch.arange(longest, device=lengths.device) < lengths[:, None]
