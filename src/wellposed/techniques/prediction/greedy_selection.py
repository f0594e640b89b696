r"""Greedy selection: members join the ensemble one by one, each time the one that helps most, and may join again.

$$i_t = \arg\min_i \; \operatorname{loss}\!\Big(\frac{1}{t}\Big(p_i + \sum_{s<t} p_{i_s}\Big)\Big)$$

on validation rows, by cross-entropy of probabilities or by squared error of numbers. Of all these ensembles the one of
the lowest loss answers: the mean of its members, each as often as it was chosen.

Good for members of unequal quality, such as those of a search: the bad ones are left out. Bad with few validation rows,
to which it overfits; members that differ by their seed alone are best averaged equally.

Source: Caruana, Niculescu-Mizil, Crew & Ksikes, Ensemble selection from libraries of models, 2004,
https://doi.org/10.1145/1015330.1015432, section 2 (selection with replacement: section 2.1).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_count
from wellposed.techniques.places import PredictionTechnique
from wellposed.techniques.technique import Technique


def select_greedily(outputs: Float[Tensor, "K N C"], y: Tensor, *, steps: int) -> Float[Tensor, " K"]:
    """The share of each member in the ensemble that was the best of `steps`; equal shares without any row.

    A member without a finite loss is chosen last. Usable alone.

    Args:
        outputs: Probabilities of `C` classes, or `C = 1` numbers.
        y: Classes `N`, or numbers `N 1`.
        steps: How often a member joins.

    >>> numbers = torch.tensor([[[1.0], [4.0]], [[5.0], [4.0]], [[9.0], [9.0]]])
    >>> select_greedily(numbers, torch.tensor([[2.0], [4.0]]), steps=4)
    tensor([0.7500, 0.2500, 0.0000])
    """
    k, n, classes = outputs.shape
    if not n:
        return outputs.new_full((k,), 1 / k)
    numbers = classes == 1
    own = outputs.squeeze(-1) - y.to(outputs).view(n) if numbers else outputs[:, torch.arange(n), y]
    total, counts = torch.zeros_like(own[0]), torch.zeros_like(own[:, 0])
    lowest, best = math.inf, counts
    for step in range(1, steps + 1):
        mean = (total + own) / step
        losses = mean.square().mean(1) if numbers else -mean.log().mean(1)
        losses = torch.where(losses.isnan(), math.inf, losses)
        chosen = int(losses.argmin())
        total, counts = total + own[chosen], counts.clone()
        counts[chosen] += 1
        if step == 1 or losses[chosen] < lowest:
            lowest, best = float(losses[chosen]), counts / step
    return best


def average_by_share(outputs: Float[Tensor, "K N C"], share: Float[Tensor, " K"]) -> Float[Tensor, "N C"]:
    """The mean over members in these shares; a member without a share is not heard, whatever it says.

    Usable alone.

    >>> average_by_share(torch.tensor([[[1.0]], [[3.0]], [[torch.nan]]]), torch.tensor([0.5, 0.5, 0.0]))
    tensor([[2.]])
    """
    share = share.to(outputs).view(-1, 1, 1)
    return torch.where(share > 0, outputs * share, 0.0).sum(0)


@dataclass(frozen=True, kw_only=True)
class GreedySelection(PredictionTechnique):
    """Answer with the members that did best together on the validation rows.

    Args:
        steps: How often a member joins; some join often, most never.
    """

    steps: int = 50

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("GreedySelection.steps", self.steps)

    def fit(self, outputs: Float[Tensor, "K N C"], y: Tensor) -> dict[str, Tensor]:
        return {"share": select_greedily(outputs, y, steps=self.steps)}

    def predict(self, outputs: Float[Tensor, "K N C"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N C"]:
        return average_by_share(outputs, fitted["share"]) if fitted else outputs.mean(0)  # nothing to choose by
