r"""Scaling: each channel of a sequence is stretched or shrunk as a whole, as by a sensor of another gain.

$$x'_{td} = (1 + \sigma \varepsilon_d)\,x_{td}, \qquad \varepsilon \sim \mathcal N(0, 1)$$

One factor for each row and channel, the same at all steps; padding stays 0. Good where amplitudes differ between
devices or people; bad where the amplitude is the answer. Channels turn around where a factor is negative, once in
$3 \cdot 10^6$ draws at $\sigma = 0.2$.

Source: Um et al., Data augmentation of wearable sensor data for Parkinson's disease monitoring, 2017,
https://arxiv.org/abs/1706.00527, section 3.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, spread, strength


def scale_channels(x: Float[Tensor, "K B T D"], deviation: Strength, *, key: Key) -> Float[Tensor, "K B T D"]:
    """Multiply each channel of each sequence by a normal factor around 1. Usable alone.

    `key` holds one number a member.

    >>> import torch
    >>> x = scale_channels(torch.ones(1, 2, 3, 1), 0.1, key=torch.tensor([1]))
    >>> torch.equal(x[:, :, 0], x[:, :, 2])
    True
    """
    noise = random.normal(key, (x.shape[1], 1, x.shape[3]), dtype=x.dtype)
    return x * (1 + noise * spread(deviation, x))


@dataclass(frozen=True, kw_only=True)
class Scaling(BatchTechnique):
    """Train on sequences with stretched channels. For sequences only.

    Args:
        deviation: Of the factors from 1; 0 changes nothing.
    """

    deviation: Strength = strength(0.1, valid=(0.0, 100.0), search=(0.02, 0.5), log=True)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "sequences")
        return batch._replace(x=scale_channels(batch.x, self.deviation, key=key))
