r"""Gradient noise: normal noise that fades over training is added to each gradient.

$$g' = g + \sigma_t \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1), \qquad
\sigma_t^2 = \frac{\eta}{(1 + t)^{\gamma}}$$

with $t$ the updates made so far. Good for deep networks that start badly, or sit on a plateau; of little use with small
batches, whose gradients are noisy already. Under Adam it comes before the division by the root of the second moment.

Source: Neelakantan et al., Adding gradient noise improves learning for very deep networks, 2015,
https://arxiv.org/abs/1511.06807, section 3, equation 1 (with $\eta$ of 0.01, 0.3 or 1 and $\gamma = 0.55$).
"""

from dataclasses import dataclass

import torch

from wellposed.random import Key, make_key, normal
from wellposed.techniques.places import GradientTechnique, Moment, Tensors
from wellposed.techniques.technique import Strength, spread, strength


def add_noise_(gradients: Tensors, deviation: Strength, *, key: Key) -> None:
    """Add normal noise of this deviation, in place.

    Usable alone with gradients `1 ...`, such as `p.grad[None]`, which is a view, and a key `1`; the same key draws the
    same noise.

    >>> gradient = torch.zeros(1, 3)
    >>> add_noise_({"w": gradient}, 0.1, key=torch.tensor([7]))
    >>> bool(gradient.any())
    True
    """
    for name, gradient in gradients.items():
        dtype = torch.promote_types(gradient.dtype, torch.float32)
        noise = normal(make_key(key, step=0, place=name), gradient.shape[1:], dtype=dtype)
        gradient.add_(noise * spread(deviation, noise))


@dataclass(frozen=True, kw_only=True)
class GradientNoise(GradientTechnique):
    """Shake gradients, at first most.

    Args:
        variance: Of the noise at the first update; 0 changes nothing.
        decay: Power of the update's number by which the variance is divided.
    """

    variance: Strength = strength(0.01, valid=(0.0, 100.0), search=(1e-4, 1.0), log=True)
    decay: Strength = strength(0.55, valid=(0.0, 10.0), search=(0.0, 1.0))

    def gradient_(self, gradients: Tensors, parameters: Tensors, key: Key, moment: Moment) -> None:
        add_noise_(gradients, (self.variance / moment.step**self.decay) ** 0.5, key=key)
