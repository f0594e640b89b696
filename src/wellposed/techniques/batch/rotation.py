r"""Rotation: an image is turned about its middle by a random angle.

$$q = \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix} p, \qquad
\theta \sim \mathcal U(-d, d)$$

where $q$ is the place of the old image that is shown at $p$ (see `images`); $\theta > 0$ turns against the clock. Good
for what is seen upright only by habit; bad for digits beyond 90 degrees, where a 6 becomes a 9.

Source: Simard, Steinkraus and Platt, Best practices for convolutional neural networks, ICDAR 2003, section 2.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.images import Fill, bounds_of, check_images, matrix_of, warp, within
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def rotate(
    x: Float[Tensor, "*B C H W"], degrees: Float[Tensor, "*B"], *, fill: Fill, low: Float[Tensor, "C 1 1"]
) -> Float[Tensor, "*B C H W"]:
    """Turn each image by its angle, against the clock. Usable alone.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    >>> rotate(x, torch.tensor(90.0), fill="low", low=torch.zeros(1, 1, 1)).round()
    tensor([[[2., 4.],
             [1., 3.]]])
    """
    angle = degrees.deg2rad()
    cos, sin = angle.cos(), angle.sin()
    return warp(x, matrix_of(cos, -sin, 0.0, sin, cos, 0.0, like=angle), fill=fill, low=low)


@dataclass(frozen=True, kw_only=True)
class Rotation(BatchTechnique):
    """Turn each image by an angle of its own.

    Args:
        degrees: Largest angle to either side; 0 changes nothing.
        fill: What comes in from outside: "low" is black, "nearest" continues the edge.
    """

    degrees: Strength = strength(15.0, valid=(0.0, 180.0), search=(0.0, 30.0))
    fill: Fill = "low"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Rotation", batch)
        degrees = within(self.degrees, key, batch, "degrees")
        return batch._replace(x=rotate(batch.x, degrees, fill=self.fill, low=bounds_of(batch)[0]))
