r"""Input noise: each number of each batch is moved a little, so that answers may not hang on exact values.

$$x' = x + \sigma \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1)$$

For squared error and small $\sigma$ this penalizes the gradient of the answer with respect to the input.

Source: Bishop, Training with noise is equivalent to Tikhonov regularization, Neural Computation 7 (1995), 108-116,
https://doi.org/10.1162/neco.1995.7.1.108, section 2.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, spread, strength


def add_noise(x: Float[Tensor, "K ..."], deviation: Strength, *, key: Key) -> Float[Tensor, "K ..."]:
    """Add normal noise of this deviation, drawn from `key`. Usable alone.

    `key` holds one number for each entry of the first axis, or has no axes and draws for all of `x`; the same key draws
    the same noise.

    >>> import torch
    >>> add_noise(torch.zeros(2, 5), 0.1, key=torch.tensor([1, 2])).shape
    torch.Size([2, 5])
    """
    return x + random.normal(key, x.shape[key.dim() :], dtype=x.dtype) * spread(deviation, x)


@dataclass(frozen=True, kw_only=True)
class InputNoise(BatchTechnique):
    """Train on noisy inputs; categories are left alone. Scale the data first.

    Args:
        deviation: Of the noise, in the units of the scaled inputs; 0 changes nothing.
    """

    deviation: Strength = strength(0.1, valid=(0.0, 100.0), search=(0.01, 1.0), log=True)

    def batch(self, batch: Batch, key: Key) -> Batch:
        return batch._replace(x=add_noise(batch.x, self.deviation, key=key))
