r"""Ghost batch normalization: batch normalization over small parts of each batch instead of the whole.

$$\hat x = \frac{x - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta, \qquad
\mu_g, \sigma_g^2 \text{ over the rows of ghost batch } g$$

Of $n = \lceil B / \mathrm{rows} \rceil$ ghosts, equal up to one row, ghost $g$ gets the rows $g, g + n, g + 2n, \dots$
of the batch, for which none has to be copied. The running mean and (unbiased) variance move once a batch, by the
ghosts' means weighted with their rows; the paper moves them once a ghost, which forgets sooner.

Good for large batches, whose gradients are too even: the small parts bring back the noise that regularizes. It does not
help small batches.

Source: Hoffer, Hubara & Soudry, Train longer, generalize better, 2017, https://arxiv.org/abs/1705.08741, section 4,
algorithm 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.checks import check_count, check_number
from wellposed.techniques.layers.batch_norm import (
    move_statistics_,
    normalize_and_measure,
    normalize_by_statistics,
    normalize_over_batch,
    refuse_single_values,
)
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, Technique, strength


def normalize_over_ghosts(
    x: Float[Tensor, "K B C ..."],
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, "K C"],
    *,
    rows: int,
    running_mean: Float[Tensor, "K C"],
    running_var: Float[Tensor, "K C"],
    momentum: Strength = 0.1,
    eps: float = 1e-5,
) -> Float[Tensor, "K B C ..."]:
    """Normalize each channel over ghost batches of at most `rows` rows, and move the running statistics in place.

    Needs the axis of members: one network passes `x[None]`. Usable alone.

    >>> x, mean, variance = torch.tensor([[[1.0], [10.0], [3.0], [30.0]]]), torch.zeros(1, 1), torch.ones(1, 1)
    >>> one, none = torch.ones(1, 1), torch.zeros(1, 1)
    >>> normalize_over_ghosts(x, one, none, rows=2, running_mean=mean, running_var=variance).round().flatten()
    tensor([-1., -1.,  1.,  1.])
    """
    b = x.shape[1]
    if b <= rows:
        return normalize_over_batch(
            x, weight, bias, running_mean=running_mean, running_var=running_var, momentum=momentum, eps=eps
        )
    ghosts = -(-b // rows)
    even = b % ghosts == 0 and (x.dim() == 3 or x.transpose(0, 1).is_contiguous())
    normalize = _normalize_together if even else _normalize_in_turn
    y, mean, variance = normalize(x, weight, bias, ghosts, eps)
    move_statistics_(running_mean, mean, momentum)
    move_statistics_(running_var, variance, momentum)
    return y


@dataclass(frozen=True, kw_only=True)
class GhostBatchNorm(LayerTechnique):
    """Normalize each hidden unit over small parts of the batch; images per channel.

    Needs at least two values a channel in each part.

    Args:
        where: Before or after the activation.
        rows: Rows of a part at most; batches of no more are normalized as a whole.
        momentum: How much of the running mean and variance each batch replaces; 0 never moves them.
        eps: Added to the variance.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1, 3})
    where: Where = "before"
    rows: int = 32
    momentum: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.01, 0.3), log=True)
    eps: float = 1e-5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("GhostBatchNorm.rows", self.rows, least=2)
        check_number("GhostBatchNorm.eps", self.eps, low=0, open="(")

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedGhostBatchNorm(self, shape)


class StackedGhostBatchNorm(StackedModule):
    """The layer for activations `(D,)` or `(C, H, W)`."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, technique: GhostBatchNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.rows, self.eps = technique.rows, technique.eps
        self.weight = nn.Parameter(torch.ones(shape[0]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.register_buffer("running_mean", torch.zeros(shape[0]))
        self.register_buffer("running_var", torch.ones(shape[0]))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B C ..."]) -> Float[Tensor, "K B C ..."]:
        weight, bias = tensors["weight"], tensors["bias"]
        mean, variance = tensors["running_mean"], tensors["running_var"]
        if not self.training:
            return normalize_by_statistics(x, weight, bias, mean=mean, variance=variance, eps=self.eps)
        least = x.shape[1] // max(1, -(-x.shape[1] // self.rows))
        refuse_single_values("A ghost batch of GhostBatchNorm", x, least)
        return normalize_over_ghosts(
            x,
            weight,
            bias,
            rows=self.rows,
            running_mean=mean,
            running_var=variance,
            momentum=self.strength(tensors, "momentum"),
            eps=self.eps,
        )


def _normalize_together(
    x: Float[Tensor, "K B C ..."], weight: Tensor, bias: Tensor, ghosts: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Equal ghosts are as good as further channels; of images `(B, K, C, H, W)` in memory, as further members."""
    k, b, c = x.shape[:3]
    if x.dim() == 3:
        own = [t.unsqueeze(1).expand(k, ghosts, c).flatten(1) for t in (weight, bias)]
        y, *statistics = normalize_and_measure(x.reshape(k, b // ghosts, ghosts * c), *own, eps=eps)
        mean, variance = (t.view(k, ghosts, c).mean(1) for t in statistics)
        return y.reshape(x.shape), mean, variance
    own, rows = [t.expand(ghosts, k, c).flatten(0, 1) for t in (weight, bias)], x.transpose(0, 1)
    folded = rows.reshape(b // ghosts, ghosts * k, *x.shape[2:]).transpose(0, 1)
    y, *statistics = normalize_and_measure(folded, *own, eps=eps)
    mean, variance = (t.view(ghosts, k, c).mean(0) for t in statistics)
    return y.transpose(0, 1).reshape(rows.shape).transpose(0, 1), mean, variance


def _normalize_in_turn(
    x: Float[Tensor, "K B C ..."], weight: Tensor, bias: Tensor, ghosts: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for ghosts of one row more or less, and in any memory order."""
    parts = [x[:, first::ghosts] for first in range(ghosts)]
    each = [normalize_and_measure(part, weight, bias, eps=eps) for part in parts]
    shares = [part.shape[1] / x.shape[1] for part in parts]
    mean = torch.stack([mean * share for (_, mean, _), share in zip(each, shares, strict=True)]).sum(0)
    variance = torch.stack([variance * share for (_, _, variance), share in zip(each, shares, strict=True)]).sum(0)
    back = torch.cat([torch.arange(first, x.shape[1], ghosts, device=x.device) for first in range(ghosts)]).argsort()
    if x.dim() == 3:
        return torch.cat([y for y, _, _ in each], dim=1)[:, back], mean, variance
    y = torch.cat([y.transpose(0, 1).flatten(1, 2) for y, _, _ in each])[back]  # in the memory order of the parts
    return y.view(x.shape[1], len(x), -1, *x.shape[3:]).transpose(0, 1), mean, variance
