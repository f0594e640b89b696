r"""Prechelt's arithmetic: what his stopping rules read off the losses of validation and of training.

With $E_{va}(t)$ and $E_{tr}(t)$ after epoch $t$, counted from 1, and strips of $k$ epochs, of which one ends wherever
$t$ is a multiple of $k$:

$$GL(t) = 100\,\frac{E_{va}(t) - E_{opt}(t)}{|E_{opt}(t)|}, \qquad E_{opt}(t) = \min_{t' \le t} E_{va}(t')$$

$$P_k(t) = 1000\left(\frac{\sum_{t'=t-k+1}^{t} E_{tr}(t')}{k \min_{t'=t-k+1}^{t} E_{tr}(t')} - 1\right)$$

The paper's errors are positive, where $|E_{opt}| = E_{opt}$; losses need not be. Validation is measured after every
epoch, so $E_{opt}$ knows epochs within strips, too. A loss that is no number is infinitely bad.

Source: Prechelt, Early stopping - but when?, in Neural Networks: Tricks of the Trade, 1998,
https://doi.org/10.1007/3-540-49430-8_3, section 2.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def generalization_loss(validation: Float[Tensor, "*K E"]) -> Float[Tensor, "*K E"]:
    """By how many percent each validation loss lies above the lowest one so far.

    >>> generalization_loss(torch.tensor([10.0, 8.0, 9.0]))
    tensor([ 0.0000,  0.0000, 12.5000])
    """
    scores = _finite_or_inf(validation)
    best = scores.cummin(-1).values if scores.shape[-1] else scores
    lost = 100 * ((scores - best) / best.abs())
    return torch.where(scores.isinf(), math.inf, torch.where(scores <= best, 0.0, lost)).to(validation.dtype)


def training_progress(train: Float[Tensor, "*K E"], strip: int) -> Float[Tensor, "*K"]:
    """By how many thousandths the mean training loss of the last `strip` epochs lies above the lowest of them.

    >>> training_progress(torch.tensor([9.0, 8.3, 8.4], dtype=torch.float64), 2)
    tensor(6.0241, dtype=torch.float64)
    """
    losses = _finite_or_inf(train[..., -strip:])
    best = losses.amin(-1)
    progress = 1000 * ((losses.mean(-1) - best) / best.abs())
    flat = (losses == best.unsqueeze(-1)).all(-1)
    return torch.where(flat, 0.0, progress).to(train.dtype)


def increases(validation: Float[Tensor, "*K E"], strip: int) -> Bool[Tensor, "*K S"]:
    """Whether each end of a strip but the first has a higher validation loss than the one before.

    >>> increases(torch.tensor([9.0, 3.0, 9.0, 4.0, 9.0, 2.0, 9.0]), 2)
    tensor([ True, False])
    """
    ends = _finite_or_inf(validation[..., strip - 1 :: strip])
    return (ends[..., 1:] > ends[..., :-1]) | ends[..., 1:].isinf()


def ends_strip(epochs: int, strip: int) -> bool:
    """Whether a strip ends after so many epochs.

    >>> [epochs for epochs in range(11) if ends_strip(epochs, 5)]
    [5, 10]
    """
    return epochs > 0 and epochs % strip == 0


def _finite_or_inf(losses: Float[Tensor, "*K E"]) -> Float[Tensor, "*K E"]:
    """Infinity in place of what is no number."""
    return torch.where(losses.isfinite(), losses, math.inf)
