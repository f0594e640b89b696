r"""Patience: stop when the last evaluations have brought nothing better than the best before them.

$$\text{stop at } E \text{ if } \min_{E - p < e \le E} s_e \ge \min_{e \le E - p} s_e - \delta$$

With $\delta = 0$: stop when the best score is at least $p$ evaluations old. A score that is no number is never best.

Source: Goodfellow, Bengio & Courville, Deep Learning, 2016, https://www.deeplearningbook.org, algorithm 7.1; compared
with other rules: Prechelt, Early stopping - but when?, 1998, section 2.2.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wellposed.checks import check_count, check_number
from wellposed.techniques.places import Curves, EndTechnique
from wellposed.techniques.technique import Technique


def run_out_of_patience(scores: Float[Tensor, "*K E"], epochs: int, *, min_delta: float = 0.0) -> Bool[Tensor, "*K"]:
    """Whether the last `epochs` scores are no better than those before, by more than `min_delta`; lower is better.

    Usable alone with one curve.

    >>> run_out_of_patience(torch.tensor([[3.0, 1.0, 2.0, 2.0], [3.0, 2.0, 2.0, 1.0]]), 2)
    tensor([ True, False])
    """
    if scores.shape[-1] <= epochs:
        return torch.zeros(scores.shape[:-1], dtype=torch.bool, device=scores.device)
    scores = torch.where(scores.isnan(), math.inf, scores)
    before, recent = scores[..., :-epochs].amin(-1), scores[..., -epochs:].amin(-1)
    return recent >= before - min_delta


@dataclass(frozen=True, kw_only=True)
class Patience(EndTechnique):
    """Stop a member when its validation score has not improved for a while; its best weights are kept.

    Args:
        epochs: How many evaluations to wait for something better.
        min_delta: How much better it must be, in units of the score.
    """

    epochs: int = 20
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("Patience.epochs", self.epochs)
        check_number("Patience.min_delta", self.min_delta, low=0)

    def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
        return run_out_of_patience(curves.validation, self.epochs, min_delta=self.min_delta)
