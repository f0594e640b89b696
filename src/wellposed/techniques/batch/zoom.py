r"""Zoom: an image is made larger or smaller about its middle.

$$q_x = p_x / z_x, \quad q_y = p_y / z_y, \qquad z \sim \mathcal U(1 - a, 1 + a)$$

where $q$ is the place of the old image that is shown at $p$ (see `images`). Good where things are seen from different
distances; bad where size is the answer.

Source: Simonyan and Zisserman, Very deep convolutional networks, 2015, https://arxiv.org/abs/1409.1556, section 3.1
(jitter of scale).
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.images import Fill, bounds_of, check_images, matrix_of, warp, within
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def zoom(
    x: Float[Tensor, "*B C H W"],
    across: Float[Tensor, "*B"],
    down: Float[Tensor, "*B"],
    *,
    fill: Fill,
    low: Float[Tensor, "C 1 1"],
) -> Float[Tensor, "*B C H W"]:
    """Make each image wider and higher by its two factors. Usable alone.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 2.0, 4.0]]])
    >>> zoom(x, torch.tensor(2.0), torch.tensor(1.0), fill="low", low=torch.zeros(1, 1, 1))
    tensor([[[1.5000, 2.0000, 3.0000]]])
    """
    return warp(x, matrix_of(1 / across, 0.0, 0.0, 0.0, 1 / down, 0.0, like=across), fill=fill, low=low)


@dataclass(frozen=True, kw_only=True)
class Zoom(BatchTechnique):
    """Make each image larger or smaller by a factor of its own.

    Args:
        amount: The factor lies between 1 minus and 1 plus this; 0 changes nothing.
        stretch: Draw width and height apart, so that the proportions change.
        fill: What comes in from outside: "low" is black, "nearest" continues the edge.
    """

    amount: Strength = strength(0.15, valid=(0.0, 0.9), search=(0.0, 0.3))
    stretch: bool = False
    fill: Fill = "low"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Zoom", batch)
        across = 1 + within(self.amount, key, batch, "across")
        down = 1 + within(self.amount, key, batch, "down") if self.stretch else across
        return batch._replace(x=zoom(batch.x, across, down, fill=self.fill, low=bounds_of(batch)[0]))
