"""Against Pillow on images of 8 bits, and against scipy and PyTorch for what moves pixels.

Pillow rounds the dull image to whole levels (half a level, times 0.9 at most) and cuts the blend to whole levels (one
more): 1.5 levels of 255; 2 for contrast, whose mean of rounded grays is rounded, too.
"""

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from tests.techniques.batch.pictures import images, warp_by_scipy
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.techniques.batch.operations import OPERATIONS, apply_operations

SIZE = (12, 10)


def levels(channels: int, seed: int = 0) -> Tensor:
    """Whole levels of a picture that uses the middle of the range more than its ends."""
    drawn = images(4, channels, *SIZE, seed=seed) + images(4, channels, *SIZE, seed=seed + 1)
    return (20 + drawn * 100).round()


def by_pillow(x: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Levels of one image after Pillow has changed it."""
    array = x.movedim(0, -1).to(torch.uint8).numpy()
    picture = Image.fromarray(array if len(x) == 3 else array[..., 0])
    found = torch.from_numpy(np.array(change(picture))).double()
    return found.movedim(-1, 0) if len(x) == 3 else found.unsqueeze(0)


def pillow(name: str, magnitude: float) -> Callable[[Image.Image], Image.Image]:
    """What Pillow calls the operation."""
    enhancers = {
        "Brightness": ImageEnhance.Brightness,
        "Color": ImageEnhance.Color,
        "Contrast": ImageEnhance.Contrast,
        "Sharpness": ImageEnhance.Sharpness,
    }
    if name in enhancers:
        return lambda picture: enhancers[name](picture).enhance(1 + magnitude)
    plain: dict[str, Callable[[Image.Image], Image.Image]] = {
        "Posterize": lambda picture: ImageOps.posterize(picture, int(magnitude)),
        "Solarize": lambda picture: ImageOps.solarize(picture, round(magnitude * 255)),
        "AutoContrast": ImageOps.autocontrast,
        "Equalize": ImageOps.equalize,
        "Invert": ImageOps.invert,
    }
    return plain[name]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "magnitudes", "error"),
    [
        ("Brightness", (-0.9, -0.2, 0.3, 0.9), 1),
        ("Color", (-0.9, -0.2, 0.3, 0.9), 1.5),
        ("Contrast", (-0.9, -0.2, 0.3, 0.9), 2),
        ("Sharpness", (-0.9, -0.2, 0.3, 0.9), 1.5),
        ("Posterize", (2.0, 4.0, 7.0, 8.0), 0),
        ("Solarize", (0.0, 0.2, 128 / 255, 1.0), 0),
        ("AutoContrast", (0.0, 0.0, 0.0, 0.0), 1),
        ("Equalize", (0.0, 0.0, 0.0, 0.0), 0),
        ("Invert", (0.0, 0.0, 0.0, 0.0), 0),
    ],
)
def test_colors_are_those_of_pillow(
    name: str, magnitudes: tuple[float, ...], error: float, channels: int, dtype: torch.dtype
) -> None:
    x = levels(channels)
    x[0, :, 0, 0], x[1, :, 0, 1] = 255, 0
    found = OPERATIONS[name]((x / 255).to(dtype), torch.tensor(magnitudes, dtype=dtype))
    expected = torch.stack([by_pillow(i, pillow(name, m)) for i, m in zip(x, magnitudes, strict=True)])
    assert found.dtype == dtype
    torch.testing.assert_close((found * 255).double(), expected, rtol=0, atol=error + 1e-3)
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize(("name", "magnitude"), [("Posterize", 3.0), ("Equalize", 0.0), ("Solarize", 128 / 255)])
def test_rounding_does_not_change_the_level(name: str, magnitude: float) -> None:
    """Pixels that went to another scale and back lie a little beside their levels."""
    x, magnitudes = levels(3) / 255, torch.full((4,), magnitude, dtype=torch.float64)
    beside = x + (images(4, 3, *SIZE, seed=9) - 0.5) * 1e-6
    torch.testing.assert_close(OPERATIONS[name](beside, magnitudes), OPERATIONS[name](x, magnitudes), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["AutoContrast", "Equalize"])
def test_one_color_stays_as_in_pillow(name: str) -> None:
    x = torch.full((1, 1, *SIZE), 100.0)
    assert torch.equal(by_pillow(x[0], pillow(name, 0.0)), x[0].double())
    assert torch.equal(OPERATIONS[name](x / 255, torch.zeros(1)), x / 255)


@pytest.mark.parametrize("slope", [-0.7, 0.3])
def test_shears_are_those_of_scipy(slope: float) -> None:
    x, magnitude = images(1, 2, *SIZE), torch.tensor([slope], dtype=torch.float64)
    for name, rows in (("ShearX", [[1.0, slope, 0], [0, 1.0, 0]]), ("ShearY", [[1.0, 0, 0], [slope, 1.0, 0]])):
        expected = warp_by_scipy(x[0], torch.tensor(rows, dtype=torch.float64), fill="low", low=0.0)
        torch.testing.assert_close(OPERATIONS[name](x, magnitude)[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("pixels", [-20.0, -3.7, 0.0, 0.9, 4.0])
def test_translations_are_those_of_pillow(pixels: float) -> None:
    """Whole pixels, towards nothing, to the last level."""
    x, whole = levels(3)[:1], int(pixels)
    for name, data in (("TranslateX", (1, 0, whole, 0, 1, 0)), ("TranslateY", (1, 0, 0, 0, 1, whole))):
        expected = by_pillow(x[0], lambda p, data=data: p.transform(p.size, Image.Transform.AFFINE, data))
        assert torch.equal(OPERATIONS[name](x, torch.tensor([pixels]))[0], expected)


def test_rotation_is_that_of_pillow() -> None:
    """Inside, where no edge is near; Pillow rounds to whole levels and places to 1/65536 of a pixel: 1 level."""
    x = levels(1, seed=3)[:1]
    found = OPERATIONS["Rotate"](x, torch.tensor([25.0], dtype=torch.float64))[0]
    expected = by_pillow(x[0], lambda picture: picture.rotate(25.0, Image.Resampling.BILINEAR))
    torch.testing.assert_close(found[:, 4:8, 3:7], expected[:, 4:8, 3:7], rtol=0, atol=1.0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 3)])
def test_takes_images_of_any_size(size: tuple[int, int], channels: int) -> None:
    x = images(2, channels, *size).float()
    for name, operation in OPERATIONS.items():
        found = operation(x, torch.tensor([0.5, 3.0]))
        assert found.shape == x.shape and found.isfinite().all(), name


def test_each_image_goes_through_its_own_operation() -> None:
    names = (*OPERATIONS, "Cutout")
    x = images(len(names) + 1, 3, *SIZE).float()
    choice = torch.arange(-1, len(names))
    magnitude = torch.full((len(x),), 0.4)
    found = apply_operations(x, names, choice, magnitude, torch.full((len(x), 2), 0.5))
    assert torch.equal(found[:2], x[:2])
    for n, name in enumerate(names[:-1]):
        own = OPERATIONS[name](x[n + 1 : n + 2], magnitude[:1])
        torch.testing.assert_close(found[n + 1 : n + 2], own, rtol=0, atol=1e-6)
    assert (found[-1] == 0).sum() == 3 * 4 * 4


def test_what_is_nan_stays_nan_and_harms_no_other() -> None:
    x = images(2, 3, *SIZE).float()
    x[0] = float("nan")
    for name, operation in OPERATIONS.items():
        found, magnitude = operation(x, torch.tensor([0.5, 0.5])), torch.tensor([0.5])
        assert found[0].isnan().any(), name
        torch.testing.assert_close(found[1:], operation(x[1:], magnitude), rtol=0, atol=1e-6)


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_kornia(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "kornia":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_kornia)
    with pytest.raises(BadInput, match=r'Run: pip install "wellposed\[images\]"'):
        OPERATIONS["Invert"](torch.zeros(1, 1, 3, 3), torch.zeros(1))
