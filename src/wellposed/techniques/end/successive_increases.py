r"""Successive increases (Prechelt's UP): stop when the validation loss has risen from strip to strip several times.

$$\text{stop after the first end of a strip } t \text{ with } E_{va}(t) > E_{va}(t - k) > \dots > E_{va}(t - sk)$$

Good where the validation loss is noisy and its height means little: only the sign of its changes counts. Bad where it
rises slowly and unevenly: one lower value starts the count anew. Prechelt finds $s = 3, 4, 6$ with $k = 5$ the best
trade of training time for generalization.

A rule of this name that counts epochs instead of strips is the case $k = 1$.

Source: Prechelt, Early stopping - but when?, 1998, section 2 (see `strips`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wellposed.checks import check_count
from wellposed.techniques.end.strips import ends_strip, increases
from wellposed.techniques.places import Curves, EndTechnique
from wellposed.techniques.technique import Technique


def rise_successively(validation: Float[Tensor, "*K E"], times: int, *, strip: int = 5) -> Bool[Tensor, "*K"]:
    """Whether a strip ends now and each of the last `times` strips ended higher than the one before.

    Usable alone with one curve.

    >>> rise_successively(torch.tensor([[5.0, 4.0, 3.0, 9.0, 3.1, 9.0, 3.2, 9.0]]), 2, strip=2)
    tensor([False])
    >>> rise_successively(torch.tensor([[5.0, 4.0, 3.0, 5.0, 3.1, 6.0]]), 2, strip=2)
    tensor([True])
    """
    epochs = validation.shape[-1]
    if not ends_strip(epochs, strip) or epochs // strip <= times:
        return torch.zeros(validation.shape[:-1], dtype=torch.bool, device=validation.device)
    return increases(validation, strip)[..., -times:].all(-1)


@dataclass(frozen=True, kw_only=True)
class SuccessiveIncreases(EndTechnique):
    """Stop a member when its validation loss has risen over several strips in a row; its best weights are kept.

    It looks at the end of each strip only, and at no value within. Without validation rows it never stops. A loss that
    is no number counts as a rise.

    Args:
        times: How many strips in a row must end higher than the one before.
        strip: Epochs of a strip.
    """

    times: int = 3
    strip: int = 5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("SuccessiveIncreases.times", self.times)
        check_count("SuccessiveIncreases.strip", self.strip)

    def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
        return rise_successively(curves.validation, self.times, strip=self.strip)
