r"""Stochastic depth: during training residual blocks skip their branches at random, deep ones more often.

$$y = H + \frac{m}{1 - r_l} f_l(H), \qquad m \sim \mathrm{Bernoulli}(1 - r_l), \qquad r_l = \frac{l}{L}\, r$$

This is the inverted form: nothing is left to do afterwards. Huang trains $H + m f_l(H)$ and answers with
$H + p_l f_l(H)$, where $p_l = 1 - r_l$: the same network with $f_l$ in the place of our $f_l / p_l$. One draw for a
whole batch is Huang's; one for each row is known as DropPath. `decay="uniform"` gives all blocks the rate of the last.

Good for residual networks of many blocks. Bad for those of few, where each block is needed. A skipped branch is
computed all the same, as members skip different ones.

Source: Huang, Sun, Liu, Sedra & Weinberger, Deep networks with stochastic depth, 2016,
https://arxiv.org/abs/1603.09382, section 3, equations 2 to 5; DropPath: Larsson, Maire & Shakhnarovich, FractalNet,
2017, https://arxiv.org/abs/1605.07648, section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.random import Key, bernoulli
from wellposed.techniques.places import BranchTechnique
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, spread, strength

Mode: TypeAlias = Literal["row", "batch"]


def drop_branch(
    x: Float[Tensor, "K B ..."], rate: Strength, *, mode: Mode = "row", key: Key
) -> Float[Tensor, "K B ..."]:
    """Set whole rows, or a member's whole batch, to 0 with probability `rate`; scale the others by `1 / (1 - rate)`.

    Usable alone with a branch's output `1 B ...`, such as `x[None]`; `key` holds one number a member, and the same key
    draws the same rows.

    >>> drop_branch(torch.ones(1, 5, 2), 0.5, key=torch.tensor([7]))[0, :, 0]
    tensor([2., 2., 0., 2., 0.])
    """
    shape = x.shape[1:2] if mode == "row" else (1,)
    kept = bernoulli(key, shape, 1 - rate).view(len(x), *shape, *[1] * (x.dim() - 2))
    return x * (kept.to(x.dtype) * spread(1 / (1 - rate), x))


@dataclass(frozen=True, kw_only=True)
class StochasticDepth(BranchTechnique):
    """Skip the branches of residual blocks at random during training.

    Args:
        decay: Whether the rate grows from 0 at the first block ("linear") or is the same for all ("uniform").
        mode: Whether each row draws for itself ("row") or all rows of a batch together ("batch").
        rate: Probability that the last block is skipped; 0 changes nothing.
    """

    decay: Literal["linear", "uniform"] = "linear"
    mode: Mode = "row"
    rate: Strength = strength(0.5, valid=(0.0, 0.99), search=(0.0, 0.6))

    def branch(self, depth: float) -> nn.Module:
        return StackedStochasticDepth(self, depth)


class StackedStochasticDepth(StackedModule):
    """The end of one block's branch. Its buffer `key` must be set before each training step.

    Attributes:
        share: Of the technique's rate that is this block's.
    """

    key: Tensor

    def __init__(self, technique: StochasticDepth, depth: float) -> None:
        super().__init__()
        self.technique = technique
        self.mode = technique.mode
        self.share = depth if technique.decay == "linear" else 1.0
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        if not self.training:
            return x
        return drop_branch(x, self.share * self.strength(tensors, "rate"), mode=self.mode, key=tensors["key"])
