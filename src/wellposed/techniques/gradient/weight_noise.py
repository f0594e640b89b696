r"""Weight noise: at each step the gradient is taken at weights that were moved a little at random.

$$g = \nabla L(w + \sigma \varepsilon), \qquad \varepsilon \sim \mathcal N(0, 1)$$

and the step is made from $w$. For small $\sigma$ and squared error this adds
$\sigma^2\, \mathbb E \lVert \nabla_w \hat y \rVert^2$ to the loss: weights are sought around which the answer is flat.
(For linear regression that is $\sigma^2\, \mathbb E \lVert x \rVert^2$, whatever the weights.) On weights alone: no
biases, no norms.

Good for recurrent networks, and for weights that will be rounded; bad before norms, which undo the scale of weights, so
that a fixed $\sigma$ fades as they grow.

Source: Goodfellow, Bengio & Courville, Deep Learning, 2016, https://www.deeplearningbook.org, section 7.5,
equation 7.33; for recurrent networks Graves, 2013, https://arxiv.org/abs/1303.5778, section 3.3.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wellposed.random import Key, make_key, normal
from wellposed.techniques.places import PointTechnique, Tensors
from wellposed.techniques.selection import select_weights
from wellposed.techniques.technique import Strength, spread, strength


def shake_weights(parameters: Tensors, deviation: Strength, *, key: Key) -> dict[str, Tensor]:
    """The parameters, with normal noise of this deviation on the weights; each in memory of its own.

    Usable alone with parameters `1 ...`, such as `p.detach()[None]`, and a key `1`; the same key draws the same noise.

    >>> moved = shake_weights({"weight": torch.zeros(1, 2, 3), "bias": torch.zeros(1, 2)}, 0.1, key=torch.tensor([7]))
    >>> bool(moved["weight"].any()), bool(moved["bias"].any())
    (True, False)
    """
    moved = {name: parameter.clone() for name, parameter in parameters.items()}
    for name, weight in select_weights(moved).items():
        dtype = torch.promote_types(weight.dtype, torch.float32)
        noise = normal(make_key(key, step=0, place=name), weight.shape[1:], dtype=dtype)
        weight.add_(noise * spread(deviation, noise))
    return moved


@dataclass(frozen=True, kw_only=True)
class WeightNoise(PointTechnique):
    """Take gradients at weights beside the present ones.

    Args:
        deviation: Of the noise on each weight; 0 changes nothing.
    """

    needs_gradients: ClassVar[bool] = False
    deviation: Strength = strength(0.01, valid=(0.0, 100.0), search=(1e-4, 0.1), log=True)

    def point(self, parameters: Tensors, gradients: Tensors, key: Key) -> dict[str, Tensor]:
        return shake_weights(parameters, self.deviation, key=key)
