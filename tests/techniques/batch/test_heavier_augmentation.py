"""The matrix is a product of the known ones; all ranges are the paper's; pixels as scipy and kornia change them."""

import math

import torch
from kornia import enhance
from tests.techniques.batch.pictures import (
    batch_of,
    changed,
    equal_images,
    images,
    is_uniform,
    matrices_seen,
    n_different,
    ramps,
    warp_by_scipy,
)

from wellposed.random import make_key
from wellposed.techniques import HeavierAugmentation
from wellposed.techniques.batch.heavier_augmentation import affine_matrix
from wellposed.techniques.batch.images import chosen, within

N = 4000


def test_matrix_is_the_product_of_rotation_shear_and_zoom() -> None:
    """As Keras multiplies them; a mirror multiplies the first entry alone, as the paper prints it."""
    t_x, t_y, z_x, z_y, angle, lean = images(6, 5).unbind()
    one = torch.ones(5, dtype=torch.float64)
    found = affine_matrix(one, (t_x, t_y), (z_x, z_y), angle, lean)
    for n in range(5):
        a, s = float(angle[n]), float(lean[n])
        turn = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]], dtype=torch.float64)
        shear = torch.tensor([[1.0, -math.sin(s)], [0.0, math.cos(s)]], dtype=torch.float64)
        zoom = torch.diag(torch.stack([z_x[n], z_y[n]]))
        torch.testing.assert_close(found[n, :, :2], turn @ shear @ zoom)
        assert found[n, :, 2].tolist() == [t_x[n], t_y[n]]
    mirrored = affine_matrix(-one, (t_x, t_y), (z_x, z_y), angle, lean)
    assert torch.equal(mirrored[:, 0, 0], -found[:, 0, 0])
    mirrored[:, 0, 0] *= -1
    assert torch.equal(mirrored, found)


def test_ranges_of_angle_shear_and_zoom() -> None:
    """Kolmogorov and Smirnov's test at 1e-6; the share of mirrors within 6 standard errors, 1 in 5e8.

    Bounds are so far that nothing is cut off; contrast multiplies all slopes of a channel alike.
    """
    (a, b), (c, d) = matrices_seen(changed(HeavierAugmentation(), ramps(N, size=21), low=-1e3, high=1e3))[
        ..., :2
    ].permute(1, 2, 0)
    mirror = a.sign()
    angle = torch.atan2(c, a * mirror)
    assert is_uniform(angle.rad2deg(), -22.5, 22.5)
    assert is_uniform(torch.atan2(-b, d) - angle, -0.15, 0.15)
    assert abs(float((mirror < 0).double().mean()) - 0.5) < 6 * 0.5 / N**0.5
    ratio = (b.square() + d.square()).sqrt() / (a.square() + c.square()).sqrt()
    assert 0.85 / 1.15 - 1e-6 < ratio.min() < 0.77
    assert 1.30 < ratio.max() < 1.15 / 0.85 + 1e-6


def test_range_of_brightness() -> None:
    """Kolmogorov and Smirnov's test at 1e-6; of one color contrast changes nothing."""
    gray = torch.full((1, N, 1, 3, 3), 0.5, dtype=torch.float64)
    assert is_uniform((changed(HeavierAugmentation(), gray) - gray)[..., 1, 1], -0.25, 0.25)


def test_pixels_are_those_of_scipy_and_kornia() -> None:
    """Warp by scipy, then kornia's brightness and contrast, with the draws of this key and the paper's ranges."""
    x, key = images(1, 30, 1, 9, 12), make_key(torch.arange(1), step=1, place="images")
    batch = batch_of(x)

    def draw(limit: float, place: str) -> torch.Tensor:
        return within(limit, key, batch, place)[0]

    matrix = affine_matrix(
        1.0 - 2.0 * chosen(0.5, key, batch, "flip")[0].double(),
        (draw(0.1, "right") * 12, draw(0.1, "down") * 9),
        (1 + draw(0.15, "across"), 1 + draw(0.15, "along")),
        draw(22.5, "angle") * math.pi / 180,
        draw(0.15, "shear"),
    )
    moved = torch.stack([warp_by_scipy(x[0, n], matrix[n], fill="nearest", low=0.0) for n in range(30)])
    bright = enhance.adjust_brightness(moved, draw(0.25, "brightness"))
    expected = enhance.adjust_contrast_with_mean_subtraction(bright, 1 + draw(0.5, "contrast"))
    torch.testing.assert_close(HeavierAugmentation().batch(batch, key).x[0], expected, rtol=0, atol=1e-9)


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(HeavierAugmentation(), equal_images(8))) == 8
