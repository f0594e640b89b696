r"""Batch normalization: each unit's values over the batch get mean 0 and variance 1, then a learned scale and shift.

$$\hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta$$

After training $\mu_B$ and $\sigma_B^2$ (biased) are replaced by running averages, of the unbiased variance.

Source: Ioffe & Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167, algorithms 1 and 2, section 3.1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wellposed.checks import refusal
from wellposed.techniques.places import LayerTechnique
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, spread, strength


def normalize_over_batch(
    x: Float[Tensor, "K B C ..."],
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, "K C"],
    *,
    running_mean: Float[Tensor, "K C"],
    running_var: Float[Tensor, "K C"],
    momentum: Strength = 0.1,
    eps: float = 1e-5,
) -> Float[Tensor, "K B C ..."]:
    """Normalize each channel of each member over the batch, and move the running mean and variance in place.

    Needs the axis of members: one network passes `x[None]`.

    >>> x, mean, variance = torch.tensor([[[1.0], [3.0]]]), torch.zeros(1, 1), torch.ones(1, 1)
    >>> normalize_over_batch(x, torch.ones(1, 1), torch.zeros(1, 1), running_mean=mean, running_var=variance, eps=0.0)
    tensor([[[-1.],
             [ 1.]]])
    >>> mean, variance
    (tensor([[0.2000]]), tensor([[1.1000]]))
    """
    k, n = x.shape[0], x.shape[1] * math.prod(x.shape[3:])
    if k > 1 and x.dim() == 3:
        y, mean, variance = _Normalize.apply(x, weight, bias, eps)
        variance *= n / (n - 1)
    else:
        # One member, or images, whose memory order is (B, K, C, H, W): the framework's kernel needs no copy.
        flat = x.squeeze(0) if k == 1 else x.transpose(0, 1).flatten(1, 2)
        scale, shift = (weight.squeeze(0), bias.squeeze(0)) if k == 1 else (weight.flatten(), bias.flatten())
        if not isinstance(momentum, Tensor):
            y = F.batch_norm(flat, running_mean.view(-1), running_var.view(-1), scale, shift, True, momentum, eps)
            return y.unsqueeze(0) if k == 1 else y.unflatten(1, (k, -1)).transpose(0, 1)
        mean, variance = torch.zeros_like(running_mean), torch.zeros_like(running_var)
        y = F.batch_norm(flat, mean.view(-1), variance.view(-1), scale, shift, True, 1.0, eps)
        y = y.unsqueeze(0) if k == 1 else y.unflatten(1, (k, -1)).transpose(0, 1)
    with torch.no_grad():
        share = spread(momentum, running_mean)
        running_mean.lerp_(mean, share)
        running_var.lerp_(variance, share)
    return y


def normalize_by_statistics(
    x: Float[Tensor, "K B C ..."],
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, "K C"],
    *,
    mean: Float[Tensor, "K C"],
    variance: Float[Tensor, "K C"],
    eps: float = 1e-5,
) -> Float[Tensor, "K B C ..."]:
    """Normalize by given means and variances, such as those of the whole training data."""
    scale = weight * (variance + eps).rsqrt()
    return torch.addcmul(_over_rows(bias - mean * scale, x), x, _over_rows(scale, x))


@dataclass(frozen=True, kw_only=True)
class BatchNorm(LayerTechnique):
    """Normalize each hidden unit over the batch, before its activation; images per channel.

    Needs at least two values a channel in each training batch.

    Args:
        momentum: How much of the running mean and variance each batch replaces; 0 never moves them.
        eps: Added to the variance.
    """

    where: ClassVar[Literal["before", "after"]] = "before"
    momentum: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.01, 0.3), log=True)
    eps: float = 1e-5

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedBatchNorm(self, shape)


class StackedBatchNorm(StackedModule):
    """The layer for activations `(D,)` or `(C, H, W)`."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, technique: BatchNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.eps = technique.eps
        self.weight = nn.Parameter(torch.ones(shape[0]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.register_buffer("running_mean", torch.zeros(shape[0]))
        self.register_buffer("running_var", torch.ones(shape[0]))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K B C ..."]:
        weight, bias = tensors["weight"], tensors["bias"]
        running_mean, running_var = tensors["running_mean"], tensors["running_var"]
        if not self.training:
            return normalize_by_statistics(x, weight, bias, mean=running_mean, variance=running_var, eps=self.eps)
        n = x.shape[1] * math.prod(x.shape[3:])
        if n < 2:
            do = "Use a larger batch, drop a last batch of one row, or use LayerNorm, which needs no batch."
            raise refusal("A training batch of BatchNorm", "hold at least 2 values a channel", n, do)
        return normalize_over_batch(
            x,
            weight,
            bias,
            running_mean=running_mean,
            running_var=running_var,
            momentum=self.strength(tensors, "momentum"),
            eps=self.eps,
        )


def _over_rows(value: Float[Tensor, "K C"], like: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K 1 C ..."]:
    """One value a channel in the shape that broadcasts over rows and pixels."""
    return value.view(value.shape[0], 1, value.shape[1], *[1] * (like.dim() - 3))


class _Normalize(torch.autograd.Function):
    """The formula for `K B C`, which needs no transposed copy, in five passes forward and five backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(1)
        centred = x - mean.unsqueeze(1)
        variance = centred.square().mean(1)
        rstd = (variance + eps).rsqrt()
        ctx.save_for_backward(centred, weight, rstd)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias.unsqueeze(1), centred, (weight * rstd).unsqueeze(1)), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        r"""$\partial x = \gamma r (g - \bar g - r^2 t\,\overline{gt})$ with $t = x - \mu$, $r = (\sigma^2 + \epsilon)^{-1/2}$."""
        centred, weight, rstd = ctx.saved_tensors
        n = centred.shape[1]
        total, along = g.sum(1), (g * centred).sum(1)
        scale = weight * rstd
        shift, slope = scale * total * (-1 / n), scale * rstd.square() * along * (-1 / n)
        inward = torch.addcmul(shift.unsqueeze(1), centred, slope.unsqueeze(1)).addcmul_(g, scale.unsqueeze(1))
        return inward, along * rstd, total, None
