r"""Batch normalization: each unit's values over the batch get mean 0 and variance 1, then a learned scale and shift.

$$\hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta$$

After training $\mu_B$ and $\sigma_B^2$ (biased) are replaced by running averages, of the unbiased variance.

Source: Ioffe & Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167, algorithms 1 and 2, section 3.1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import check_number, refusal
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, Technique, spread, strength


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

    Needs the axis of members: one network passes `x[None]`. Fast inside `torch.func.vmap`, too.

    >>> x, mean, variance = torch.tensor([[[1.0], [3.0]]]), torch.zeros(1, 1), torch.ones(1, 1)
    >>> normalize_over_batch(x, torch.ones(1, 1), torch.zeros(1, 1), running_mean=mean, running_var=variance).round()
    tensor([[[-1.],
             [ 1.]]])
    >>> mean, variance
    (tensor([[0.2000]]), tensor([[1.1000]]))
    """
    n = x.shape[1] * math.prod(x.shape[3:])
    if x.dim() == 3 and (x.shape[0] > 1 or _is_transformed()):
        function = _Normalize if _is_transformed() else _NormalizeStacked
        y, _, mean, variance = function.apply(x, weight, bias, eps)  # type: ignore[no-untyped-call]
        variance = variance.detach() * (n / (n - 1))
    elif isinstance(momentum, Tensor):
        mean, variance = torch.zeros_like(running_mean), torch.zeros_like(running_var)
        y = _normalize_by_kernel(x, weight, bias, mean, variance, 1.0, eps)
    else:
        return _normalize_by_kernel(x, weight, bias, running_mean, running_var, momentum, eps)
    with torch.no_grad():
        share = spread(momentum, running_mean)
        if _is_transformed():  # vmap has no rule for `lerp_` with a float
            running_mean += (mean - running_mean) * share
            running_var += (variance - running_var) * share
        else:
            running_mean.lerp_(mean, share)
            running_var.lerp_(variance, share)
    out: Tensor = y
    return out


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
    """Normalize each hidden unit over the batch; images per channel.

    Needs at least two values a channel in each training batch.

    Args:
        where: Before or after the activation.
        momentum: How much of the running mean and variance each batch replaces; 0 never moves them.
        eps: Added to the variance.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    momentum: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.01, 0.3), log=True)
    eps: float = 1e-5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("BatchNorm.eps", self.eps, low=0, open="(")

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedBatchNorm(self, shape)


class StackedBatchNorm(StackedModule):
    """The layer for activations `(D,)` or `(C, H, W)`."""

    takes_one: ClassVar[bool] = True
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
            weight, bias = weight.view_as(running_mean), bias.view_as(running_mean)
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


def _is_transformed() -> bool:
    """Whether `torch.func` is at work, such as `vmap`. (`torch.autograd.Function.apply` asks the same question.)"""
    return torch._C._are_functorch_transforms_active()


def _over_rows(value: Float[Tensor, "K C"], like: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K 1 C ..."]:
    """One value a channel in the shape that broadcasts over rows and pixels."""
    return value.view(value.shape[0], 1, value.shape[1], *[1] * (like.dim() - 3))


def _normalize_by_kernel(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, momentum: float, eps: float
) -> Tensor:
    """By the framework: no copy for one member, nor for images, whose memory order is (B, K, C, H, W)."""
    k = x.shape[0]
    flat = x.squeeze(0) if k == 1 else x.transpose(0, 1).flatten(1, 2)
    scale, shift = (weight, bias) if weight.dim() == 1 else (weight.flatten(), bias.flatten())
    y = F.batch_norm(flat, mean.view(-1), variance.view(-1), scale, shift, True, momentum, eps)
    return y.unsqueeze(0) if k == 1 else y.view(len(y), k, -1, *y.shape[2:]).transpose(0, 1)


class _Normalize(torch.autograd.Function):
    """The formula for `K B C`, which needs no transposed copy, in five passes forward and five backward.

    Centred rows and variance are outputs, so that second derivatives pass through them and come out right.
    """

    @staticmethod
    def forward(*inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`x, weight, bias, eps` to output, centred rows, mean and biased variance.

        One parameter, because `apply` inspects the signature at every call, which takes its time.
        """
        x, weight, bias, eps = inputs
        mean = x.mean(1)
        centred = x - mean.unsqueeze(1)
        variance = centred.square().mean(1)
        scale = weight * (variance + eps).rsqrt()
        return torch.addcmul(bias.unsqueeze(1), centred, scale.unsqueeze(1)), centred, mean, variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, weight, _, ctx.eps = inputs
        _, centred, mean, variance = output
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(mean)
        ctx.save_for_backward(centred, weight, variance)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        r"""$\partial x = \gamma r (g - \bar g - r^2 t\,\overline{gt})$, with $t$ the centred rows and $r$ the factor.

        Gradients of $t$ and of the variance come only with a second differentiation.
        """
        g, g_centred, _, g_variance = gradients
        centred, weight, variance = ctx.saved_tensors
        n = centred.shape[1]
        inward, along, total = None, None, None
        if g is not None:
            rstd = (variance + ctx.eps).rsqrt()
            total, along = g.sum(1), (g * centred).sum(1) * rstd
            scale = weight * rstd
            shift, slope = scale * total * (-1 / n), scale * rstd * along * (-1 / n)
            inward = torch.addcmul(shift.unsqueeze(1), centred, slope.unsqueeze(1))
            # In place vmap has no rule for it; elsewhere fresh memory would cost more than the arithmetic.
            add_product = torch.addcmul if _is_transformed() else Tensor.addcmul_
            inward = add_product(inward, g, scale.unsqueeze(1))
        if g_centred is not None:
            inward = g_centred - g_centred.mean(1, keepdim=True) + (0 if inward is None else inward)
        if g_variance is not None:
            inward = centred * (g_variance * (2 / n)).unsqueeze(1) + (0 if inward is None else inward)
        return inward, along, total, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """More members: the mapped axis and `K` become one."""
        size = info.batch_size
        folded = [
            (t.unsqueeze(0).expand(size, *t.shape) if at is None else t.movedim(at, 0)).flatten(0, 1)
            for t, at in zip(inputs[:3], in_dims[:3], strict=True)
        ]
        outputs = _Normalize.apply(*folded, inputs[3])  # type: ignore[no-untyped-call]
        return tuple(t.view(size, -1, *t.shape[1:]) for t in outputs), (0,) * len(outputs)


class _NormalizeStacked(torch.autograd.Function):
    """The same outside transforms: `apply` does not inspect this form, which saves 50 microseconds a call."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        output = _Normalize.forward(*inputs)
        _Normalize.setup_context(ctx, inputs, output)
        return output

    backward = _Normalize.backward
