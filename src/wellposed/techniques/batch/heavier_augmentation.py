r"""Heavier augmentation: mirror images, moves, zoom, rotation, shear, contrast and brightness, all at once.

$$q = \begin{pmatrix} f z_x \cos\theta & -z_y \sin(\theta + \varphi) & t_x W \\
z_x \sin\theta & z_y \cos(\theta + \varphi) & t_y H \end{pmatrix} \begin{pmatrix} p_x \\ p_y \\ 1 \end{pmatrix},
\qquad x' = \gamma\,(x + \delta - \bar x) + \bar x$$

where $q$ is the place of the old image that is shown at $p$ (see `images`); brightness $\delta$ is added first, the
mean $\bar x$ is that of the brighter image, and after both steps pixels are cut off at their lowest and highest number.
With $f = 1 - 2\,\mathcal B(\frac12)$ and uniform $t \in \pm 0.1$, $z \in 1 \pm 0.15$, $\theta \in \pm 22.5^\circ$,
$\varphi \in \pm 0.15$, $\gamma \in 1 \pm 0.5$, $\delta \in \pm 0.25$, all the ranges times `amount`. Good where few
images must do: with a tenth of the data it keeps 69 % of the accuracy, no augmentation 59 %. Bad where left and right
matter.

Source: Hernández-García and König, Data augmentation instead of explicit regularization, 2018,
https://arxiv.org/abs/1806.03852, the heavier scheme.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.brightness import brighten
from wellposed.techniques.batch.contrast import stretch_contrast
from wellposed.techniques.batch.images import Fill, bounds_of, check_images, chosen, matrix_of, warp, within
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def affine_matrix(
    mirror: Float[Tensor, "*B"],
    shift: tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]],
    zoom: tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]],
    angle: Float[Tensor, "*B"],
    shear: Float[Tensor, "*B"],
) -> Float[Tensor, "*B 2 3"]:
    """The paper's matrix, of a mirror of 1 or -1, moves in pixels and angles in radians. Usable alone.

    >>> import torch
    >>> none, one = torch.tensor(0.0), torch.tensor(1.0)
    >>> affine_matrix(-one, (none, 2 * one), (one, one), none, none)
    tensor([[-1., -0.,  0.],
            [ 0.,  1.,  2.]])
    """
    cos, sin = zoom[0] * angle.cos(), zoom[0] * angle.sin()
    along, across = zoom[1] * (angle + shear).cos(), zoom[1] * (angle + shear).sin()
    return matrix_of(mirror * cos, -across, shift[0], sin, along, shift[1], like=angle)


@dataclass(frozen=True, kw_only=True)
class HeavierAugmentation(BatchTechnique):
    """Mirror, move, zoom, turn, shear, and change contrast and brightness of each image, each by a draw of its own.

    Args:
        amount: All the ranges of the paper times this; 0 changes nothing, 1 is the paper.
        probability: That an image is mirrored, left and right, times `amount`.
        fill: What comes in from outside: "low" is black, "nearest" continues the edge.
    """

    amount: Strength = strength(1.0, valid=(0.0, 2.0), search=(0.0, 1.0))
    probability: Strength = strength(0.5, valid=(0.0, 0.5), search=(0.0, 0.5))
    fill: Fill = "nearest"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("HeavierAugmentation", batch)
        height, width = batch.x.shape[-2:]
        bounds = bounds_of(batch)
        amount = self.amount

        def draw(limit: float, place: str) -> Float[Tensor, "K B"]:
            return within(amount * limit, key, batch, place)

        mirror = 1.0 - 2.0 * chosen(amount * self.probability, key, batch, "flip").to(batch.x)
        matrix = affine_matrix(
            mirror,
            (draw(0.1, "right") * width, draw(0.1, "down") * height),
            (1 + draw(0.15, "across"), 1 + draw(0.15, "along")),
            draw(22.5, "angle").deg2rad(),
            draw(0.15, "shear"),
        )
        x = warp(batch.x, matrix, fill=self.fill, low=bounds[0])
        x = brighten(x, draw(0.25, "brightness"), bounds=bounds)
        return batch._replace(x=stretch_contrast(x, 1 + draw(0.5, "contrast"), bounds=bounds))
