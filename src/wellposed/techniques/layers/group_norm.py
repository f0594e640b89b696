r"""Group normalization: channels of one sample in groups, each with mean 0 and variance 1; then a scale and shift each.

$$\hat x = \frac{x - \mu_G}{\sqrt{\sigma_G^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta, \qquad
\mu_G, \sigma_G^2 \text{ over the channels of the group and all pixels}$$

Needs no batch: good on images where batches are small (below 8 or so, where batch normalization breaks down), and a
little worse than that where they are large. With one group it is layer normalization with one scale a channel, with as
many groups as channels instance normalization.

Source: Wu & He, Group Normalization, 2018, https://arxiv.org/abs/1803.08494, section 3, equations 1, 2, 6 and 7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import check_count, check_number, refusal
from wellposed.techniques.layers.batch_norm import over_rows
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Technique


def normalize_over_groups(
    x: Float[Tensor, "K B C ..."],
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, "K C"],
    *,
    groups: int,
    eps: float = 1e-5,
) -> Float[Tensor, "K B C ..."]:
    """Normalize each group of channels of each sample; each member has its own scale and shift. Usable alone.

    Needs the axis of members: one network passes `x[None]`.

    >>> x = torch.tensor([[[1.0, 3.0, 10.0, 30.0]]])
    >>> normalize_over_groups(x, torch.ones(1, 4), torch.zeros(1, 4), groups=2).round()
    tensor([[[-1.,  1., -1.,  1.]]])
    """
    k = x.shape[0]
    if k == 1:
        return F.group_norm(x.squeeze(0), groups, weight.view(-1), bias.view(-1), eps).unsqueeze(0)
    rows = x.transpose(0, 1)
    if rows.is_contiguous():  # images of a population: K networks' groups are K times as many groups
        y = F.group_norm(rows.flatten(1, 2), k * groups, weight.flatten(), bias.flatten(), eps)
        return y.view(rows.shape).transpose(0, 1)
    y = F.group_norm(x.flatten(0, 1), groups, None, None, eps).reshape(x.shape)
    return torch.addcmul(over_rows(bias, x), y, over_rows(weight, x))


@dataclass(frozen=True, kw_only=True)
class GroupNorm(LayerTechnique):
    """Normalize the channels of each sample in groups.

    Args:
        where: Before or after the activation.
        groups: How many; must divide the channels (or units) of every hidden layer. The paper has 32 in large networks.
        eps: Added to the variance.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    groups: int = 8
    eps: float = 1e-5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("GroupNorm.groups", self.groups)
        check_number("GroupNorm.eps", self.eps, low=0, open="(")

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        channels, what = shape[0], "channels" if len(shape) > 1 else "units"
        if channels % self.groups:
            fitting = [g for g in range(1, channels + 1) if channels % g == 0 and prod(shape) > g]
            do = f"Use {max(g for g in fitting if g <= self.groups)}." if fitting else ""
            raise refusal("GroupNorm.groups", f"divide the {channels} {what} of the layer", self.groups, do)
        if prod(shape) == self.groups:
            do = "Use fewer groups: a value alone has no variance."
            raise refusal("A group of GroupNorm", "hold at least 2 values", 1, do)
        return StackedGroupNorm(self, shape)


class StackedGroupNorm(StackedModule):
    """The layer for activations `(D,)` or `(C, H, W)`."""

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, technique: GroupNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.groups, self.eps = technique.groups, technique.eps
        self.weight = nn.Parameter(torch.ones(shape[0]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K B C ..."]:
        return normalize_over_groups(x, tensors["weight"], tensors["bias"], groups=self.groups, eps=self.eps)
