"""A convolution that keeps every norm; what it refuses."""

import pytest
import torch
import torch.nn.functional as F

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import DeltaOrthogonal, Orthogonal

KEYS = make_key(torch.arange(2), step=0, place="w")


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_a_convolution_keeps_the_norm_of_every_pixel(size: int) -> None:
    """Also of even kernels, which PyTorch pads more behind than before."""
    weight = DeltaOrthogonal(gain=1.5).weights((6, 4, size, size), KEYS[:1], dtype=torch.float64)[0]
    x = torch.randn(3, 4, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = F.conv2d(F.pad(x, ((size - 1) // 2, size // 2) * 2), weight)
    torch.testing.assert_close(y.norm(dim=1), 1.5 * x.norm(dim=1), rtol=1e-12, atol=1e-12)


def test_a_hundred_tanh_convolutions_keep_a_signal_that_gaussian_ones_lose() -> None:
    """At the critical variance of tanh without biases, 1; tanh shrinks what is not small, so the signal is small."""
    x = 1e-3 * torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    signal = x
    for layer in range(100):
        key = make_key(torch.tensor([0]), step=0, place=f"layer {layer}")
        signal = torch.tanh(F.conv2d(signal, DeltaOrthogonal().weights((8, 8, 3, 3), key, dtype=x.dtype)[0], padding=1))
    assert float(signal.norm() / x.norm()) > 0.99


def test_weights_of_two_axes_are_those_of_orthogonal() -> None:
    for shape in ((5, 3), (3, 5)):
        ours, theirs = (t.weights(shape, KEYS, dtype=torch.float64) for t in (DeltaOrthogonal(), Orthogonal()))
        assert torch.equal(ours, theirs)


def test_fewer_channels_out_than_in_are_refused() -> None:
    with pytest.raises(BadInput, match=r"must have at least as many channels out as in. Got \(3, 4\). Use Orthogonal"):
        DeltaOrthogonal().weights((3, 4, 3, 3), KEYS, dtype=torch.float64)
