r"""Blur: each pixel becomes a mean of those around it, weighted by a Gaussian of random width.

$$x'_{c,i,j} = \sum_{r,s=-R}^{R} w_r w_s\, x_{c,i+r,j+s}, \qquad w_r \propto e^{-r^2 / 2\sigma^2}, \quad
\sigma \sim \mathcal U(0, a)$$

Beyond the edge the nearest pixel is seen. Good for images of changing sharpness; bad for fine texture and for small
images, of which little is left.

Source: Chen et al., A simple framework for contrastive learning, 2020, https://arxiv.org/abs/2002.05709, appendix A.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_count
from wellposed.random import Key
from wellposed.techniques.batch.images import check_images, uniform_each, where_image
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, spread, strength


def blur(x: Float[Tensor, "*B C H W"], deviation: Float[Tensor, "*B"], *, radius: int) -> Float[Tensor, "*B C H W"]:
    """Blur each image by a Gaussian of its own deviation, in pixels, cut off at the radius. Usable alone.

    >>> blur(torch.tensor([[[0.0, 1.0, 0.0]]]), torch.tensor(0.5), radius=1)
    tensor([[[0.1065, 0.7870, 0.1065]]])
    """
    places = torch.arange(-radius, radius + 1, dtype=deviation.dtype, device=x.device)
    width = deviation.clamp(min=1e-3).unsqueeze(-1)
    weight = (-0.5 * (places / width).square()).softmax(-1).to(x.dtype)
    changed = x
    for axis in (-2, -1):
        n = x.shape[axis]
        around = torch.arange(-radius, n + radius, device=x.device).clamp(0, n - 1)
        padded = changed.index_select(axis, around)
        changed = torch.zeros_like(x)
        for r in range(2 * radius + 1):
            changed.addcmul_(padded.narrow(axis, r, n), weight[..., r, None, None, None])
    return where_image(deviation > 0, changed, x)


@dataclass(frozen=True, kw_only=True)
class Blur(BatchTechnique):
    """Blur each image by a Gaussian of its own.

    Args:
        deviation: Largest deviation of the Gaussian, in pixels; 0 changes nothing.
        radius: Of the window, in pixels; three deviations or more cut off next to nothing.
    """

    deviation: Strength = strength(1.0, valid=(0.0, 100.0), search=(0.0, 2.0))
    radius: int = 4

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("Blur.radius", self.radius)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("Blur", batch)
        drawn = uniform_each(key, batch, "deviation")
        return batch._replace(x=blur(batch.x, drawn * spread(self.deviation, drawn), radius=self.radius))
