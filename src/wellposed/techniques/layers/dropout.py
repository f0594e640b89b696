r"""Dropout: during training each unit is off with a given probability, and the others are scaled up to make up for it.

$$y = \frac{m \odot x}{1 - r}, \qquad m \sim \mathrm{Bernoulli}(1 - r)$$

This is the inverted form: nothing is left to do after training. In the classical form $y = m \odot x$ in training and
$y = (1 - r)\,x$ afterwards (the weight scaling rule). For a linear network that is the mean over all masks; for a
softmax over units that are off at random it is the normalized geometric mean over them.

With a `shape` the rate differs over depth. Layer $i$ of the $n$ in a network has

$$r_i = r \min\Bigl(1, \frac{i}{u}, \frac{n + 1 - i}{d}\Bigr)$$

| shape | rises over $u$ layers | falls over $d$ layers |
|---|---|---|
| brick | | |
| triangle | $n$ | |
| funnel | | $n$ |
| long_funnel | | $\lfloor n/2 \rfloor$ |
| diamond | $\lfloor (n+1)/2 \rfloor$ | $n + 1 - u$ |
| hexagon | $\lfloor (n+1)/3 \rfloor$ | $u$ |
| stairs | | $n$, by two layers at a time |

Good for large dense layers on few data: for linear regression it is ridge, with a penalty of $r / (1 - r)$ on each
weight, in units of its input's spread. Bad before a batch norm, whose statistics shift when the masks are gone, and it
takes two to three times as many epochs.

Source: Srivastava et al., Dropout, JMLR 15 (2014), 1929-1958, https://jmlr.org/papers/v15/srivastava14a.html, section 4
(the classical form), section 9.1 (ridge). Shapes: Zimmer, Lindauer & Hutter, Auto-PyTorch Tabular, 2021,
https://arxiv.org/abs/2006.13799 (there of the widths of networks, too).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn

from wellposed.random import Key, mask
from wellposed.techniques.places import LayerTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, spread, strength

Scaling: TypeAlias = Literal["inverted", "classical"]
Shape: TypeAlias = Literal["brick", "triangle", "funnel", "long_funnel", "diamond", "hexagon", "stairs"]


def drop_units(
    x: Float[Tensor, "..."], rate: Strength, *, key: Key, scaling: Scaling = "inverted"
) -> Float[Tensor, "..."]:
    """Set a share `rate` of the units to 0 and, unless the scaling is classical, scale the others by `1 / (1 - rate)`.

    The axes of `key` are the first axes of `x`, and each key draws its own mask; a key without axes draws one mask for
    all of `x`. A tensor `rate` has the shape of `key`. The same key draws the same mask: change it at each step.

    >>> drop_units(torch.ones(6), 0.5, key=torch.tensor(7))
    tensor([2., 2., 0., 2., 0., 0.])
    >>> drop_units(torch.ones(6), 0.5, key=torch.tensor(7), scaling="classical")
    tensor([1., 1., 0., 1., 0., 0.])
    """
    drawn = mask(key, x.shape[key.dim() :], 1 - rate)
    return keep_units(x, drawn, rate if scaling == "inverted" else 0.0)


def keep_units(x: Float[Tensor, "..."], drawn: Int32[Tensor, "..."], rate: Strength) -> Float[Tensor, "..."]:
    """Scale units by `1 / (1 - rate)` where all bits of `drawn` are set, and set the others, where none is, to 0.

    `drawn` broadcasts against `x`, and is used up; a tensor `rate` has the first axes of `x`.
    """
    if isinstance(rate, Tensor):
        factor = (1 / (1 - rate)).to(x.dtype).view(*rate.shape, *[1] * (x.dim() - rate.dim()))
    else:
        factor = _factor(rate, x.dtype, x.device)
    if x.dtype != torch.float32:
        return x * torch.where(drawn != 0, factor, 0)
    # The factor's bits where a unit is kept, else 0.0: one multiplication forward, one backward, no conversion.
    return x * drawn.bitwise_and_(factor.view(torch.int32)).view(torch.float32)


def _factor(rate: float, dtype: torch.dtype, device: torch.device) -> Float[Tensor, ""]:
    """What kept units are multiplied by: kept, but made anew within a compiled graph, which keeps its own constants."""
    return _made(rate, dtype, device) if torch.compiler.is_compiling() else _kept(rate, dtype, device)


def _made(rate: float, dtype: torch.dtype, device: torch.device) -> Float[Tensor, ""]:
    """One number as a tensor; making so small a tensor anew takes longer than using it."""
    return torch.tensor(1 / (1 - rate), dtype=dtype, device=device)


_kept = lru_cache(maxsize=64)(_made)


def share_at(shape: Shape, i: int, n: int) -> float:
    """The share of the rate that layer `i` of `n` has, counted from 1; a single layer has all of it.

    >>> [share_at("diamond", i, 4) for i in (1, 2, 3, 4)]
    [0.5, 1.0, 0.6666666666666666, 0.3333333333333333]
    >>> [share_at("stairs", i, 4) for i in (1, 2, 3, 4)]
    [1.0, 1.0, 0.5, 0.5]
    """
    if shape == "stairs":
        return 1 - 2 * ((i - 1 + n % 2) // 2) / n
    rise, middle, third = {"triangle": n}, (n + 1) // 2, max(1, (n + 1) // 3)
    rise |= {"diamond": middle, "hexagon": third}
    fall = {"funnel": n, "long_funnel": max(1, n // 2), "diamond": n + 1 - middle, "hexagon": third}
    return min(1.0, i / rise.get(shape, 1), (n + 1 - i) / fall.get(shape, 1))


@dataclass(frozen=True, kw_only=True)
class Dropout(LayerTechnique):
    """Switch hidden units off at random during training.

    Args:
        where: Before or after the activation.
        scaling: Scale up in training ("inverted"), or down afterwards ("classical").
        shape: How the rate differs over the layers of a network: "brick" is the same for all.
        rate: Probability that a unit is off, in the layer where it is highest; 0 changes nothing.
    """

    axes: ClassVar[frozenset[int]] = frozenset({1})
    where: Where = "after"
    scaling: Scaling = "inverted"
    shape: Shape = "brick"
    rate: Strength = strength(0.5, valid=(0.0, 0.99), search=(0.0, 0.7))

    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        return StackedDropout(self)


class StackedDropout(StackedModule):
    """The layer for activations of any shape. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: Dropout) -> None:
        super().__init__()
        self.technique = technique
        self.scaling = technique.scaling
        self.shape = technique.shape
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        rate = self.strength(tensors, "rate")
        if self.shape != "brick":
            rate = rate * share_at(self.shape, *self.position)
        if self.training:
            return drop_units(x, rate, key=tensors["key"], scaling=self.scaling)
        return x * (1 - spread(rate, x)) if self.scaling == "classical" else x
