r"""Progress quotient (Prechelt's PQ): stop when generalization is lost faster than training still makes progress.

$$\text{stop after the first end of a strip } t \text{ with } \frac{GL(t)}{P_k(t)} > \alpha
\quad\text{or}\quad P_k(t) < p$$

The second part is the paper's guard against training that stands still ($p = 0.1$, in thousandths).

Good where the training loss falls steadily: while it does, a rising validation loss may still fall again. Bad where the
training loss itself is noisy, as with strong dropout: noise looks like progress. Prechelt tries
$\alpha \in \{0.5, 0.75, 1, 2, 3\}$ with $k = 5$.

Source: Prechelt, Early stopping - but when?, 1998, section 2 (see `strips`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wellposed.checks import check_count, check_number
from wellposed.techniques.end.strips import ends_strip, generalization_loss, training_progress
from wellposed.techniques.places import Curves, EndTechnique
from wellposed.techniques.technique import Strength, Technique, strength


def exceed_progress(
    validation: Float[Tensor, "*K E"],
    train: Float[Tensor, "*K T"],
    alpha: Strength,
    *,
    strip: int = 5,
    least_progress: float = 0.1,
) -> Bool[Tensor, "*K"]:
    """Whether a strip ends now and the loss of generalization exceeds `alpha` times the progress of training.

    Usable alone with one curve each.

    >>> validation = torch.tensor([10.0, 10.0, 8.0, 8.0, 8.5, 9.0])
    >>> exceed_progress(validation, torch.tensor([9.5, 9.3, 9.1, 8.9, 8.3, 8.4]), 2.0, strip=2)
    tensor(True)
    """
    if not ends_strip(validation.shape[-1], strip):
        return torch.zeros(validation.shape[:-1], dtype=torch.bool, device=validation.device)
    lost, progress = generalization_loss(validation)[..., -1], training_progress(train, strip)
    return (lost > alpha * progress) | (progress < least_progress)


@dataclass(frozen=True, kw_only=True)
class ProgressQuotient(EndTechnique):
    """Stop a member when its validation loss rises while its training loss hardly falls; its best weights are kept.

    It looks at the end of each strip only. Without validation rows it never stops. A validation loss that is no number
    stops a member, and so does a strip of one training loss throughout.

    Args:
        alpha: Percent of generalization lost for each thousandth of progress in training.
        strip: Epochs from one look to the next.
        least_progress: Thousandths; a member whose training progresses less stops in any case. 0 for none.
    """

    alpha: Strength = strength(0.75, valid=(0.0, float("inf")), search=(0.5, 3.0), log=True)
    strip: int = 5
    least_progress: float = 0.1

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("ProgressQuotient.strip", self.strip)
        check_number("ProgressQuotient.least_progress", self.least_progress, low=0)

    def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
        return exceed_progress(
            curves.validation, curves.train, self.alpha, strip=self.strip, least_progress=self.least_progress
        )
