r"""Generalization loss (Prechelt's GL): stop as soon as the validation loss is too far above its lowest value.

$$\text{stop after the first epoch } t \text{ with } GL(t) = 100\left(\frac{E_{va}(t)}{E_{opt}(t)} - 1\right) > \alpha$$

Good where training is short and one of several networks will be chosen; bad where validation losses are noisy, since
one high value ends training. Prechelt tries $\alpha \in \{1, 2, 3, 5\}$.

Source: Prechelt, Early stopping - but when?, 1998, section 2 (see `strips`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wellposed.techniques.end.strips import generalization_loss
from wellposed.techniques.places import Curves, EndTechnique
from wellposed.techniques.technique import Strength, strength


def lose_generalization(validation: Float[Tensor, "*K E"], alpha: Strength) -> Bool[Tensor, "*K"]:
    """Whether the last validation loss lies more than `alpha` percent above the lowest one.

    Usable alone with one curve.

    >>> lose_generalization(torch.tensor([[10.0, 8.0, 9.0], [10.0, 8.0, 8.1]]), 5.0)
    tensor([ True, False])
    """
    if not validation.shape[-1]:
        return torch.zeros(validation.shape[:-1], dtype=torch.bool, device=validation.device)
    return generalization_loss(validation)[..., -1] > alpha


@dataclass(frozen=True, kw_only=True)
class GeneralizationLoss(EndTechnique):
    """Stop a member when its validation loss has risen by so many percent; its best weights are kept.

    Without validation rows it never stops. A loss that is no number stops a member.

    Args:
        alpha: Percent above the lowest loss so far.
    """

    alpha: Strength = strength(5.0, valid=(0.0, float("inf")), search=(1.0, 10.0), log=True)

    def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
        return lose_generalization(curves.validation, self.alpha)
