r"""Adaptive clipping: a unit's gradient that is long beside the unit's own weights is shortened.

$$g'_j = g_j \cdot \min\!\left(1, \frac{\lambda \max(\lVert w_j \rVert, \epsilon)}{\lVert g_j \rVert}\right)$$

with $j$ a unit or channel and $w_j$ all weights that lead into it; biases, and scales of norms, count as one group for
each layer. Good for large steps and batches without normalization, as no limit fits layers of all sizes. Bad for output
layers, which the authors leave out (`where`).

Source: Brock, De, Smith & Simonyan, High-performance large-scale image recognition without normalization, 2021,
https://arxiv.org/abs/2102.06171, section 4.1, equation 3; $\lVert g_j \rVert$ is at least $10^{-6}$ as in their code.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_number
from wellposed.random import Key
from wellposed.techniques.places import GradientTechnique, Moment, Tensors
from wellposed.techniques.selection import check_pattern
from wellposed.techniques.technique import Strength, Technique, spread, strength


def clip_by_unit_(
    gradients: Tensors, parameters: Tensors, limit: Strength, *, eps: float = 1e-3, where: str = "*"
) -> None:
    """Shorten each unit's gradient to `limit` times the length of its weights, in place.

    Usable alone with gradients and parameters `1 ...`, such as `p.grad[None]`, which is a view.

    >>> gradient = torch.tensor([[[3.0, 4.0], [0.03, 0.04]]])
    >>> clip_by_unit_({"w": gradient}, {"w": torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])}, 0.1)
    >>> gradient
    tensor([[[0.0600, 0.0800],
             [0.0300, 0.0400]]])
    """
    for name, gradient in gradients.items():
        if not fnmatchcase(name, where):
            continue
        length = unit_lengths(gradient)
        longest = spread(limit, length) * unit_lengths(parameters[name]).clamp_min(eps)
        gradient.mul_(torch.where(length > longest, longest / length.clamp_min(1e-6), 1))


def unit_lengths(tensor: Float[Tensor, "K ..."]) -> Float[Tensor, "K ..."]:
    """Length of what leads into each unit, `K out 1 ...`; of a vector (or number), its own, `K 1`."""
    axes = tuple(range(2 if tensor.dim() > 2 else 1, tensor.dim()))
    return torch.linalg.vector_norm(tensor, dim=axes, keepdim=True) if axes else tensor.abs()


@dataclass(frozen=True, kw_only=True)
class AdaptiveClip(GradientTechnique):
    """Keep each unit's step small beside its weights.

    Args:
        limit: Longest gradient that is left as it is, beside the weights' length; infinity changes nothing.
        eps: Length that weights count at least, so that units that start at 0 can move.
        where: Names of the parameters whose gradients are clipped, with `*` for any text, such as "layers.0.*".
    """

    limit: Strength = strength(0.01, valid=(0.0, float("inf")), search=(1e-3, 0.3), log=True)
    eps: float = 1e-3
    where: str = "*"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("AdaptiveClip.eps", self.eps, low=0, open="(")
        check_pattern("AdaptiveClip.where", self.where)

    def gradient_(self, gradients: Tensors, parameters: Tensors, key: Key, moment: Moment) -> None:
        clip_by_unit_(gradients, parameters, self.limit, eps=self.eps, where=self.where)
