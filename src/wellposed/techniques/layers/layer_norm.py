r"""Layer normalization: the units of one sample get mean 0 and variance 1, then each unit a learned scale and shift.

$$y = \gamma \odot \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta, \qquad
\mu, \sigma^2 \text{ over all units of one sample}$$

Needs no batch, and does the same in training and afterwards: good for small batches and for sequences. On images it is
worse than norms by channel, because it takes all channels for alike.

Source: Ba, Kiros & Hinton, Layer Normalization, 2016, https://arxiv.org/abs/1607.06450, section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import check_number
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Technique

LARGE = 2**16
"""From so many numbers a member, images go through PyTorch's kernel one member at a time: in the cache, scale and shift
included, and with nothing but `x` kept for the way back."""


def normalize_over_features(
    x: Float[Tensor, "K B *shape"],
    weight: Float[Tensor, "K *shape"],
    bias: Float[Tensor, "K *shape"],
    *,
    eps: float = 1e-5,
) -> Float[Tensor, "K B *shape"]:
    """Normalize each sample over all its features; each member has its own scale and shift.

    Needs the axis of members: one network passes `x[None]`.

    >>> normalize_over_features(torch.tensor([[[1.0, 3.0]]]), torch.ones(1, 2), torch.zeros(1, 2), eps=0.0)
    tensor([[[-1.,  1.]]])
    """
    shape = weight.shape[1:]
    if x.shape[0] == 1:
        return F.layer_norm(x, shape, weight[0], bias[0], eps)
    rows = x.transpose(0, 1)
    if len(shape) > 1 and rows.is_contiguous():  # images of a population: a copy would cost more than the rest
        if x.device.type == "cpu" and x[0].numel() >= LARGE:
            each = zip(rows.unbind(1), weight.unbind(0), bias.unbind(0), strict=True)
            outputs = [F.layer_norm(own, shape, scale, shift, eps) for own, scale, shift in each]
            return torch.stack(outputs, dim=1).transpose(0, 1)
        return torch.addcmul(bias, F.layer_norm(rows, shape, None, None, eps), weight).transpose(0, 1)
    return torch.addcmul(bias.unsqueeze(1), F.layer_norm(x, shape, None, None, eps), weight.unsqueeze(1))


@dataclass(frozen=True, kw_only=True)
class LayerNorm(LayerTechnique):
    """Normalize the hidden units of each sample.

    Args:
        where: Before or after the activation.
        eps: Added to the variance.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    eps: float = 1e-5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("LayerNorm.eps", self.eps, low=0, open="(")

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedLayerNorm(self, shape)


class StackedLayerNorm(StackedModule):
    """The layer for activations `(D,)` or `(C, H, W)`."""

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, technique: LayerNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.eps = technique.eps
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        return normalize_over_features(x, tensors["weight"], tensors["bias"], eps=self.eps)
