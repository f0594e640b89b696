r"""Jitter: each step of a sequence is moved a little, as by a noisy sensor; padding stays.

$$x'_{td} = x_{td} + \sigma \varepsilon_{td}, \qquad \varepsilon \sim \mathcal N(0, 1), \qquad t < l$$

Good where measurements are noisy; bad where small steps matter. `InputNoise` is the same for data of every kind, but
moves padding, too.

Source: Um et al., Data augmentation of wearable sensor data for Parkinson's disease monitoring, 2017,
https://arxiv.org/abs/1706.00527, section 3.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.input_noise import add_noise
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.batch.positions import is_real
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def jitter_steps(
    x: Float[Tensor, "K B T D"], length: Int64[Tensor, "K B"], deviation: Strength, *, key: Key
) -> Float[Tensor, "K B T D"]:
    """Add normal noise of this deviation to the steps before each sequence's length. Usable alone.

    `key` holds one number a member.

    >>> x = jitter_steps(torch.zeros(1, 1, 3, 1), torch.tensor([[2]]), 0.1, key=torch.tensor([1]))
    >>> x.flatten() != 0
    tensor([ True,  True, False])
    """
    return torch.where(is_real(length, x.shape[2]).unsqueeze(-1), add_noise(x, deviation, key=key), x)


@dataclass(frozen=True, kw_only=True)
class Jitter(BatchTechnique):
    """Train on noisy sequences. For sequences only; scale the data first.

    Args:
        deviation: Of the noise, in the units of the scaled inputs; 0 changes nothing.
    """

    deviation: Strength = strength(0.05, valid=(0.0, 100.0), search=(0.01, 0.5), log=True)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "sequences")
        return batch._replace(x=jitter_steps(batch.x, batch.codes[..., 0], self.deviation, key=key))
