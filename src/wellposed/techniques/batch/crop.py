r"""Shifted crop: an image is padded on all sides, and a window of the old size is cut out at random.

$$x'_{c,i,j} = x_{c,\,i + r,\,j + s}, \qquad r \in \{-m_H, \dots, m_H\},\ s \in \{-m_W, \dots, m_W\}$$

with $m_H = \mathrm{round}(aH)$: whole pixels, so nothing is blurred. Padding 32 pixels by 4 is $a = 0.125$. Good for
almost all images; bad where the place in the picture is the answer, and where the margin cuts off what counts.

Source: He et al., Deep residual learning, 2016, https://arxiv.org/abs/1512.03385, section 4.2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.images import Fill, bounds_of, check_images, uniform_each
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, spread, strength


def shift(
    x: Float[Tensor, "*B C H W"],
    down: Int64[Tensor, "*B"],
    right: Int64[Tensor, "*B"],
    *,
    fill: Fill,
    low: Float[Tensor, "C 1 1"],
) -> Float[Tensor, "*B C H W"]:
    """Show each image through a window moved by whole pixels. Usable alone.

    >>> x, none = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor(0)
    >>> shift(x, none, torch.tensor(1), fill="low", low=torch.zeros(1, 1, 1))
    tensor([[[2., 3., 0.]]])
    """
    for axis, offset in ((-2, down), (-1, right)):
        n = x.shape[axis]
        places = torch.arange(n, device=x.device) + offset.unsqueeze(-1)
        places = places.view(*offset.shape, 1, *((n, 1) if axis == -2 else (1, n)))
        x = x.gather(axis, places.clamp(0, n - 1).expand(x.shape))
        if fill == "low":
            x = torch.where((places < 0) | (places >= n), low, x)
    return x


def draw_offsets(share: Strength, size: int, key: Key, batch: Batch, place: str) -> Int64[Tensor, "K B"]:
    """Whole numbers of pixels from `-m` to `m`, all as likely, where `m` is this share of the size."""
    drawn = uniform_each(key, batch, place)
    most = (torch.full_like(drawn, size) * spread(share, drawn)).round()
    return ((drawn * (2 * most + 1)).floor().clamp(max=2 * most) - most).long()


@dataclass(frozen=True, kw_only=True)
class ShiftCrop(BatchTechnique):
    """Move each image by whole pixels, to any side.

    Args:
        shift: Farthest move, as a share of height and width; 0 changes nothing.
        fill: What comes in from outside: "low" is black, "nearest" continues the edge.
    """

    shift: Strength = strength(0.125, valid=(0.0, 1.0), search=(0.0, 0.25))
    fill: Fill = "low"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("ShiftCrop", batch)
        height, width = batch.x.shape[-2:]
        down = draw_offsets(self.shift, height, key, batch, "down")
        right = draw_offsets(self.shift, width, key, batch, "right")
        return batch._replace(x=shift(batch.x, down, right, fill=self.fill, low=bounds_of(batch)[0]))
