"""Against torch.nn.Dropout2d: whole channels, the same two values, the same gradient."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import SpatialDropout
from wellposed.techniques.layers.spatial_dropout import drop_channels

KEYS = make_key(torch.arange(3), step=1, place="spatial")


@settings(max_examples=20)
@given(
    b=st.integers(0, 4),
    c=st.integers(1, 5),
    h=st.integers(1, 4),
    w=st.integers(1, 4),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
)
def test_channels_are_off_as_a_whole_or_scaled_as_in_pytorch(
    b: int, c: int, h: int, w: int, dtype: torch.dtype
) -> None:
    """Which channels are off is the draw; every one of them is what Dropout2d makes of a channel, on or off."""
    x = torch.randn(b, c, h, w, generator=torch.Generator().manual_seed(1)).to(dtype) + 5
    x = x.to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    on = nn.Dropout2d(0.4)(torch.ones(64, 1, 1, 1, dtype=dtype)).max()
    y = SpatialDropout(rate=0.4).layer((c, h, w))(x)
    assert (y.shape, y.dtype) == (x.shape, dtype)
    off = (y == 0).flatten(2)
    assert torch.equal(off.any(2), off.all(2))
    torch.testing.assert_close(y, torch.where(y == 0, 0, x * on))


def test_share_of_channels_that_are_off() -> None:
    """Within 6 standard errors: one false alarm in 5e8 a number; the gradient is the same mask."""
    n, rates = 20_000, torch.tensor([0.0, 0.3, 0.8])
    x = torch.ones(3, n, 2, 1, 2, requires_grad=True)
    y = drop_channels(x, rates, key=KEYS)
    off = (y == 0).float().mean((1, 2, 3, 4))
    assert ((off - rates).abs() <= 6 * (rates * (1 - rates) / (2 * n)).sqrt()).all()
    both = (y[..., 0, 0] == 0).float().prod(2).mean(1)
    assert ((both - rates**2).abs() <= 6 / math.sqrt(n)).all()
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_after_training_it_does_nothing() -> None:
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    layer = SpatialDropout(rate=0.9).layer((3, 2, 2))
    assert not torch.equal(layer(x), x)
    assert torch.equal(layer.eval()(x), x)


def test_units_without_channels_are_refused() -> None:
    with pytest.raises(BadInput, match=r"must be channels \(C, H, W\)\. Got \(4,\)\. Use Dropout for units\.$"):
        SpatialDropout().layer((4,))


def test_inside_vmap_over_members() -> None:
    """Each member draws from its own key, as it does stacked."""
    module, x = SpatialDropout(rate=0.5).layer((4, 2, 2)), torch.ones(3, 5, 4, 2, 2)
    y = torch.func.vmap(lambda key, rows: torch.func.functional_call(module, {"key": key}, (rows,)))(KEYS, x)
    torch.testing.assert_close(y, module.stacked({"key": KEYS}, x))
