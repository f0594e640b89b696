r"""Window crop: only a stretch of each sequence is seen, which begins anywhere.

$$l' = \max(1, \lfloor s\,l \rfloor), \qquad x'_t = x_{b + t} \text{ for } t < l', \qquad b \sim
\mathcal U\{0, \dots, l - l'\}$$

The stretch moves to the front and the rest becomes padding, so a network must take sequences of any length. Good where
every part of a sequence shows its class; bad where one moment does, which may be cut away.

Source: Le Guennec, Malinowski and Tavenard, Data augmentation for time series classification using convolutional neural
networks, ECML/PKDD workshop 2016, section 4 ("window slicing", there with all stretches of 0.9 of the length).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.batch.positions import count_share, draw_below, is_real
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def crop_windows(
    x: Float[Tensor, "K B T D"], length: Int64[Tensor, "K B"], share: Strength, *, key: Key
) -> tuple[Float[Tensor, "K B T D"], Int64[Tensor, "K B"]]:
    """A stretch of this share of each sequence, moved to the front, and its length. Usable alone.

    `key` holds one number a member.

    >>> x = torch.arange(1.0, 5.0).view(1, 1, 4, 1)
    >>> x, length = crop_windows(x, torch.tensor([[4]]), 0.5, key=torch.tensor([1]))
    >>> x.flatten().diff()[0], x.flatten()[2:], length
    (tensor(1.), tensor([0., 0.]), tensor([[2]]))
    """
    size = x.shape[2]
    kept = count_share(share, length)
    start = draw_below(key, length - kept + 1).unsqueeze(-1)
    index = (torch.arange(size, device=x.device) + start).clamp(max=size - 1).unsqueeze(-1)
    return torch.where(is_real(kept, size).unsqueeze(-1), x.gather(2, index.expand_as(x)), 0), kept


@dataclass(frozen=True, kw_only=True)
class WindowCrop(BatchTechnique):
    """Train on stretches of sequences. For sequences only.

    Args:
        share: Of each sequence's steps that is kept; 1 changes nothing.
    """

    share: Strength = strength(0.9, valid=(0.01, 1.0), search=(0.5, 1.0))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "sequences")
        x, length = crop_windows(batch.x, batch.codes[..., 0], self.share, key=key)
        return batch._replace(x=x, codes=length.unsqueeze(-1))
