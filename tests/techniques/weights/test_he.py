"""Against torch.nn.init.kaiming_normal_ and kaiming_uniform_, and the property it is for."""

import itertools
import math
from typing import Literal

import pytest
import torch
from torch import nn
from torch.nn import init

from wellposed.random import make_key
from wellposed.techniques import He
from wellposed.techniques.weights.gains import Gain

KEYS = make_key(torch.arange(3), step=0, place="w")
SHAPE = (60, 20, 3, 3)
N = math.prod(SHAPE)


@pytest.mark.parametrize(("mode", "slope"), list(itertools.product(("fan_in", "fan_out"), (0.0, 0.3))), ids=str)
def test_has_the_deviation_and_bounds_of_pytorch(mode: Literal["fan_in", "fan_out"], slope: float) -> None:
    """Two samples of N: their variances within 6 standard errors of each other, one false alarm in 5e8 a number."""
    generator = torch.Generator().manual_seed(0)
    theirs = init.kaiming_normal_(torch.empty(SHAPE), a=slope, mode=mode, generator=generator)
    ours = He(mode=mode, negative_slope=slope).weights(SHAPE, KEYS, dtype=torch.float32)
    ratio = ours.square().mean((1, 2, 3, 4)) / theirs.square().mean()
    assert ((ratio - 1).abs() < 6 * math.sqrt(2 * 2 / N)).all()

    theirs = init.kaiming_uniform_(torch.empty(SHAPE), a=slope, mode=mode, generator=generator)
    drawn = He(distribution="uniform", mode=mode, negative_slope=slope).weights(SHAPE, KEYS, dtype=torch.float32)
    # The largest of N numbers lies within 20/N of the bound but once in e^20.
    torch.testing.assert_close(drawn.abs().max(), theirs.abs().max(), rtol=2 * 20 / N, atol=0)


@pytest.mark.parametrize("gain", ["linear", "tanh", "selu", "relu"])
def test_a_gain_by_activation_is_that_of_pytorch(gain: Gain) -> None:
    """Two samples of N: their variances within 6 standard errors of each other, one false alarm in 5e8 a number."""
    generator = torch.Generator().manual_seed(0)
    theirs = init.kaiming_normal_(torch.empty(SHAPE), nonlinearity=gain, generator=generator)
    ours = He(gain=gain).weights(SHAPE, KEYS, dtype=torch.float32)
    ratio = ours.square().mean((1, 2, 3, 4)) / theirs.square().mean()
    assert ((ratio - 1).abs() < 6 * math.sqrt(2 * 2 / N)).all()


def test_the_average_fan_of_a_wide_layer_lies_between() -> None:
    """The same numbers, scaled: 2 / ((100 + 300) / 2) is 0.01."""
    average, into = (He(mode=m).weights((300, 100), KEYS, dtype=torch.float64) for m in ("fan_avg", "fan_in"))
    torch.testing.assert_close(average, into * math.sqrt(0.01 / 0.02), rtol=1e-14, atol=0)


def test_a_gelu_network_keeps_its_signal_with_gelus_gain() -> None:
    """Within a factor of 2, four deviations of six layers; with the gain of a rectifier it fades by more."""
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = []
    for gain in ("gelu", "relu"):
        signal = x
        for layer in range(6):
            key = make_key(torch.tensor([0]), step=0, place=f"layer {layer}")
            signal = nn.functional.gelu(signal @ He(gain=gain).weights((256, 256), key, dtype=torch.float64)[0].T)
        ends.append(float(signal.square().mean()))
    assert 0.5 < ends[0] < 2
    assert ends[1] < 0.4


def test_keeps_the_size_of_signals_through_twenty_rectified_layers() -> None:
    """The logarithm of the ratio has a deviation of about sqrt(20 * 5 / 256) = 0.6; 4 of it are a factor of 12.

    (Half the variance, as of 1/n, would leave a factor of 1e-6.)
    """
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first = x.square().mean()
    for layer in range(20):
        key = make_key(torch.tensor([0]), step=0, place=f"layer {layer}")
        x = torch.relu(x @ He().weights((256, 256), key, dtype=torch.float64)[0].T)
    assert 1 / 12 < float(x.square().mean() / first) < 12
