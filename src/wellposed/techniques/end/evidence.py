r"""Evidence: stop when the gradient is what noise alone would give, so that no validation rows are needed.

$$\text{stop if } 1 - \frac{B}{P} \sum_{p=1}^{P} \frac{\bar g_p^2}{\hat\Sigma_p + \epsilon} > 0, \qquad
\hat\Sigma_p = \frac{\sum_i g_{ip}^2 - B \bar g_p^2}{B - 1}$$

with gradients $g_i$ of $B$ single training rows and their mean $\bar g$. If the true gradient were zero, $\bar g_p$
would have variance $\Sigma_p / B$ and the mean would be near 1; it is larger while the rows agree where to go.

Good where rows are few and all are needed for training. Bad for networks that can fit every row: their gradients vanish
with their variance, and the rule may fire late or, on the noise of few rows, early. It looks at the moment alone; as in
the source nothing is averaged over time.

Source: Mahsereci, Balles, Lassner & Hennig, Early stopping without a validation set, 2017,
https://arxiv.org/abs/1703.09580 (the criterion for mini-batches); $\epsilon = 10^{-5}$: Schneider, Dangel &
Hennig, Cockpit, 2021, https://arxiv.org/abs/2102.06604.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wellposed.checks import check_number
from wellposed.techniques.places import Curves, EndTechnique
from wellposed.techniques.technique import Technique


def evidence_of_noise(gradients: Float[Tensor, "*K B P"], *, eps: float = 1e-5) -> Float[Tensor, "*K"]:
    """One minus the mean squared gradient in units of its noise: positive where there is nothing left but noise.

    Usable alone with the gradients of at least two rows.

    >>> evidence_of_noise(torch.tensor([[[1.0], [-1.0]], [[1.0], [2.0]]]), eps=0.0)
    tensor([ 1., -8.])
    """
    variance, mean = torch.var_mean(gradients, dim=-2, correction=1)
    return 1 - gradients.shape[-2] * (mean.square() / (variance + eps)).mean(-1)


@dataclass(frozen=True, kw_only=True)
class Evidence(EndTechnique):
    """Stop a member when its gradients over the training rows are no longer evidence of a direction.

    With a single training row there is no variance, and it never stops.

    Args:
        eps: Added to the variance of each gradient.
    """

    eps: float = 1e-5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("Evidence.eps", self.eps, low=0, open="(")

    def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
        gradients = curves.gradients()
        if gradients.shape[-2] < 2:
            return torch.zeros(gradients.shape[:1], dtype=torch.bool, device=gradients.device)
        return evidence_of_noise(gradients, eps=self.eps) > 0
