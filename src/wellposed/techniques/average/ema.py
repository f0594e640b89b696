r"""Exponential moving average: answers come from weights averaged over the last steps, which tremble less.

$$\bar\theta_t = d_t \bar\theta_{t-1} + (1 - d_t)\,\theta_t, \qquad d_t = \min\!\left(d, \frac{1 + t}{10 + t}\right)$$

The second part of the minimum (the warm-up) lets the average leave the starting weights quickly.

Source: Polyak & Juditsky, Acceleration of stochastic approximation by averaging, 1992; the exponential form and its
warm-up: Abadi et al., TensorFlow, 2016, `tf.train.ExponentialMovingAverage` with `num_updates`.
"""

from dataclasses import dataclass

from torch import Tensor

from wellposed.techniques.places import AverageTechnique, Moment, Tensors
from wellposed.techniques.technique import Strength, spread, strength


def move_average_(mean: Tensors, tensors: Tensors, decay: Strength) -> None:
    """Move each mean towards its tensor by a share `1 - decay`, in place.

    Usable alone with `dict(model.named_parameters())`, under `torch.no_grad()`.

    >>> import torch
    >>> mean = torch.tensor([[1.0]])
    >>> move_average_({"w": mean}, {"w": torch.tensor([[2.0]])}, 0.9)
    >>> mean
    tensor([[1.1000]])
    """
    for name, average in mean.items():
        share = spread(1 - decay, average)
        average.lerp_(tensors[name], share.to(average.dtype) if isinstance(share, Tensor) else share)


def warm_decay(decay: Strength, step: int) -> Strength:
    """The decay at a step that counts from 1, held low at first.

    >>> warm_decay(0.999, 1), warm_decay(0.999, 100_000)
    (0.18181818181818182, 0.999)
    """
    bound = (1 + step) / (10 + step)
    return decay.clamp_max(bound) if isinstance(decay, Tensor) else min(decay, bound)


@dataclass(frozen=True, kw_only=True)
class EMA(AverageTechnique):
    """Answer with a moving average of the weights (and of the norms' running statistics).

    Args:
        decay: How much of the average each step keeps; 0 is the last weights.
        warm_up: Keep less during the first steps.
    """

    decay: Strength = strength(0.999, valid=(0.0, 1.0), search=(0.9, 0.9999))
    warm_up: bool = True

    def average_(self, mean: Tensors, tensors: Tensors, moment: Moment) -> None:
        move_average_(mean, tensors, warm_decay(self.decay, moment.step) if self.warm_up else self.decay)

    @property
    def refreshes(self) -> bool:
        return False
