r"""What techniques for images share: refusing what is no image, the scale from 0 to 1, draws, and moving pixels.

Places are measured in pixels from the middle of the image, $p_x$ to the right and $p_y$ downwards, so that a turn or a
zoom leaves the middle where it is. A matrix says which place $q$ of the old image is shown at place $p$ of the new one:

$$\begin{pmatrix} q_x \\ q_y \end{pmatrix} = \begin{pmatrix} a & b & t_x \\ c & d & t_y \end{pmatrix}
\begin{pmatrix} p_x \\ p_y \\ 1 \end{pmatrix}$$

Between pixels the image is interpolated linearly; outside it is black (each channel's lowest number) or continues its
nearest pixel. An image that is not moved is returned bit for bit.

Source: Jaderberg et al., Spatial transformer networks, 2015, https://arxiv.org/abs/1506.02025, equations 1 and 5.
"""

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from wellposed import random
from wellposed.checks import refusal
from wellposed.random import Key, make_key
from wellposed.techniques.places import Batch
from wellposed.techniques.technique import Strength, spread

Fill: TypeAlias = Literal["low", "nearest"]
"""What is seen outside the image: black, or the nearest pixel of its edge."""

Bounds: TypeAlias = tuple[Float[Tensor, "C 1 1"], Float[Tensor, "C 1 1"]]
"""Each channel's lowest and highest number."""


def check_images(what: str, batch: Batch) -> None:
    """Refuse a batch whose rows are no images."""
    if batch.x.dim() != 5:
        raise refusal(what, "act on images (K, B, C, H, W)", tuple(batch.x.shape), "Take it out of the recipe.")


def bounds_of(batch: Batch) -> Bounds:
    """Each channel's lowest and highest number among the training rows; 0 and 1 where nothing is known of them."""
    if batch.facts is None:
        channels = batch.x.shape[2]
        return batch.x.new_zeros(channels, 1, 1), batch.x.new_ones(channels, 1, 1)
    return batch.facts.low.to(batch.x).view(-1, 1, 1), batch.facts.high.to(batch.x).view(-1, 1, 1)


def span_of(bounds: Bounds) -> Float[Tensor, "C 1 1"]:
    """From the lowest to the highest number of each channel; 1 for a channel that is the same everywhere."""
    low, high = bounds
    return torch.where(high > low, high - low, 1.0)


def to_unit(x: Float[Tensor, "... C H W"], bounds: Bounds) -> Float[Tensor, "... C H W"]:
    """Pixels from 0 to 1, instead of the scale that the network sees; what lies beyond is cut off. Usable alone.

    >>> to_unit(torch.tensor([[[-2.0, 0.0, 2.0, 4.0]]]), (torch.tensor([[[-2.0]]]), torch.tensor([[[2.0]]])))
    tensor([[[0.0000, 0.5000, 1.0000, 1.0000]]])
    """
    return ((x - bounds[0]) / span_of(bounds)).clamp(0.0, 1.0)


def from_unit(unit: Float[Tensor, "... C H W"], bounds: Bounds) -> Float[Tensor, "... C H W"]:
    """Pixels in the scale that the network sees, from pixels from 0 to 1. Usable alone."""
    return unit * span_of(bounds) + bounds[0]


def wide(dtype: torch.dtype) -> torch.dtype:
    """What draws and places are computed in: float32 for narrower pixels, which could not tell 300 places apart."""
    return torch.promote_types(dtype, torch.float32)


def uniform_each(key: Key, batch: Batch, place: str, *, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "K B"]:
    """A uniform number for each member and image; `place` names what it is for."""
    drawn = random.uniform(make_key(key, step=0, place=place), batch.x.shape[1:2], dtype=wide(batch.x.dtype))
    return low + (high - low) * drawn


def within(limit: Strength, key: Key, batch: Batch, place: str) -> Float[Tensor, "K B"]:
    """A uniform number from `-limit` to `limit` for each member and image."""
    drawn = uniform_each(key, batch, place, low=-1.0)
    return drawn * spread(limit, drawn)


def chosen(probability: Strength, key: Key, batch: Batch, place: str) -> Bool[Tensor, "K B"]:
    """Whether each image of each member was drawn, with this probability."""
    return random.bernoulli(make_key(key, step=0, place=place), batch.x.shape[1:2], probability)


def where_image(
    mask: Bool[Tensor, "*B"], changed: Float[Tensor, "*B C H W"], x: Float[Tensor, "*B C H W"]
) -> Float[Tensor, "*B C H W"]:
    """The changed image where the mask says so, else the image as it was."""
    return torch.where(mask.view(*mask.shape, 1, 1, 1), changed, x)


def matrix_of(*entries: float | Float[Tensor, "*B"], like: Float[Tensor, "*B"]) -> Float[Tensor, "*B 2 3"]:
    """The matrices of six entries, row by row; a float holds for all images.

    >>> matrix_of(1.0, torch.tensor([0.5]), 0.0, 0.0, 1.0, 2.0, like=torch.zeros(1))
    tensor([[[1.0000, 0.5000, 0.0000],
             [0.0000, 1.0000, 2.0000]]])
    """
    whole = [e if isinstance(e, Tensor) else torch.full_like(like, e) for e in entries]
    return torch.stack(whole, dim=-1).view(*like.shape, 2, 3)


def warp(
    x: Float[Tensor, "*B C H W"],
    matrix: Float[Tensor, "*B 2 3"],
    *,
    fill: Fill,
    low: Float[Tensor, "C 1 1"],
) -> Float[Tensor, "*B C H W"]:
    """Move the pixels of each image as its matrix says. Usable alone.

    >>> x = torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> warp(x, torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), fill="low", low=torch.zeros(1, 1, 1))
    tensor([[[2., 3., 0.]]])
    """
    if not x.numel():  # PyTorch makes no grid for no image
        return x
    height, width = x.shape[-2:]
    scale = [[1.0, height / width, 2.0 / width], [width / height, 1.0, 2.0 / height]]
    flat = x.reshape(-1, *x.shape[-3:])
    theta = (matrix.to(wide(x.dtype)) * matrix.new_tensor(scale)).reshape(-1, 2, 3)
    grid = F.affine_grid(theta, list(flat.shape), align_corners=False)
    moved = (matrix != torch.eye(2, 3, dtype=matrix.dtype, device=matrix.device)).flatten(-2).any(-1)
    return where_image(moved, look_up(flat, grid, fill=fill, low=low).view(x.shape), x)


def look_up(
    x: Float[Tensor, "N C H W"], grid: Float[Tensor, "N H W 2"], *, fill: Fill, low: Float[Tensor, "C 1 1"]
) -> Float[Tensor, "N C H W"]:
    """Each image at the places of its grid, where -1 and 1 are the outer edges of the outermost pixels."""
    if fill == "nearest":
        return F.grid_sample(x.to(grid.dtype), grid, padding_mode="border", align_corners=False).to(x.dtype)
    found = F.grid_sample((x - low).to(grid.dtype), grid, padding_mode="zeros", align_corners=False)
    return (found + low).to(x.dtype)
