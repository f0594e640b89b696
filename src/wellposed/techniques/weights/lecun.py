r"""LeCun's starting weights: a layer keeps the variance of its signal, whatever comes behind it.

$$\mathrm{Var}[w] = \frac{1}{n_\mathrm{in}}$$

Right for linear layers and for SELU, whose fixed point asks for it, and for tanh of the form $1.7159 \tanh(2x/3)$; a
rectifier halves the second moment, so behind it signals fade by $\sqrt{1/2}$ a layer (use He's weights there).

Source: LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998, equation 16,
http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf; Klambauer et al., Self-normalizing neural networks, 2017,
https://arxiv.org/abs/1706.02515, section 2.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.weights.fans import count_fans
from wellposed.techniques.weights.scaled import Distribution, draw_scaled


def draw_lecun(
    shape: tuple[int, ...], *, key: Key, distribution: Distribution = "normal", dtype: torch.dtype = torch.float32
) -> Float[Tensor, "..."]:
    """Weights of variance `1 / n_in` for each key. Usable alone, with a key of one number.

    >>> draw_lecun((4, 3), key=torch.tensor(7)).shape
    torch.Size([4, 3])
    """
    deviation = math.sqrt(1 / count_fans(shape).into)
    return draw_scaled(shape, deviation, key=key, distribution=distribution, dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class LeCun(WeightTechnique):
    """Draw weights so that a weighted sum has the variance of what is summed.

    Args:
        distribution: "normal", "uniform" or "truncated" (normal within two deviations), of the same variance.
    """

    distribution: Distribution = "normal"

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_lecun(shape, key=key, distribution=self.distribution, dtype=dtype)
