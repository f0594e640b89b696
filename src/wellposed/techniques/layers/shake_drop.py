r"""ShakeDrop: during training the branches of residual blocks are multiplied by random factors, deep ones more often.

$$y = H + (b + \alpha - b \alpha)\, f_l(H), \qquad \frac{\partial y}{\partial f_l} = b + \beta - b \beta, \qquad
b \sim \mathrm{Bernoulli}(1 - r_l), \qquad r_l = \frac{l}{L}\, r$$

with $\alpha$ uniform in $[-1, 1]$ on the way forward and $\beta$ uniform in $[0, 1]$ on the way back, drawn at each
step for each row or for the whole batch. An intact branch ($b = 1$) is as it was; of a shaken one the gradient is not
that of the outputs, on purpose. Answers take the expectation, $1 - r_l$ times the branch. With `forward="zero"`
$\alpha$ is 0: the block is skipped as by stochastic depth, and learns all the same.

Good for residual networks whose branches end with a batch norm, which keeps what is shaken within bounds. Bad for those
of few blocks, and without such norms, where `forward="zero"` is safer.

Source: Yamada, Iwamura, Akiba & Kise, ShakeDrop regularization for deep residual learning, 2019,
https://arxiv.org/abs/1802.02375, the equations called "train-fwd", "train-bwd" and "test", and the ranges of alpha and
beta that they found best.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.random import Key, uniform
from wellposed.techniques.layers.stochastic_depth import Mode
from wellposed.techniques.places import BranchTechnique
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, spread, strength

Forward: TypeAlias = Literal["signed", "zero"]


def scale_apart(
    x: Float[Tensor, "K B ..."], forward: Float[Tensor, "K b"], backward: Float[Tensor, "K b"]
) -> Float[Tensor, "K B ..."]:
    """`x` times one factor for each row on the way forward, its gradient times another; `b` is `B` or 1. Usable alone.

    >>> x = torch.ones(1, 1, 2, requires_grad=True)
    >>> y = scale_apart(x, torch.tensor([[3.0]]), torch.tensor([[0.5]]))
    >>> y, torch.autograd.grad(y.sum(), x)
    (tensor([[[3., 3.]]], grad_fn=<AddBackward0>), (tensor([[[0.5000, 0.5000]]]),))
    """
    rest = (1,) * (x.dim() - 2)
    there, back = (factor.to(x.dtype).view(*factor.shape, *rest) for factor in (forward, backward))
    return x * back + (x * (there - back)).detach()


def shake_branch(
    x: Float[Tensor, "K B ..."], rate: Strength, *, forward: Forward = "signed", mode: Mode = "row", key: Key
) -> Float[Tensor, "K B ..."]:
    """Multiply rows, or a member's whole batch, by a random factor with probability `rate`, and their gradient by
    another.

    Usable alone with a branch's output `1 B ...`, such as `x[None]`; `key` holds one number a member, and the same key
    draws the same factors.

    >>> shake_branch(torch.ones(1, 4, 1), 0.5, key=torch.tensor([7])).flatten()
    tensor([ 1.0000,  1.0000, -0.0536,  1.0000])
    """
    draws = x.shape[1] if mode == "row" else 1
    drawn = uniform(key, (3, draws), dtype=torch.promote_types(x.dtype, torch.float32))
    shaken = drawn[:, 0] < spread(rate, drawn[:, 0])
    alpha = 2 * drawn[:, 1] - 1 if forward == "signed" else torch.zeros_like(drawn[:, 1])
    return scale_apart(x, torch.where(shaken, alpha, 1.0), torch.where(shaken, drawn[:, 2], 1.0))


@dataclass(frozen=True, kw_only=True)
class ShakeDrop(BranchTechnique):
    """Multiply the branches of residual blocks by random factors during training.

    Args:
        forward: Factors from -1 to 1 ("signed"), or 0 ("zero").
        decay: Whether the rate grows from 0 at the first block ("linear") or is the same for all ("uniform").
        mode: Whether each row draws for itself ("row") or all rows of a batch together ("batch").
        rate: Probability that the last block is shaken; 0 changes nothing.
    """

    forward: Forward = "signed"
    decay: Literal["linear", "uniform"] = "linear"
    mode: Mode = "row"
    rate: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.0, 0.8))

    def branch(self, depth: float) -> nn.Module:
        return StackedShakeDrop(self, depth)


class StackedShakeDrop(StackedModule):
    """The end of one block's branch. Its buffer `key` must be set before each training step.

    Attributes:
        share: Of the technique's rate that is this block's.
    """

    key: Tensor

    def __init__(self, technique: ShakeDrop, depth: float) -> None:
        super().__init__()
        self.technique = technique
        self.ahead = technique.forward
        self.mode = technique.mode
        self.share = depth if technique.decay == "linear" else 1.0
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        rate = self.share * self.strength(tensors, "rate")
        if self.training:
            return shake_branch(x, rate, forward=self.ahead, mode=self.mode, key=tensors["key"])
        return x * spread(1 - rate, x)
