r"""The operations that learned and random policies choose from, on pixels from 0 to 1, each image by its own magnitude.

| operation | magnitude | what it does |
|---|---|---|
| Identity | | nothing |
| ShearX, ShearY | slope | leans about the middle, black beyond the edge |
| TranslateX, TranslateY | pixels | shows what was so far to the right or down, cut to whole pixels |
| Rotate | degrees | turns against the clock about the middle, black beyond the edge |
| Brightness, Color, Contrast, Sharpness | $m$ | $(1 + m)$ times the image, less $m$ times a dull one |
| Posterize | bits | keeps the highest bits of 8 |
| Solarize | from 0 to 1 | inverts what is as bright or brighter |
| AutoContrast | | stretches each channel to the whole range |
| Equalize | | makes the levels of each channel as frequent as each other |
| Invert | | $1 - x$ |
| Cutout | share of the side | covers a square with black |

The dull image is black, gray, the mean gray and a smoothed one, as in Pillow's `ImageEnhance`. `Color` changes
images of three channels only. Pixels are interpolated linearly, where the authors' code takes the nearest and shears
about the corner. Colors are changed by Kornia's functional operations.

Source: Cubuk et al., AutoAugment: learning augmentation strategies from data, 2019, https://arxiv.org/abs/1805.09501,
table 6.
"""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.techniques.batch.crop import shift
from wellposed.techniques.batch.cutout import cut_out
from wellposed.techniques.batch.rotation import rotate
from wellposed.techniques.batch.shear import shear

Images: TypeAlias = Float[Tensor, "N C H W"]
Magnitude: TypeAlias = Float[Tensor, " N"]


def _black(x: Images) -> Float[Tensor, "C 1 1"]:
    return x.new_zeros(x.shape[1], 1, 1)


def _enhance() -> ModuleType:
    """Kornia's operations on colors."""
    try:
        from kornia import enhance
    except ImportError:
        raise BadInput('Operations on colors need Kornia. Run: pip install "wellposed[images]".') from None
    return enhance


def keep(x: Images, magnitude: Magnitude) -> Images:
    return x


def shear_x(x: Images, magnitude: Magnitude) -> Images:
    return shear(x, magnitude, axis="horizontal", fill="low", low=_black(x))


def shear_y(x: Images, magnitude: Magnitude) -> Images:
    return shear(x, magnitude, axis="vertical", fill="low", low=_black(x))


def translate_x(x: Images, magnitude: Magnitude) -> Images:
    pixels = magnitude.trunc().long()
    return shift(x, torch.zeros_like(pixels), pixels, fill="low", low=_black(x))


def translate_y(x: Images, magnitude: Magnitude) -> Images:
    pixels = magnitude.trunc().long()
    return shift(x, pixels, torch.zeros_like(pixels), fill="low", low=_black(x))


def turn(x: Images, magnitude: Magnitude) -> Images:
    return rotate(x, magnitude, fill="low", low=_black(x))


def brightness(x: Images, magnitude: Magnitude) -> Images:
    changed: Tensor = _enhance().adjust_brightness_accumulative(x, 1 + magnitude)
    return changed


def color(x: Images, magnitude: Magnitude) -> Images:
    if x.shape[1] != 3:
        return x
    changed: Tensor = _enhance().adjust_saturation_with_gray_subtraction(x, 1 + magnitude)
    return changed


def contrast(x: Images, magnitude: Magnitude) -> Images:
    changed: Tensor = _enhance().adjust_contrast_with_mean_subtraction(x, 1 + magnitude)
    return changed


def sharpness(x: Images, magnitude: Magnitude) -> Images:
    if min(x.shape[-2:]) < 3:  # Pillow leaves the outermost pixels as they are: there are no others
        return x
    changed: Tensor = _enhance().sharpness(x, 1 + magnitude)
    return changed


def posterize(x: Images, magnitude: Magnitude) -> Images:
    """From the nearest of 256 levels: Kornia alone would cut down to a level."""
    bits = magnitude.round().to(torch.int64)
    changed: Tensor = _enhance().posterize(_levels(x), bits)
    return torch.where((bits >= 8).view(-1, 1, 1, 1) | x.isnan(), x, changed)


def solarize(x: Images, magnitude: Magnitude) -> Images:
    """Half a level of 255 lower, so that what is at the threshold is inverted whatever its rounding."""
    changed: Tensor = _enhance().solarize(x, magnitude - 0.5 / 255)
    return changed


def auto_contrast(x: Images, magnitude: Magnitude) -> Images:
    low, high = x.amin((-2, -1), keepdim=True), x.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low), x)


def equalize(x: Images, magnitude: Magnitude) -> Images:
    changed: Tensor = _enhance().equalize(_levels(x))
    return torch.where(x.isnan(), x, changed)


def invert(x: Images, magnitude: Magnitude) -> Images:
    changed: Tensor = _enhance().invert(x)
    return changed


def _levels(x: Images) -> Images:
    """The nearest of 256 levels, still from 0 to 1; 0 for what is NaN, which is no level."""
    return ((x * 255).round() / 255).nan_to_num(0.0)


OPERATIONS: Mapping[str, Callable[[Images, Magnitude], Images]] = {
    "Identity": keep,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": turn,
    "Brightness": brightness,
    "Color": color,
    "Contrast": contrast,
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": auto_contrast,
    "Equalize": equalize,
    "Invert": invert,
}
"""What can be done to images from 0 to 1 by magnitudes alone; `Cutout` needs a place, too."""


def apply_operations(
    x: Images,
    names: Sequence[str],
    choice: Int64[Tensor, " N"],
    magnitude: Magnitude,
    place: Float[Tensor, "N 2"],
) -> Images:
    """Do to each image the operation that `choice` names by its position; nothing where it is -1. Usable alone.

    Each operation is computed on the images that chose it alone.

    Args:
        x: Pixels from 0 to 1.
        names: Of operations.
        choice: One for each image.
        magnitude: In the units of the operation, see above.
        place: Where the middle of a cutout is, from 0 to 1, down and across.

    >>> x = torch.full((2, 1, 3, 3), 0.25)
    >>> choice, magnitude = torch.tensor([-1, 0]), torch.zeros(2)
    >>> apply_operations(x, ("Invert",), choice, magnitude, torch.zeros(2, 2))[:, 0, 0, 0]
    tensor([0.2500, 0.7500])
    """
    result = x.clone()
    for number, name in enumerate(names):
        index = (choice == number).nonzero().squeeze(1)
        if name == "Identity" or not len(index):
            continue
        if name == "Cutout":
            down, across = place[index].unbind(-1)
            result[index] = cut_out(x[index], magnitude[index], (down, across), value=_black(x))
        else:
            result[index] = OPERATIONS[name](x[index], magnitude[index])
    return result
