r"""Clipping by norm: a gradient longer than the limit is shortened to it, in its own direction.

$$g' = g \cdot \min\!\left(1, \frac{c}{\lVert g \rVert + 10^{-6}}\right)$$

with $\lVert g \rVert$ over all parameters of one member together.

Source: Pascanu, Mikolov & Bengio, On the difficulty of training recurrent neural networks, 2013,
https://arxiv.org/abs/1211.5063, algorithm 1; the $10^{-6}$ is that of `torch.nn.utils.clip_grad_norm_`.
"""

from dataclasses import dataclass

import torch

from wellposed.random import Key
from wellposed.techniques.places import GradientTechnique, Moment, Tensors
from wellposed.techniques.technique import Strength, spread, strength


def clip_by_norm_(gradients: Tensors, limit: Strength) -> None:
    """Shorten each member's gradient to `limit`, in place; a member whose gradient is not finite affects no other.

    Usable alone with gradients `1 ...`, such as `p.grad[None]`, which is a view.

    >>> gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> clip_by_norm_({"w": gradient}, 1.0)
    >>> gradient
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients.values()]
    norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    coefficient = (limit / (norm + 1e-6)).clamp_max(1)
    for gradient in gradients.values():
        gradient.mul_(spread(coefficient, gradient))


@dataclass(frozen=True, kw_only=True)
class ClipNorm(GradientTechnique):
    """Keep single steep batches from throwing the weights far away.

    Args:
        limit: Longest gradient that is left as it is; infinity changes nothing.
    """

    limit: Strength = strength(1.0, valid=(0.0, float("inf")), search=(0.1, 10.0), log=True)

    def gradient_(self, gradients: Tensors, parameters: Tensors, key: Key, moment: Moment) -> None:
        clip_by_norm_(gradients, self.limit)
