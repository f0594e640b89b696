r"""RMS normalization: the units of one sample are divided by their root mean square; then each has a learned scale.

$$y = \gamma \odot \frac{x}{\sqrt{\frac{1}{D} \sum_i x_i^2 + \epsilon}}$$

Layer normalization without its centring: a little cheaper, and as good in Transformers. Bad where the mean of a sample
is large and says nothing, because it stays.

Source: Zhang & Sennrich, Root Mean Square Layer Normalization, 2019, https://arxiv.org/abs/1910.07467, equation 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import check_number
from wellposed.techniques.layers.batch_norm import is_transformed
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Technique


def divide_by_rms(
    x: Float[Tensor, "K B *shape"], weight: Float[Tensor, "K *shape"], *, eps: float = 2.0**-23
) -> Float[Tensor, "K B *shape"]:
    """Divide each sample by the root mean square of all its features; each member has its own scale. Usable alone.

    Needs the axis of members: one network passes `x[None]`.

    >>> divide_by_rms(torch.tensor([[[1.0, 7.0]]]), torch.ones(1, 2))
    tensor([[[0.2000, 1.4000]]])
    """
    shape = weight.shape[1:]
    if x.shape[0] == 1:
        return F.rms_norm(x.squeeze(0), shape, weight.squeeze(0), eps).unsqueeze(0)
    if not _is_for_function(x):
        return F.rms_norm(x, shape, None, eps) * weight.unsqueeze(1)
    y: Tensor = _Divide.apply(x.flatten(2), weight.flatten(1), eps)  # type: ignore[no-untyped-call]
    return y.view(x.shape)


@dataclass(frozen=True, kw_only=True)
class RMSNorm(LayerTechnique):
    """Divide the hidden units of each sample by their root mean square.

    Args:
        where: Before or after the activation.
        eps: Added to the mean square. By default what PyTorch adds in float32.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    eps: float = 2.0**-23

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("RMSNorm.eps", self.eps, low=0, open="(")

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedRMSNorm(self, shape)


class StackedRMSNorm(StackedModule):
    """The layer for activations `(D,)` or `(C, H, W)`.

    Its scale has one axis for images, too: one of more axes would be taken for a weight, and decayed.
    """

    weight: nn.Parameter

    def __init__(self, technique: RMSNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.shape = shape
        self.eps = technique.eps
        self.weight = nn.Parameter(torch.ones(shape).flatten())

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        return divide_by_rms(x, tensors["weight"].view(-1, *self.shape), eps=self.eps)


def _is_for_function(x: Tensor) -> bool:
    """Whether the formula below is quicker than PyTorch's, which has a kernel of its own on other devices."""
    exact = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return exact and not is_transformed() and not torch.compiler.is_compiling()


class _Divide(torch.autograd.Function):
    """The formula for `K B D` in half the passes of PyTorch's, and without the quotients kept for the way back."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, weight, eps = inputs
        factor = (torch.linalg.vector_norm(x, dim=2, keepdim=True).square() / x.shape[2] + eps).rsqrt()
        ctx.eps = eps
        ctx.save_for_backward(x, weight, factor)
        return torch.mul(x, factor).mul_(weight.unsqueeze(1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        r"""$\partial x = f \gamma g - f^3 x\,\overline{\gamma g x}$ and $\partial \gamma = \sum f g x$, $f$ the factor.

        In operations that are differentiated again where second derivatives are asked for.
        """
        (x, weight, factor), (g,) = ctx.saved_tensors, gradients
        again = torch.is_grad_enabled()
        if again:
            factor = (x.square().mean(2, keepdim=True) + ctx.eps).rsqrt()
        product, scale = g * x, weight.unsqueeze(1)
        along = (factor.mT @ product).squeeze(1)
        share = factor.pow(3) * (product @ scale.mT) * (-1 / x.shape[2])
        if again:
            return torch.addcmul(g * scale * factor, x, share), along, None
        return torch.mul(g, scale, out=product).mul_(factor).addcmul_(x, share), along, None
