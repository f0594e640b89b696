r"""Spaces: which operations a policy chooses from, what magnitudes they have, and how a batch is changed by them.

A level from 0 to 1 becomes a magnitude between the two ends of the operation's range; whole levels, such as
RandAugment's 0 to 30 or AutoAugment's 0 to 9, are divided by their highest. Half of the images get the opposite sign
where it matters.

| operation | standard | wide |
|---|---|---|
| ShearX, ShearY | $\pm 0.3$ | $\pm 0.99$ |
| TranslateX, TranslateY | $\pm 150/331$ of the size | $\pm 32$ pixels |
| Rotate | $\pm 30$ degrees | $\pm 135$ degrees |
| Brightness, Color, Contrast, Sharpness | $1 \pm 0.9$ | $1 \pm 0.99$ |
| Posterize | 8 to 4 bits | 8 to 2 bits |
| Solarize | from 1 to 0 | from 1 to 0 |
| Cutout (learned policies only) | 0 to 60/331 of the side | |

Images smaller than 32 pixels move by no more than their size.

Source: Cubuk et al., AutoAugment, 2019, https://arxiv.org/abs/1805.09501, table 6; Müller and Hutter, TrivialAugment,
2021, https://arxiv.org/abs/2103.10158; in the form in which torchvision has them.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.images import bounds_of, from_unit, to_unit, where_image, wide
from wellposed.techniques.batch.operations import apply_operations
from wellposed.techniques.places import Batch


class Range(NamedTuple):
    """The magnitudes of one operation.

    Attributes:
        low: At level 0.
        high: At level 1.
        unit: "number"; "bits", which are whole; "share" of the image's size, or "pixels" up to that size.
        signed: Whether half of the images get the opposite sign.
    """

    low: float = 0.0
    high: float = 0.0
    unit: Literal["number", "bits", "share", "pixels"] = "number"
    signed: bool = False


Space: TypeAlias = Mapping[str, Range]

STANDARD: Space = {
    "Identity": Range(),
    "ShearX": Range(0.0, 0.3, signed=True),
    "ShearY": Range(0.0, 0.3, signed=True),
    "TranslateX": Range(0.0, 150 / 331, "share", signed=True),
    "TranslateY": Range(0.0, 150 / 331, "share", signed=True),
    "Rotate": Range(0.0, 30.0, signed=True),
    "Brightness": Range(0.0, 0.9, signed=True),
    "Color": Range(0.0, 0.9, signed=True),
    "Contrast": Range(0.0, 0.9, signed=True),
    "Sharpness": Range(0.0, 0.9, signed=True),
    "Posterize": Range(8.0, 4.0, "bits"),
    "Solarize": Range(1.0, 0.0),
    "AutoContrast": Range(),
    "Equalize": Range(),
}
"""The 14 operations of RandAugment."""

WIDE: Space = {
    "Identity": Range(),
    "ShearX": Range(0.0, 0.99, signed=True),
    "ShearY": Range(0.0, 0.99, signed=True),
    "TranslateX": Range(0.0, 32.0, "pixels", signed=True),
    "TranslateY": Range(0.0, 32.0, "pixels", signed=True),
    "Rotate": Range(0.0, 135.0, signed=True),
    "Brightness": Range(0.0, 0.99, signed=True),
    "Color": Range(0.0, 0.99, signed=True),
    "Contrast": Range(0.0, 0.99, signed=True),
    "Sharpness": Range(0.0, 0.99, signed=True),
    "Posterize": Range(8.0, 2.0, "bits"),
    "Solarize": Range(1.0, 0.0),
    "AutoContrast": Range(),
    "Equalize": Range(),
}
"""The same 14, as TrivialAugment takes them."""

LEARNED: Space = {**STANDARD, "Invert": Range(), "Cutout": Range(0.0, 60 / 331)}
"""The operations that AutoAugment searched among, but for the one that mixes two images."""


def magnitudes(
    space: Space,
    choice: Int64[Tensor, "*N"],
    level: Float[Tensor, "*N"],
    opposite: Bool[Tensor, "*N"],
    *,
    size: tuple[int, int],
) -> Float[Tensor, "*N"]:
    """The magnitude of each chosen operation at its level, for images of this height and width. Usable alone.

    >>> choice, level = torch.tensor([5, 10, 3]), torch.tensor([0.5, 0.5, 1.0])
    >>> magnitudes(WIDE, choice, level, torch.tensor([True, True, False]), size=(28, 24))
    tensor([-67.5000,   5.0000,  24.0000])
    """
    ends = torch.tensor([_ends(name, found, size) for name, found in space.items()], dtype=level.dtype)
    whole = torch.tensor([found.unit == "bits" for found in space.values()])
    signed = torch.tensor([found.signed for found in space.values()])
    low, high = ends.to(choice.device)[choice].unbind(-1)
    change = level * (high - low)
    magnitude = low + torch.where(whole.to(choice.device)[choice], change.round(), change)
    return torch.where(signed.to(choice.device)[choice] & opposite, -magnitude, magnitude)


def _ends(name: str, found: Range, size: tuple[int, int]) -> tuple[float, float]:
    """Both ends of a range, shares of the size as pixels."""
    pixels = size[1 if name.endswith("X") else 0]
    if found.unit == "share":
        return found.low * pixels, found.high * pixels
    return found.low, min(found.high, pixels) if found.unit == "pixels" else found.high


def augment(
    batch: Batch, space: Space, choice: Int64[Tensor, "K B n"], level: Float[Tensor, "K B n"], *, key: Key
) -> Batch:
    """Do to each image its `n` operations, one after another, at these levels from 0 to 1.

    Images are brought to the range from 0 to 1, and back; one that nothing changed stays as it is, bit for bit.
    """
    shape = choice.shape[1:]
    opposite = random.bernoulli(make_key(key, step=0, place="sign"), shape, 0.5)
    place = random.uniform(make_key(key, step=0, place="place"), (*shape, 2), dtype=level.dtype)
    height, width = batch.x.shape[-2:]
    magnitude = magnitudes(space, choice, level, opposite, size=(height, width))
    bounds, names = bounds_of(batch), tuple(space)
    unit = to_unit(batch.x.to(wide(batch.x.dtype)), bounds).flatten(0, 1)
    images = unit
    for n in range(shape[-1]):
        own = choice[..., n].flatten(), magnitude[..., n].flatten(), place[..., n, :].flatten(0, 1)
        images = apply_operations(images, names, *own)
    changed = (images != unit).flatten(1).any(-1).view(choice.shape[:2])
    x = from_unit(images.view(batch.x.shape), bounds).to(batch.x.dtype)
    return batch._replace(x=where_image(changed, x, batch.x))
