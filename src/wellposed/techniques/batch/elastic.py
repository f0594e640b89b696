r"""Elastic distortion: each pixel moves a little, and neighbors together, as in another hand's writing.

$$q = p + \alpha\, (G_\sigma * u)(p), \qquad u_x, u_y \sim \mathcal U(-1, 1) \text{ for each pixel}$$

where $q$ is the place of the old image that is shown at $p$, and $G_\sigma$ a Gaussian of deviation $\sigma$ pixels.
Simard's best on 29 x 29 digits: $\sigma = 4$, $\alpha = 34$, by which pixels move by 1.4 on average (root mean
square, inside). Good for handwriting and tissue; bad for rigid things.

Source: Simard, Steinkraus and Platt, Best practices for convolutional neural networks, ICDAR 2003, section 2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.checks import check_number
from wellposed.random import Key, make_key
from wellposed.techniques.batch.images import Fill, bounds_of, check_images, look_up, where_image, wide
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, spread, strength


def smooth(field: Float[Tensor, "*B H W"], deviation: float) -> Float[Tensor, "*B H W"]:
    """Convolve fields with a Gaussian, cut off at four deviations; beyond the edge they are 0. Usable alone.

    >>> smooth(torch.tensor([[0.0, 1.0, 0.0]]), 0.5)
    tensor([[0.0837, 0.6187, 0.0837]])
    """
    down, across = (_kernel(n, deviation).to(field) for n in field.shape[-2:])
    return down @ field @ across


def _kernel(n: int, deviation: float) -> Float[Tensor, "n n"]:
    """The convolution of `n` numbers as a matrix, which for small images is the fastest way."""
    radius = int(4 * deviation + 0.5)
    distance = torch.arange(-max(n - 1, radius), max(n - 1, radius) + 1, dtype=torch.float64)
    weight = torch.where(distance.abs() <= radius, (-0.5 * (distance / deviation).square()).exp(), 0.0)
    places = torch.arange(n)
    return (weight / weight.sum())[places - places.unsqueeze(-1) + len(distance) // 2]


def displace(
    x: Float[Tensor, "*B C H W"],
    right: Float[Tensor, "*B H W"],
    down: Float[Tensor, "*B H W"],
    *,
    fill: Fill,
    low: Float[Tensor, "C 1 1"],
) -> Float[Tensor, "*B C H W"]:
    """Show at each place what was as many pixels to the right and down of it. Usable alone.

    >>> x, none = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.zeros(1, 3)
    >>> displace(x, torch.tensor([[0.5, 0.0, -1.0]]), none, fill="low", low=torch.zeros(1, 1, 1))
    tensor([[[1.5000, 2.0000, 2.0000]]])
    """
    height, width = x.shape[-2:]
    across = torch.arange(width, dtype=right.dtype, device=x.device) + right
    along = torch.arange(height, dtype=down.dtype, device=x.device).unsqueeze(-1) + down
    grid = torch.stack([(2 * across + 1) / width - 1, (2 * along + 1) / height - 1], dim=-1)
    flat = look_up(x.reshape(-1, *x.shape[-3:]), grid.reshape(-1, height, width, 2), fill=fill, low=low)
    moved = ((right != 0) | (down != 0)).flatten(-2).any(-1)
    return where_image(moved, flat.view(x.shape), x)


@dataclass(frozen=True, kw_only=True)
class Elastic(BatchTechnique):
    """Distort each image by a random field of its own.

    Args:
        amount: Simard's alpha: the factor of the smoothed field, in pixels; 0 changes nothing.
        smoothness: Simard's sigma: deviation of the Gaussian that smooths the field, in pixels.
        fill: What comes in from outside: "low" is black, "nearest" continues the edge.
    """

    amount: Strength = strength(34.0, valid=(0.0, 10000.0), search=(0.0, 60.0))
    smoothness: float = 4.0
    fill: Fill = "low"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("Elastic.smoothness", self.smoothness, low=0.25, high=100.0)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Elastic", batch)
        shape = (batch.x.shape[1], 2, *batch.x.shape[-2:])
        drawn = random.uniform(make_key(key, step=0, place="field"), shape, dtype=wide(batch.x.dtype)) * 2 - 1
        right, down = (smooth(drawn, self.smoothness) * spread(self.amount, drawn)).unbind(2)
        return batch._replace(x=displace(batch.x, right, down, fill=self.fill, low=bounds_of(batch)[0]))
