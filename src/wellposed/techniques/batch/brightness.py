r"""Brightness: all pixels of an image become lighter or darker by the same amount.

$$x' = \mathrm{clip}\bigl(x + \delta\,(h - l),\ l,\ h\bigr), \qquad \delta \sim \mathcal U(-a, a)$$

with each channel's lowest and highest number $l$ and $h$, so that $\delta$ is a share of the range whatever the scale
of the data. Good for photographs under changing light; bad where the brightness itself is measured.

Source: Hernández-García and König, Data augmentation instead of explicit regularization, 2018,
https://arxiv.org/abs/1806.03852, the heavier scheme.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.images import Bounds, bounds_of, check_images, span_of, where_image, within
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def brighten(x: Float[Tensor, "*B C H W"], share: Float[Tensor, "*B"], *, bounds: Bounds) -> Float[Tensor, "*B C H W"]:
    """Add this share of the range to each image. Usable alone.

    >>> import torch
    >>> x, bounds = torch.tensor([[[0.0, 0.9]]]), (torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    >>> brighten(x, torch.tensor(0.25), bounds=bounds)
    tensor([[[0.2500, 1.0000]]])
    """
    added = share.view(*share.shape, 1, 1, 1) * span_of(bounds)
    return where_image(share != 0, (x + added).clamp(*bounds).to(x.dtype), x)


@dataclass(frozen=True, kw_only=True)
class Brightness(BatchTechnique):
    """Make each image lighter or darker by an amount of its own.

    Args:
        amount: Largest change to either side, as a share of the range; 0 changes nothing.
    """

    amount: Strength = strength(0.25, valid=(0.0, 1.0), search=(0.0, 0.5))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Brightness", batch)
        share = within(self.amount, key, batch, "share")
        return batch._replace(x=brighten(batch.x, share, bounds=bounds_of(batch)))
