r"""Batch renormalization: batch normalization, corrected in training towards the running statistics used afterwards.

$$\hat x = \frac{x - \mu_B}{\sigma_B}\, r + d, \qquad
r = \mathrm{clip}\Big(\frac{\sigma_B}{\sigma}, \frac{1}{r_{\max}}, r_{\max}\Big), \qquad
d = \mathrm{clip}\Big(\frac{\mu_B - \mu}{\sigma}, -d_{\max}, d_{\max}\Big), \qquad y = \gamma \hat x + \beta$$

$r$ and $d$ count as constants in gradients. The running $\mu$ and $\sigma$ (not $\sigma^2$) follow the batches';
answers are $\gamma (x - \mu) / \sigma + \beta$, which unclipped training outputs equal exactly. With $r_{\max} = 1$ and
$d_{\max} = 0$ training is that of batch normalization.

Good for small batches, and for batches of like rows. Bad as long as the running statistics are far off: the paper
starts with batch normalization and lets $r_{\max}$ rise to 3 and $d_{\max}$ to 5 (two ramps of the recipe).

Source: Ioffe, Batch Renormalization, 2017, https://arxiv.org/abs/1702.03275, section 3, algorithm 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import check_number
from wellposed.techniques.layers.batch_norm import (
    move_statistics_,
    normalize_and_measure,
    over_rows,
    refuse_single_values,
)
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, Technique, spread, strength


def renormalize_over_batch(
    x: Float[Tensor, "K B C ..."],
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, "K C"],
    *,
    running_mean: Float[Tensor, "K C"],
    running_std: Float[Tensor, "K C"],
    r_max: Strength = 3.0,
    d_max: Strength = 5.0,
    momentum: Strength = 0.01,
    eps: float = 1e-5,
) -> Float[Tensor, "K B C ..."]:
    """Normalize each channel over the batch, correct by the running mean and deviation, then move these in place.

    Needs the axis of members: one network passes `x[None]`. Usable alone.

    >>> x, mean, std = torch.tensor([[[4.0], [8.0]]]), torch.full((1, 1), 5.0), torch.full((1, 1), 2.0)
    >>> renormalize_over_batch(x, torch.ones(1, 1), torch.zeros(1, 1), running_mean=mean, running_std=std)
    tensor([[[-0.5000],
             [ 1.5000]]])
    """
    with torch.no_grad():
        mean, std = _measure(x, eps)
        r_top, d_top = spread(r_max, std), spread(d_max, std)
        r = _clip(std / running_std, 1 / r_top, r_top)
        d = _clip((mean - running_mean) / running_std, -d_top, d_top)
    move_statistics_(running_mean, mean, momentum)
    move_statistics_(running_std, std, momentum)
    return normalize_and_measure(x, weight * r, bias + weight * d, eps=eps)[0]


def normalize_by_deviation(
    x: Float[Tensor, "K B C ..."],
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, "K C"],
    *,
    mean: Float[Tensor, "K C"],
    std: Float[Tensor, "K C"],
) -> Float[Tensor, "K B C ..."]:
    """Normalize by given means and standard deviations."""
    scale = weight / std
    return torch.addcmul(over_rows(bias - mean * scale, x), x, over_rows(scale, x))


@dataclass(frozen=True, kw_only=True)
class BatchRenorm(LayerTechnique):
    """Normalize each hidden unit over the batch, and correct towards the running statistics; images per channel.

    Needs at least two values a channel in each training batch.

    Args:
        where: Before or after the activation.
        r_max: How many times larger or smaller than the batch's the scale may become; 1 corrects no scale.
        d_max: By how many deviations the mean may be moved; 0 corrects no mean.
        momentum: How much of the running mean and deviation each batch replaces; 0 never moves them.
        eps: Added to the variance of the batch.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    r_max: Strength = strength(3.0, valid=(1.0, math.inf), search=(1.0, 3.0))
    d_max: Strength = strength(5.0, valid=(0.0, math.inf), search=(0.0, 5.0))
    momentum: Strength = strength(0.01, valid=(0.0, 1.0), search=(0.001, 0.1), log=True)
    eps: float = 1e-5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("BatchRenorm.eps", self.eps, low=0, open="(")

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedBatchRenorm(self, shape)


class StackedBatchRenorm(StackedModule):
    """The layer for activations `(D,)` or `(C, H, W)`."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_std: Tensor

    def __init__(self, technique: BatchRenorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.eps = technique.eps
        self.weight = nn.Parameter(torch.ones(shape[0]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.register_buffer("running_mean", torch.zeros(shape[0]))
        self.register_buffer("running_std", torch.ones(shape[0]))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K B C ..."]:
        weight, bias = tensors["weight"], tensors["bias"]
        mean, std = tensors["running_mean"], tensors["running_std"]
        if not self.training:
            return normalize_by_deviation(x, weight, bias, mean=mean, std=std)
        refuse_single_values("A training batch of BatchRenorm", x, x.shape[1])
        return renormalize_over_batch(
            x,
            weight,
            bias,
            running_mean=mean,
            running_std=std,
            r_max=self.strength(tensors, "r_max"),
            d_max=self.strength(tensors, "d_max"),
            momentum=self.strength(tensors, "momentum"),
            eps=self.eps,
        )


def _measure(x: Float[Tensor, "K B C ..."], eps: float) -> tuple[Float[Tensor, "K C"], Float[Tensor, "K C"]]:
    """Mean and deviation of each channel: known before the batch is normalized, they cost no pass on the way back."""
    axes = (1, *range(3, x.dim()))
    mean = x.mean(axes)
    centred = x - over_rows(mean, x)
    return mean, (centred.mul_(centred).mean(axes) + eps).sqrt()


def _clip(x: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """`clamp` between numbers of one kind."""
    return torch.maximum(torch.minimum(x, _as(x, high)), _as(x, low))


def _as(x: Tensor, bound: float | Tensor) -> Tensor:
    return bound if isinstance(bound, Tensor) else torch.full_like(x, bound)
