r"""Batch normalization: each unit's values over the batch get mean 0 and variance 1, then a learned scale and shift.

$$\hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta$$

After training $\mu_B$ and $\sigma_B^2$ (biased) are replaced by running averages, of the unbiased variance; or by those
of the whole training data: $\mathrm{E}[\mu_B]$ and $\tfrac{m}{m-1} \mathrm{E}[\sigma_B^2]$ over batches of $m$ values.

Good where batches are large and alike: it allows large steps, and the scale of the weights before it does not matter.
Bad where they are tiny or sorted, or differ from what is asked later; and a row's output depends on the rows beside it.

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

from wellposed.checks import check_number, refusal
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, Technique, spread, strength


def normalize_over_batch(
    x: Float[Tensor, "K B C ..."],
    weight: Float[Tensor, "*K C"],
    bias: Float[Tensor, "*K C"],
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
    if not isinstance(momentum, Tensor) and not _is_for_function(x):
        return _normalize_by_kernel(x, weight, bias, running_mean, running_var, momentum, eps)
    y, mean, variance = normalize_and_measure(x, weight, bias, eps=eps)
    move_statistics_(running_mean, mean, momentum)
    move_statistics_(running_var, variance, momentum)
    return y


def normalize_and_measure(
    x: Float[Tensor, "K B C ..."], weight: Float[Tensor, "K C"], bias: Float[Tensor, "K C"], *, eps: float = 1e-5
) -> tuple[Float[Tensor, "K B C ..."], Float[Tensor, "K C"], Float[Tensor, "K C"]]:
    """Normalize each channel of each member over the batch; and the batch's mean and unbiased variance, as constants.

    >>> y, mean, variance = normalize_and_measure(torch.tensor([[[1.0], [3.0]]]), torch.ones(1, 1), torch.zeros(1, 1))
    >>> mean, variance
    (tensor([[2.]]), tensor([[2.]]))
    """
    if _is_for_function(x):
        function = _Normalize if is_transformed() else _NormalizeStacked
        y, _, mean, variance = function.apply(x, weight, bias, eps)  # type: ignore[no-untyped-call]
        n = x.shape[1]
        return y, mean, variance.detach() * (n / (n - 1))
    mean, variance = (torch.zeros_like(weight, requires_grad=False).view(len(x), -1) for _ in range(2))
    return _normalize_by_kernel(x, weight, bias, mean, variance, 1.0, eps), mean, variance


def move_statistics_(running: Float[Tensor, "K C"], measured: Float[Tensor, "K C"], momentum: Strength) -> None:
    """Replace a share of the running statistics by what a batch shows, in place.

    >>> running = torch.zeros(2, 1)
    >>> move_statistics_(running, torch.ones(2, 1), torch.tensor([0.25, 1.0]))
    >>> running.flatten()
    tensor([0.2500, 1.0000])
    """
    with torch.no_grad():
        share = spread(momentum, running)
        if is_transformed():  # vmap has no rule for `lerp_` with a float
            running += (measured - running) * share
        else:
            running.lerp_(measured, share)


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
    return torch.addcmul(over_rows(bias - mean * scale, x), x, over_rows(scale, x))


def over_rows(value: Float[Tensor, "K C"], like: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K 1 C ..."]:
    """One value a channel in the shape that broadcasts over rows and pixels."""
    return value.view(value.shape[0], 1, value.shape[1], *[1] * (like.dim() - 3))


def refuse_single_values(what: str, x: Float[Tensor, "K B C ..."], rows: int) -> None:
    """Raise BadInput where a training batch of so many rows has no variance."""
    n = rows * math.prod(x.shape[3:])
    if n < 2:
        do = "Use a larger batch, drop a last batch of one row, or use LayerNorm, which needs no batch."
        raise refusal(what, "hold at least 2 values a channel", n, do)


@dataclass(frozen=True, kw_only=True)
class BatchNorm(LayerTechnique):
    """Normalize each hidden unit over the batch; images per channel.

    Needs at least two values a channel in each training batch.

    Args:
        where: Before or after the activation.
        momentum: How much of the running mean and variance each batch replaces; 0 never moves them.
        eps: Added to the variance.
        statistics: What stands for the batch's in answers: "running" averages, or those of the whole "population" of
            training rows, measured before each evaluation (slower; right when the weights have just moved a lot).
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    momentum: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.01, 0.3), log=True)
    eps: float = 1e-5
    statistics: Literal["running", "population"] = "running"

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
        self.refreshes = technique.statistics == "population"
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
        refuse_single_values("A training batch of BatchNorm", x, x.shape[1])
        return normalize_over_batch(
            x,
            weight,
            bias,
            running_mean=running_mean,
            running_var=running_var,
            momentum=self.strength(tensors, "momentum"),
            eps=self.eps,
        )


def is_transformed() -> bool:
    """Whether `torch.func` is at work, such as `vmap`. (`torch.autograd.Function.apply` asks the same question.)"""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def _is_for_function(x: Float[Tensor, "K B C ..."]) -> bool:
    """Whether the formula below is quicker than the framework's kernel, which would have to copy."""
    return x.dim() == 3 and not torch.compiler.is_compiling() and (x.shape[0] > 1 or is_transformed())


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
            add_product = torch.addcmul if is_transformed() else Tensor.addcmul_
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
