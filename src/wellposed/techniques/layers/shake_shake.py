r"""Shake-shake: every residual block has two branches, which are mixed in random shares during training.

$$y = H + \alpha\, f(H) + (1 - \alpha)\, g(H), \qquad \frac{\partial y}{\partial f} = \beta, \quad
\frac{\partial y}{\partial g} = 1 - \beta$$

with $\alpha$ and $\beta$ uniform in $[0, 1]$, drawn anew at each step, apart from each other, for each row or for the
whole batch. Answers take the mean of both branches. Less than the whole `amount` $a$ draws from
$[(1 - a)/2, (1 + a)/2]$; at 0 the branches are just averaged.

The net makes the second branch, with weights of its own, and so the blocks cost twice as much. The layer itself gets
the difference of the branches: $g + \alpha (f - g)$ is the mixture, on both ways.

Good for residual networks that are wide enough to overfit twice; bad for short training (its authors train for 1800
epochs).

Source: Gastaldi, Shake-shake regularization, 2017, https://arxiv.org/abs/1705.07485, equation 2, section 2 and table 1
(which ways are shaken, "row" being its level "image").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.random import Key, uniform
from wellposed.techniques.layers.shake_drop import scale_apart
from wellposed.techniques.layers.stochastic_depth import Mode
from wellposed.techniques.places import BranchTechnique
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, spread, strength

Backward: TypeAlias = Literal["shake", "even", "keep"]


def shake_difference(
    x: Float[Tensor, "K B ..."], amount: Strength, *, backward: Backward = "shake", mode: Mode = "row", key: Key
) -> Float[Tensor, "K B ..."]:
    """A random share of the difference of two branches: for each row, or for a member's whole batch; of its gradient
    another share ("shake"), one half ("even"), or the same ("keep").

    Usable alone with branches `1 B ...`, such as `x[None]`: `b + shake_difference(a - b, ...)`; `key` holds one number
    a member, and the same key draws the same shares.

    >>> shake_difference(torch.ones(1, 3, 1), 1.0, key=torch.tensor([7])).flatten()
    tensor([0.5803, 0.5311, 0.2121])
    """
    draws = x.shape[1] if mode == "row" else 1
    drawn = uniform(key, (2, draws), dtype=torch.promote_types(x.dtype, torch.float32)) - 0.5
    shares = 0.5 + drawn * spread(amount, drawn)
    there = shares[:, 0]
    back = {"shake": shares[:, 1], "keep": there, "even": torch.full_like(there, 0.5)}
    return scale_apart(x, there, back[backward])


@dataclass(frozen=True, kw_only=True)
class ShakeShake(BranchTechnique):
    """Give residual blocks two branches, and mix them in random shares during training.

    Args:
        backward: What gradients are shared by: other random shares ("shake"), halves ("even"), or those of the way
            forward ("keep").
        mode: Whether each row draws for itself ("row") or all rows of a batch together ("batch").
        amount: Width of the range that shares are drawn from; 0 averages the branches.
    """

    doubles: ClassVar[bool] = True
    backward: Backward = "shake"
    mode: Mode = "row"
    amount: Strength = strength(1.0, valid=(0.0, 1.0), search=(0.0, 1.0))

    def branch(self, depth: float) -> nn.Module:
        return StackedShakeShake(self)


class StackedShakeShake(StackedModule):
    """The share of one block's first branch. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: ShakeShake) -> None:
        super().__init__()
        self.technique = technique
        self.back = technique.backward
        self.mode = technique.mode
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        if not self.training:
            return x * 0.5
        amount = self.strength(tensors, "amount")
        return shake_difference(x, amount, backward=self.back, mode=self.mode, key=tensors["key"])
