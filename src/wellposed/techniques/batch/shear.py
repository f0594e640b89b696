r"""Shear: the lines of an image are moved against each other, as in writing that leans.

$$q_x = p_x + s\,p_y, \quad q_y = p_y, \qquad s \sim \mathcal U(-a, a)$$

where $q$ is the place of the old image that is shown at $p$ (see `images`); the vertical shear moves columns. Good for
handwriting; bad for what is told by its angles.

Source: Simard, Steinkraus and Platt, Best practices for convolutional neural networks, ICDAR 2003, section 2.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.flip import Mirror
from wellposed.techniques.batch.images import Fill, bounds_of, check_images, matrix_of, warp, within
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def shear(
    x: Float[Tensor, "*B C H W"],
    slope: Float[Tensor, "*B"],
    *,
    axis: Mirror,
    fill: Fill,
    low: Float[Tensor, "C 1 1"],
) -> Float[Tensor, "*B C H W"]:
    """Let each image lean by its slope; "horizontal" moves rows, "vertical" columns. Usable alone.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    >>> shear(x, torch.tensor(1.0), axis="horizontal", fill="low", low=torch.zeros(1, 1, 1))
    tensor([[[0., 1.],
             [3., 4.],
             [6., 0.]]])
    """
    across, along = (slope, 0.0) if axis == "horizontal" else (0.0, slope)
    return warp(x, matrix_of(1.0, across, 0.0, along, 1.0, 0.0, like=slope), fill=fill, low=low)


@dataclass(frozen=True, kw_only=True)
class Shear(BatchTechnique):
    """Let each image lean by a slope of its own.

    Args:
        slope: Largest slope to either side, in pixels a pixel; 0 changes nothing.
        axis: "horizontal" moves rows, "vertical" columns.
        fill: What comes in from outside: "low" is black, "nearest" continues the edge.
    """

    slope: Strength = strength(0.2, valid=(0.0, 1.0), search=(0.0, 0.3))
    axis: Mirror = "horizontal"
    fill: Fill = "low"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Shear", batch)
        slope = within(self.slope, key, batch, "slope")
        return batch._replace(x=shear(batch.x, slope, axis=self.axis, fill=self.fill, low=bounds_of(batch)[0]))
