r"""Instance normalization: each channel of each image gets mean 0 and variance 1 over its own pixels.

$$y = \frac{x - \mu_{nc}}{\sqrt{\sigma_{nc}^2 + \epsilon}}, \qquad \mu_{nc}, \sigma_{nc}^2 \text{ over } H \times W$$

Does the same in training and afterwards. Good for style transfer and where contrast says nothing; bad where the mean
strength of a channel tells the classes apart, because it is lost. A scale and shift each are optional, as in PyTorch.

Source: Ulyanov, Vedaldi & Lempitsky, Instance Normalization, 2016, https://arxiv.org/abs/1607.08022, section 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import check_number, refusal
from wellposed.techniques.layers.group_norm import normalize_over_groups
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Technique


def normalize_over_pixels(x: Float[Tensor, "K B C ..."], *, eps: float = 1e-5) -> Float[Tensor, "K B C ..."]:
    """Normalize each channel of each image by itself; the first two axes may be any. Usable alone.

    >>> normalize_over_pixels(torch.tensor([[[[1.0, 3.0], [10.0, 30.0]]]])).round()
    tensor([[[[-1.,  1.],
              [-1.,  1.]]]])
    """
    if x.shape[0] == 1:
        return F.group_norm(x.squeeze(0), x.shape[2], None, None, eps).unsqueeze(0)
    rows = x.transpose(0, 1)
    if not rows.is_contiguous():
        return F.layer_norm(x.flatten(3), (prod(x.shape[3:]),), None, None, eps).view(x.shape)
    return F.layer_norm(rows.flatten(3), (prod(x.shape[3:]),), None, None, eps).view(rows.shape).transpose(0, 1)


@dataclass(frozen=True, kw_only=True)
class InstanceNorm(LayerTechnique):
    """Normalize each channel of each image by itself.

    Args:
        where: Before or after the activation.
        eps: Added to the variance.
        affine: Whether each channel then has a learned scale and shift.
    """

    axes: ClassVar[frozenset[int]] = frozenset({3})
    where: Where = "before"
    eps: float = 1e-5
    affine: bool = False

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("InstanceNorm.eps", self.eps, low=0, open="(")

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        if len(shape) < 2:
            raise refusal("InstanceNorm", "act on channels (C, H, W)", shape, "Use LayerNorm for units.")
        if prod(shape[1:]) < 2:
            do = "Use GroupNorm: a pixel alone has no variance."
            raise refusal("InstanceNorm", "act on channels of at least 2 pixels", shape, do)
        return StackedInstanceNorm(self, shape)


class StackedInstanceNorm(StackedModule):
    """The layer for activations `(C, H, W)`."""

    def __init__(self, technique: InstanceNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.eps, self.affine = technique.eps, technique.affine
        if technique.affine:
            self.weight = nn.Parameter(torch.ones(shape[0]))
            self.bias = nn.Parameter(torch.zeros(shape[0]))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K B C ..."]:
        if not self.affine:
            return normalize_over_pixels(x, eps=self.eps)
        return normalize_over_groups(x, tensors["weight"], tensors["bias"], groups=x.shape[2], eps=self.eps)
