r"""Voting: the members' answers become one, whose error is at most their average error (squared, or cross-entropy).

$$p(c \mid x) = \frac{1}{K} \sum_k p_k(c \mid x) \quad\text{or}\quad
p(c \mid x) = \frac{1}{K} \sum_k \big[c = \arg\max_{c'} p_k(c' \mid x)\big]$$

The majority of numbers is their median.

Source: Breiman, Bagging predictors, Machine Learning 24 (1996), 123-140, https://doi.org/10.1007/BF00058655, sections 2
and 4 (both forms, and the inequality for the mean).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.places import PredictionTechnique

TIE = 0.01
"""What all mean probabilities together weigh against one vote: they decide between classes of equal votes only."""


def share_votes(outputs: Float[Tensor, "K N C"]) -> Float[Tensor, "N C"]:
    """Share of the members that hold each class most probable; equal shares lean to the higher mean probability.

    Usable alone.

    >>> import torch
    >>> share_votes(torch.tensor([[[0.9, 0.1]], [[0.3, 0.7]]]))
    tensor([[0.5005, 0.4995]])
    """
    votes = F.one_hot(outputs.argmax(-1), outputs.shape[-1]).to(outputs.dtype).mean(0)
    return votes.lerp(outputs.mean(0), TIE / len(outputs))


def take_median(outputs: Float[Tensor, "K N C"]) -> Float[Tensor, "N C"]:
    """Median over members; of an even number the mean of the middle two. Usable alone.

    >>> import torch
    >>> take_median(torch.tensor([[[1.0]], [[2.0]], [[9.0]], [[3.0]]]))
    tensor([[2.5000]])
    """
    k, ordered = len(outputs), outputs.sort(dim=0).values
    return ordered[(k - 1) // 2].lerp(ordered[k // 2], 0.5)


@dataclass(frozen=True, kw_only=True)
class Vote(PredictionTechnique):
    """Answer with the mean of all members, or with what most of them say.

    Args:
        how: "mean" of the probabilities or numbers; "majority" gives shares of votes, or the median of numbers.
    """

    how: Literal["mean", "majority"] = "mean"

    def fit(self, outputs: Float[Tensor, "K N C"], y: Tensor) -> dict[str, Tensor]:
        return {}

    def predict(self, outputs: Float[Tensor, "K N C"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N C"]:
        if self.how == "mean":
            return outputs.mean(0)
        return share_votes(outputs) if outputs.shape[-1] > 1 else take_median(outputs)
