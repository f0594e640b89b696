"""Moving pixels against scipy.ndimage; the scale from 0 to 1; draws."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.techniques.batch.pictures import batch_of, changed, images, is_uniform, warp_by_scipy
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import (
    AutoAugment,
    Blur,
    Brightness,
    Contrast,
    Cutout,
    Elastic,
    Flip,
    HeavierAugmentation,
    LightAugmentation,
    RandAugment,
    Rotation,
    Shear,
    ShiftCrop,
    TrivialAugment,
    Zoom,
)
from wellposed.techniques.batch.images import (
    Fill,
    bounds_of,
    check_images,
    chosen,
    from_unit,
    to_unit,
    uniform_each,
    warp,
    within,
)
from wellposed.techniques.places import Batch, BatchTechnique, Facts

KEYS = make_key(torch.arange(2), step=0, place="images")


@pytest.mark.parametrize("fill", ["low", "nearest"])
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_moves_pixels_as_scipy_does(fill: Fill, height: int, width: int, seed: int) -> None:
    """Of any matrix, at any size; 1e-9 is the rounding of places, which an image may magnify."""
    x = images(3, 2, height, width, seed=seed)
    matrix = (images(3, 2, 3, seed=seed + 1) * 4 - 2) * torch.tensor([1.0, 1.0, 3.0])
    low = torch.full((2, 1, 1), -0.5, dtype=torch.float64)
    found = warp(x, matrix, fill=fill, low=low)
    expected = torch.stack([warp_by_scipy(i, m, fill=fill, low=-0.5) for i, m in zip(x, matrix, strict=True)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_what_does_not_move_stays_bit_for_bit() -> None:
    x = images(2, 3, 1, 5, 7).float()
    still = torch.eye(2, 3).repeat(2, 3, 1, 1)
    assert torch.equal(warp(x, still, fill="low", low=torch.full((1, 1, 1), -0.3)), x)
    still[1, 2, 0, 2] = 1.0
    moved = warp(x, still, fill="low", low=torch.full((1, 1, 1), -0.3))
    same = (moved == x).flatten(2).all(-1)
    assert same.tolist() == [[True, True, True], [True, True, False]]


@given(st.floats(-100, 100), st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_there_and_back(low: float, span: float) -> None:
    x = images(2, 3, 4, 4) * span + low
    bounds = torch.full((3, 1, 1), low, dtype=torch.float64), torch.full((3, 1, 1), low + span, dtype=torch.float64)
    unit = to_unit(x, bounds)
    torch.testing.assert_close(unit, images(2, 3, 4, 4), rtol=0, atol=1e-10)
    torch.testing.assert_close(from_unit(unit, bounds), x)


def test_a_channel_that_never_changes_stays() -> None:
    bounds = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 3.0)
    unit = to_unit(torch.full((1, 2, 2), 3.0), bounds)
    assert torch.equal(unit, torch.zeros(1, 2, 2))
    assert torch.equal(from_unit(unit, bounds), torch.full((1, 2, 2), 3.0))


def test_each_channel_has_its_own_bounds() -> None:
    x = images(1, 2, 2, 3, 3)
    batch = batch_of(x)._replace(facts=Facts(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 5.0])))
    low, high = bounds_of(batch)
    assert (low.flatten().tolist(), high.flatten().tolist()) == ([-1.0, 0.0], [1.0, 5.0])
    assert low.dtype == x.dtype
    low, high = bounds_of(batch._replace(facts=None))
    assert (low.flatten().tolist(), high.flatten().tolist()) == ([0.0, 0.0], [1.0, 1.0])


@pytest.mark.parametrize("x", [torch.zeros(3, 8, 4), torch.zeros(3, 8, 9, 2)], ids=["table", "sequences"])
def test_refuses_what_is_no_image(x: Tensor) -> None:
    batch = Batch(x, torch.zeros(3, 8, 0, dtype=torch.int64), torch.zeros(3, 8, 2), None)
    with pytest.raises(BadInput) as refused:
        check_images("Flip", batch)
    sentence = f"Flip must act on images (K, B, C, H, W). Got {tuple(x.shape)}. Take it out of the recipe."
    assert str(refused.value) == sentence


def test_draws_are_uniform_and_apart() -> None:
    """Kolmogorov and Smirnov's test at 1e-6; correlations within 6 of 5000 draws' standard errors, 1 in 5e8."""
    batch = batch_of(torch.zeros(2, 5000, 1, 1, 1, dtype=torch.float64))
    drawn = uniform_each(KEYS, batch, "a")
    sized = within(torch.tensor([0.5, 3.0], dtype=torch.float64), KEYS, batch, "b")
    assert is_uniform(drawn[0], 0, 1) and is_uniform(drawn[1], 0, 1)
    assert is_uniform(sized[0], -0.5, 0.5) and is_uniform(sized[1], -3, 3)
    pairs = torch.stack([drawn[0], drawn[1], sized[0], sized[1]]).corrcoef() - torch.eye(4)
    assert pairs.abs().max() < 6 / 5000**0.5


def test_share_that_is_chosen() -> None:
    """Within 6 standard errors of 10000 draws: one false alarm in 5e8."""
    batch = batch_of(torch.zeros(2, 10_000, 1, 1, 1))
    share = chosen(torch.tensor([0.2, 0.7]), KEYS, batch, "flip").double().mean(1)
    assert ((share - torch.tensor([0.2, 0.7])).abs() < 6 * 0.5 / 100).all()


EVERY = (
    *(Flip(), ShiftCrop(), Rotation(), Shear(), Zoom(), Brightness(), Contrast(), Blur(), Elastic(), Cutout()),
    *(LightAugmentation(), HeavierAugmentation(), RandAugment(), TrivialAugment(), AutoAugment()),
)


@pytest.mark.parametrize("technique", EVERY, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(2, 0, 3, 8, 8), (2, 5, 1, 1, 1), (2, 5, 3, 1, 9), (1, 5, 2, 6, 8)], ids=str)
def test_every_technique_takes_any_batch(technique: BatchTechnique, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Empty ones, single pixels, any number of channels, narrow numbers; and never writes into what it was given."""
    x = (images(*shape) * 5 - 2).to(dtype)
    given = x.clone()
    found = changed(technique, x, low=-2.0, high=3.0)
    assert (found.shape, found.dtype) == (x.shape, dtype)
    assert found.isfinite().all() and torch.equal(x, given)


@pytest.mark.parametrize("technique", EVERY, ids=lambda t: type(t).__name__)
def test_memory_order_does_not_matter(technique: BatchTechnique) -> None:
    """Channels last, as convolutions like them; sums may come in another order: 1e-12."""
    x = images(2, 5, 3, 8, 9)
    last = x.movedim(2, -1).contiguous().movedim(-1, 2)
    torch.testing.assert_close(changed(technique, last), changed(technique, x), rtol=0, atol=1e-12)
