r"""Label smoothing: a network is not asked to be certain, so its logits need not grow without end.

$$y' = (1 - a)\,y + \frac{a}{C}$$

This is Szegedy's convention, in which the label's own class gets its share, too. (Goodfellow et al., Deep Learning,
section 7.5.1, spread $a$ over the other classes only: their $a$ is $(C - 1)/C$ times this one.)

Source: Szegedy et al., Rethinking the Inception architecture, 2016, https://arxiv.org/abs/1512.00567, section 7.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.random import Key
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, spread, strength


def smooth_labels(y: Float[Tensor, "... C"], amount: Strength) -> Float[Tensor, "... C"]:
    """Spread a share `amount` of each row's probability over all classes. Usable alone.

    A tensor `amount` has one value for each entry of the first axis.

    >>> import torch
    >>> smooth_labels(torch.tensor([[0.0, 1.0]]), 0.2)
    tensor([[0.1000, 0.9000]])
    """
    amount = spread(amount, y)
    return (1 - amount) * y + amount / y.shape[-1]


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(BatchTechnique):
    """Train against softened classes; metrics still see the true ones. For classification only.

    Args:
        amount: Share of the probability that is spread evenly; 0 changes nothing, 1 erases the label.

    >>> LabelSmoothing(amount=1.5)
    Traceback (most recent call last):
    wellposed.errors.BadInput: LabelSmoothing.amount must be in [0, 1]. Got 1.5.
    """

    amount: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.3))

    def batch(self, batch: Batch, key: Key) -> Batch:
        if batch.y.shape[-1] == 1:
            raise refusal("The task of LabelSmoothing", "be classification", "regression", "Take it out of the recipe.")
        return batch._replace(y=smooth_labels(batch.y, self.amount))
