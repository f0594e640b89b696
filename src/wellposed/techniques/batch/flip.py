r"""Flip: an image is mirrored, or not, by the throw of a coin.

$$x'_{c,i,j} = x_{c,i,W-1-j} \text{ with probability } p$$

Good for photographs, whose mirror images are as likely; bad where left and right matter, as in digits and letters (see
`preserves_label`). The vertical mirror suits pictures that have no top, such as those of a microscope.

Source: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, NIPS 2012,
section 4.1.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from jaxtyping import Bool, Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.images import check_images, chosen, where_image
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength

Mirror: TypeAlias = Literal["horizontal", "vertical"]


def flip(x: Float[Tensor, "*B C H W"], mask: Bool[Tensor, "*B"], *, axis: Mirror) -> Float[Tensor, "*B C H W"]:
    """Mirror the images of the mask; "horizontal" changes left and right. Usable alone.

    >>> import torch
    >>> flip(torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]]), torch.tensor([True, False]), axis="horizontal").squeeze()
    tensor([[2., 1.],
            [3., 4.]])
    """
    return where_image(mask, x.flip(-1 if axis == "horizontal" else -2), x)


@dataclass(frozen=True, kw_only=True)
class Flip(BatchTechnique):
    """Mirror some images of each batch.

    Args:
        probability: That an image is mirrored; 0 changes nothing.
        axis: "horizontal" changes left and right, "vertical" top and bottom.
    """

    probability: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.0, 0.5))
    axis: Mirror = "horizontal"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Flip", batch)
        return batch._replace(x=flip(batch.x, chosen(self.probability, key, batch, "flip"), axis=self.axis))
