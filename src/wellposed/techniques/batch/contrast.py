r"""Contrast: the pixels of an image are moved away from their mean, or towards it.

$$x' = \mathrm{clip}\bigl(\gamma\,(x - \bar x) + \bar x,\ l,\ h\bigr), \qquad \gamma \sim \mathcal U(1 - a, 1 + a)$$

with the mean $\bar x$ of each channel of each image, and the lowest and highest number $l$ and $h$ of each channel.
Good for photographs under changing light; bad where small differences are the answer, which $\gamma < 1$ hides.

Source: Hernández-García and König, Data augmentation instead of explicit regularization, 2018,
https://arxiv.org/abs/1806.03852, the heavier scheme.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.images import Bounds, bounds_of, check_images, where_image, within
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def stretch_contrast(
    x: Float[Tensor, "*B C H W"], factor: Float[Tensor, "*B"], *, bounds: Bounds
) -> Float[Tensor, "*B C H W"]:
    """Multiply the distance of each pixel from the mean of its channel. Usable alone.

    >>> import torch
    >>> x, bounds = torch.tensor([[[0.25, 0.75]]]), (torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    >>> stretch_contrast(x, torch.tensor(0.5), bounds=bounds)
    tensor([[[0.3750, 0.6250]]])
    """
    mean = x.mean((-2, -1), keepdim=True)
    changed = factor.view(*factor.shape, 1, 1, 1) * (x - mean) + mean
    return where_image(factor != 1, changed.clamp(*bounds).to(x.dtype), x)


@dataclass(frozen=True, kw_only=True)
class Contrast(BatchTechnique):
    """Raise or lower the contrast of each image by a factor of its own.

    Args:
        amount: The factor lies between 1 minus and 1 plus this; 0 changes nothing.
    """

    amount: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.0, 0.8))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Contrast", batch)
        factor = 1 + within(self.amount, key, batch, "factor")
        return batch._replace(x=stretch_contrast(batch.x, factor, bounds=bounds_of(batch)))
