r"""Light augmentation: mirror images and small moves, which hardly any class minds.

$$q_x = f\,p_x + t_x W, \quad q_y = p_y + t_y H, \qquad f = 1 - 2\,\mathcal B(\tfrac12), \quad
t_x, t_y \sim \mathcal U(-0.1, 0.1)$$

where $q$ is the place of the old image that is shown at $p$ (see `images`); beyond the edge the nearest pixel is seen.
In the paper this alone gains more than weight decay and dropout together: 8.46 % against 3.02 % of the accuracy of
neither, on average. Bad where left and right matter (set `probability` to 0).

Source: Hernández-García and König, Data augmentation instead of explicit regularization, 2018,
https://arxiv.org/abs/1806.03852, the light scheme.
"""

from dataclasses import dataclass

from wellposed.random import Key
from wellposed.techniques.batch.flip import flip
from wellposed.techniques.batch.images import Fill, bounds_of, check_images, chosen, matrix_of, warp, within
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


@dataclass(frozen=True, kw_only=True)
class LightAugmentation(BatchTechnique):
    """Mirror some images, and move each by a part of its size.

    Args:
        shift: Farthest move to any side, as a share of height and width.
        probability: That an image is mirrored, left and right. With both at 0 nothing changes.
        fill: What comes in from outside: "low" is black, "nearest" continues the edge.
    """

    shift: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.2))
    probability: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.0, 0.5))
    fill: Fill = "nearest"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("LightAugmentation", batch)
        height, width = batch.x.shape[-2:]
        right = within(self.shift, key, batch, "right") * width
        down = within(self.shift, key, batch, "down") * height
        matrix = matrix_of(1.0, 0.0, right, 0.0, 1.0, down, like=right)
        x = flip(batch.x, chosen(self.probability, key, batch, "flip"), axis="horizontal")
        return batch._replace(x=warp(x, matrix, fill=self.fill, low=bounds_of(batch)[0]))
