"""Against NumPy's linear interpolation; a warp rises from end to end, by speeds as drawn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import TimeWarp
from wellposed.techniques.batch.time_warp import draw_warp, read_between, warp_time
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="time warp")


def test_reads_between_steps_as_numpy_does() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 9, 2, dtype=torch.float64, generator=generator)
    at = torch.rand(2, 3, 14, dtype=torch.float64, generator=generator) * 8
    found = read_between(x, at)
    for k, b, d in np.ndindex(2, 3, 2):
        expected = np.interp(at[k, b].numpy(), np.arange(9), x[k, b, :, d].numpy())
        np.testing.assert_allclose(found[k, b, :, d].numpy(), expected, rtol=1e-12, atol=1e-12)


@given(length=st.integers(0, 12), padding=st.integers(0, 3), knots=st.integers(0, 5), deviation=st.floats(0, 3))
@settings(max_examples=30, deadline=None)
def test_a_warp_rises_from_end_to_end_and_leaves_padding(
    length: int, padding: int, knots: int, deviation: float
) -> None:
    size = max(length + padding, 1)
    warp = draw_warp(torch.full((3, 4), length), size, deviation, knots=knots, key=KEYS)
    inner = warp[..., :length]
    assert (inner.diff(dim=-1) > 0).all()
    if length:
        assert (inner[..., 0] == 0).all()
        torch.testing.assert_close(inner[..., -1], torch.full((3, 4), length - 1, dtype=torch.float64))
    assert torch.equal(warp[..., length:], torch.arange(length, size, dtype=torch.float64).expand(3, 4, -1))
    x = torch.arange(1.0, size + 1).view(1, 1, size, 1).expand(3, 4, size, 1)
    x = torch.where((torch.arange(size) < length).view(1, 1, size, 1), x, 0)
    warped = warp_time(x, torch.full((3, 4), length), deviation, knots=knots, key=KEYS)
    assert torch.equal(warped == 0, x == 0)
    assert (warped[:, :, :length].diff(dim=2) >= 0).all()


def test_without_knots_the_warp_is_a_parabola() -> None:
    """A speed that is linear in time, so NumPy's fit of degree 2 leaves nothing; the ends' speeds are log-normal."""
    warp = draw_warp(torch.full((3, 300), 21), 21, torch.tensor([0.3, 0.6, 0.9]), knots=0, key=KEYS)
    for k, deviation in enumerate((0.3, 0.6, 0.9)):
        fit, rest, *_ = np.polyfit(np.arange(21), warp[k].T.numpy(), 2, full=True)
        assert (rest < 1e-20).all()
        ratio = np.log((2 * fit[0] * 20 + fit[1]) / fit[1])  # of the speeds at both ends
        error = math.sqrt(2) * deviation / math.sqrt(2 * 300)
        assert abs(ratio.std() - math.sqrt(2) * deviation) < 6 * error  # one false alarm in 5e8


def test_channels_share_a_warp_and_rows_do_not() -> None:
    x = torch.rand(1, 10, 1, generator=torch.Generator().manual_seed(0)).expand(3, 2, 10, 2).contiguous()
    batch = Batch(x, torch.full((3, 2, 1), 10), torch.ones(3, 2, 2), None)
    warped = TimeWarp(deviation=0.5).batch(batch, KEYS).x
    assert torch.equal(warped[..., 0], warped[..., 1])
    assert not torch.equal(warped[:, 0], warped[:, 1])


def test_tables_are_refused() -> None:
    batch = Batch(torch.zeros(1, 4, 2), torch.zeros(1, 4, 0, dtype=torch.int64), torch.zeros(1, 4, 1), None)
    with pytest.raises(BadInput, match="must be sequences"):
        TimeWarp().batch(batch, KEYS[:1])
