r"""Clipping by value: each entry of a gradient that lies beyond the limit is set to it.

$$g'_i = \min(\max(g_i, -c), c)$$

Good against single entries that explode, as of rare inputs; unlike clipping by norm it changes the direction.

Source: Mikolov, Statistical language models based on neural networks, 2012, section 3.2.2 (there with a limit of 15);
Goodfellow, Bengio & Courville, Deep Learning, 2016, https://www.deeplearningbook.org, section 10.11.1;
`torch.nn.utils.clip_grad_value_`.
"""

from dataclasses import dataclass

from wellposed.random import Key
from wellposed.techniques.places import GradientTechnique, Moment, Tensors
from wellposed.techniques.technique import Strength, spread, strength


def clip_by_value_(gradients: Tensors, limit: Strength) -> None:
    """Bring each entry into [-limit, limit], in place; what is not a number stays so.

    Usable alone with gradients `1 ...`, such as `p.grad[None]`, which is a view.

    >>> import torch
    >>> gradient = torch.tensor([[3.0, -0.4]])
    >>> clip_by_value_({"w": gradient}, 1.0)
    >>> gradient
    tensor([[ 1.0000, -0.4000]])
    """
    for gradient in gradients.values():
        bound = spread(limit, gradient)
        gradient.clamp_(-bound, bound)  # type: ignore[arg-type]  # both are numbers, or both tensors


@dataclass(frozen=True, kw_only=True)
class ClipValue(GradientTechnique):
    """Keep single entries of a gradient from throwing their weights far away.

    Args:
        limit: Largest entry that is left as it is; infinity changes nothing.
    """

    limit: Strength = strength(1.0, valid=(0.0, float("inf")), search=(0.01, 10.0), log=True)

    def gradient_(self, gradients: Tensors, parameters: Tensors, key: Key, moment: Moment) -> None:
        clip_by_value_(gradients, self.limit)
