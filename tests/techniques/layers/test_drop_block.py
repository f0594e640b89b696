"""Blocks against SciPy's dilation, the share that is off against its closed form, and blocks of one unit as dropout."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.random import bernoulli, make_key
from wellposed.techniques import DropBlock
from wellposed.techniques.layers.drop_block import drop_blocks, grow_blocks

KEYS = make_key(torch.arange(3), step=1, place="blocks")


@settings(max_examples=20)
@given(room=st.tuples(*[st.integers(1, 6)] * 2), size=st.tuples(*[st.integers(1, 4)] * 2), seed=st.integers(0, 99))
def test_blocks_are_scipys_dilation_of_their_corners(room: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    (h, w), (tall, broad) = room, size
    corners = bernoulli(torch.tensor(seed), (h, w), 0.2)
    places = np.zeros((h + tall - 1, w + broad - 1), dtype=bool)
    places[:h, :w] = corners.numpy()
    # SciPy centers the structure: only the lower right quarter of one twice as large is filled.
    structure = np.zeros((2 * tall - 1, 2 * broad - 1))
    structure[tall - 1 :, broad - 1 :] = 1
    expected = ndimage.binary_dilation(places, structure)
    assert np.array_equal(grow_blocks(corners, size).numpy(), expected)


def shares(rate: float, size: int, high: int, wide: int) -> Tensor:
    """Probability that each unit is off: that a block begins at one of the places from which it would be covered."""
    gamma = rate / size**2 * high * wide / ((high - size + 1) * (wide - size + 1))
    covering = signal.convolve2d(np.ones((high - size + 1, wide - size + 1)), np.ones((size, size)))
    return torch.from_numpy(1 - (1 - gamma) ** covering)


@pytest.mark.parametrize(("size", "high", "wide"), [(1, 4, 5), (3, 7, 5), (5, 6, 8)])
def test_each_unit_is_off_with_its_probability(size: int, high: int, wide: int) -> None:
    """Over 20000 maps, within 6 standard errors: one false alarm in 5e8 a number."""
    n, rate = 20_000, 0.2
    off = (drop_blocks(torch.ones(1, n, 1, high, wide), rate, size=size, key=KEYS[:1]) == 0)[0, :, 0].double().mean(0)
    expected = shares(rate, size, high, wide)
    assert ((off - expected).abs() <= 6 * (expected * (1 - expected) / n).sqrt()).all()
    assert expected.mean() <= rate + 1e-12


def test_blocks_of_one_unit_are_off_as_often_as_in_dropout() -> None:
    n, rates = 5_000, torch.tensor([0.0, 0.3, 0.8])
    off = (drop_blocks(torch.ones(3, n, 1, 4, 5), rates, size=1, key=KEYS) == 0).float().mean((1, 2, 3, 4))
    assert ((off - rates).abs() <= 6 * (rates * (1 - rates) / (20 * n)).sqrt() + 1e-7).all()


def test_a_members_sum_over_units_of_one_size_stays() -> None:
    """What is left is scaled by the share that is left, each member by its own, whatever the others draw."""
    x = torch.ones(3, 4, 2, 6, 6, dtype=torch.float64)
    y = drop_blocks(x, torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64), size=3, key=KEYS)
    torch.testing.assert_close(y.sum((1, 2, 3, 4)), x.sum((1, 2, 3, 4)), rtol=1e-12, atol=0)
    assert all(len(member[member > 0].unique()) == 1 for member in y)
    assert torch.equal(y[1:2], drop_blocks(x[1:2], 0.2, size=3, key=KEYS[1:2]))


def test_a_block_larger_than_the_map_is_the_map() -> None:
    """And where nothing at all is left, there are zeros."""
    y = drop_blocks(torch.ones(1, 4000, 1, 2, 3), 0.3, size=7, key=KEYS[:1])[0, :, 0]
    off = (y == 0).flatten(1)
    assert torch.equal(off.any(1), off.all(1))
    assert abs(float(off.float().mean()) - 0.3) < 6 * math.sqrt(0.21 / 4000)
    gone = [drop_blocks(torch.ones(1, 1, 1, 2, 2), 0.99, size=2, key=torch.tensor([k])) for k in range(9)]
    assert all(torch.isfinite(y).all() for y in gone)
    assert not all(y.any() for y in gone)


def test_gradient_is_the_same_mask_and_afterwards_nothing_happens() -> None:
    layer = DropBlock(size=2, rate=0.4).layer((2, 5, 5))
    x = torch.linspace(1, 2, 200).view(4, 2, 5, 5).requires_grad_()
    y = layer(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())
    assert torch.equal(layer.eval()(x), x)


def test_units_without_channels_are_refused() -> None:
    with pytest.raises(BadInput, match=r"must be channels \(C, H, W\)\. Got \(4,\)\. Use Dropout for units\.$"):
        DropBlock().layer((4,))


def test_inside_vmap_over_members() -> None:
    """Each member draws from its own key, as it does stacked."""
    module, x = DropBlock(rate=0.4).layer((4, 5, 5)), torch.ones(3, 5, 4, 5, 5)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(module, {"key": key}, (rows,)))(KEYS, x)
    torch.testing.assert_close(y, module.stacked({"key": KEYS}, x))
