r"""Swap noise: cells of a table are overwritten with those of other rows, each from its own column.

$$x'_{id} = \begin{cases} x_{jd},\ j \ne i \text{ uniform in the batch} & \text{with probability } r\\ x_{id} &
\text{otherwise}\end{cases}$$

The noise has each column's own distribution, so it fits numbers of any shape and categories alike, without a scale to
choose. Targets stay. Good for tables with many columns that say the same; bad where one column decides.

Source: Jahrer, the winning solution of Porto Seguro's safe driver prediction, Kaggle 2017 ("swapNoise"),
https://www.kaggle.com/c/porto-seguro-safe-driver-prediction/discussion/44629; also Bahri et al., SCARF, 2022,
https://arxiv.org/abs/2106.15147, section 3 (the same corruption, from all training rows).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def swap_cells(cells: tuple[Tensor, ...], rate: Strength, *, key: Key) -> tuple[Tensor, ...]:
    """Overwrite cells of tables `K B D` of the same rows with those of other rows, with probability `rate` each.

    Usable alone. `key` holds one number a member. Of a single row nothing changes.

    >>> swap_cells((torch.tensor([[[1.0], [2.0]]]),), 1.0, key=torch.tensor([1]))[0]
    tensor([[[2.],
             [1.]]])
    """
    rows, widths = cells[0].shape[1], [part.shape[-1] for part in cells]
    swapped = random.bernoulli(make_key(key, step=0, place="swapped"), (rows, sum(widths)), rate)
    ahead = 1 + random.choice(make_key(key, step=0, place="donor"), rows - 1, swapped[0].numel()).view(swapped.shape)
    own = torch.arange(rows, device=key.device).unsqueeze(-1)
    donors = torch.split(torch.where(swapped, own + ahead, own) % rows, widths, dim=-1)
    return tuple(part.gather(1, donor) for part, donor in zip(cells, donors, strict=True))


@dataclass(frozen=True, kw_only=True)
class SwapNoise(BatchTechnique):
    """Train on tables in which some numbers and categories are those of other rows. For tables only.

    Args:
        rate: Share of cells that are overwritten; 0 changes nothing.
    """

    rate: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.5))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "a table")
        x, codes = swap_cells((batch.x, batch.codes), self.rate, key=key)
        return batch._replace(x=x, codes=codes)
