r"""Feature masking: cells of a table are hidden, as if nobody had filled them in.

$$x'_{id} = \begin{cases} v & \text{with probability } r\\ x_{id} & \text{otherwise}\end{cases}$$

A hidden number becomes $v$, 0 being the mean of scaled columns; a hidden category becomes the code of a missing one.
Unlike dropout nothing is scaled up. Targets stay.

Good where answers must not hang on one column, or where cells will be missing in use; bad for tables of few columns.

Source: Vincent et al., Extracting and composing robust features with denoising autoencoders, 2008,
https://doi.org/10.1145/1390156.1390294, section 2.3 (masking noise); for tables: Yoon et al., VIME, NeurIPS 2020.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import check_number
from wellposed.random import Key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, strength


def mask_cells(
    x: Float[Tensor, "K B D"], codes: Int64[Tensor, "K B J"], rate: Strength, *, value: float = 0.0, key: Key
) -> tuple[Float[Tensor, "K B D"], Int64[Tensor, "K B J"]]:
    """Set numbers to `value` and codes to 0, each with probability `rate`. Usable alone.

    `key` holds one number a member.

    >>> mask_cells(torch.ones(1, 1, 2), torch.ones(1, 1, 1, dtype=torch.int64), 1.0, key=torch.tensor([1]))
    (tensor([[[0., 0.]]]), tensor([[[0]]]))
    """
    width = x.shape[-1]
    hidden = random.bernoulli(key, (x.shape[1], width + codes.shape[-1]), rate)
    return torch.where(hidden[..., :width], value, x), torch.where(hidden[..., width:], 0, codes)


@dataclass(frozen=True, kw_only=True)
class FeatureMasking(BatchTechnique):
    """Train on tables with hidden cells. For tables only; scale the data first.

    Args:
        rate: Share of cells that are hidden; 0 changes nothing, 1 hides all.
        value: What a hidden number becomes; categories become missing.
    """

    rate: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.5))
    value: float = 0.0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("FeatureMasking.value", self.value)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "a table")
        x, codes = mask_cells(batch.x, batch.codes, self.rate, value=self.value, key=key)
        return batch._replace(x=x, codes=codes)
