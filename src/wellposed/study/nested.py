"""A nested estimate: how well the whole procedure does, search and all, on rows that no part of it has seen.

The rows are split anew several times; each time everything is done again, and what comes of it is judged on the test
rows. The mean says what a search of this kind on so many rows is worth; no single recipe is judged by it.

Source: Varma & Simon, Bias in error estimation when using cross-validation for model selection, BMC Bioinformatics 7
(2006), 91. The interval: Nadeau & Bengio, Inference for the generalization error, 2003.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from wellposed import metrics
from wellposed.committee import Committee
from wellposed.inputs.dataset import Part
from wellposed.significance import CorrectedT
from wellposed.statistics import Interval
from wellposed.words import METRICS


@dataclass(frozen=True)
class Nested:
    """What the whole procedure has reached on test rows.

    Attributes:
        metric: "accuracy" or "rmse".
        scores: Of each repetition, on its test rows.
        found: What each repetition's search found on its validation rows for its best trial.
        interval: For the mean over such repetitions.
    """

    metric: str
    scores: tuple[float, ...]
    found: tuple[float, ...]
    interval: Interval

    @classmethod
    def of(cls, metric: str, scores: Sequence[float], found: Sequence[float], *, ratio: float) -> "Nested":
        """The estimate from at least two repetitions.

        Args:
            metric: What the scores are.
            scores: On test rows.
            found: On validation rows, of the best trials.
            ratio: Test rows over the others.
        """
        return cls(metric, tuple(scores), tuple(found), CorrectedT.of(scores, ratio=ratio).interval())

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        i, seen = self.interval, sum(self.found) / len(self.found)
        return (
            f"{METRICS[self.metric][0]} of the whole procedure on rows that it has not seen: {i.estimate:.4f}"
            f" [{i.low:.4f}, {i.high:.4f}] over {len(self.scores)} splits;"
            f" its best trials had {seen:.4f} on the rows that chose them"
        )


def judge_committee(committee: Committee, part: Part) -> float:
    """Accuracy, or the root mean squared error in the target's own unit; rows of unknown classes are wrong."""
    if committee.task == "classification":
        right = committee.predict(part.features).astype(str) == np.asarray(part.target).astype(str)
        return float(right.mean())
    answer = torch.as_tensor(committee.answer(part.features), dtype=torch.float64)
    target = torch.as_tensor(part.target.astype(np.float64)).unsqueeze(-1)
    return float(metrics.rmse(answer.unsqueeze(0), target))
