"""Against PyTorch's weights for linear layers, which are LeCun's, and Keras's bound of its truncated ones."""

import math

import pytest
import torch
from torch import nn
from torch.nn import init

from wellposed.random import make_key
from wellposed.techniques import LeCun
from wellposed.techniques.weights.scaled import Distribution

KEYS = make_key(torch.arange(3), step=0, place="w")
SHAPE = (60, 20, 3, 3)
N = math.prod(SHAPE)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated"])
def test_has_the_deviation_of_pytorch(distribution: Distribution) -> None:
    """Two samples of N: their variances within 6 standard errors of each other, one false alarm in 5e8 a number."""
    generator = torch.Generator().manual_seed(0)
    theirs = init.kaiming_normal_(torch.empty(SHAPE), nonlinearity="linear", generator=generator)
    ours = LeCun(distribution=distribution).weights(SHAPE, KEYS, dtype=torch.float32)
    ratio = ours.square().mean((1, 2, 3, 4)) / theirs.square().mean()
    assert ((ratio - 1).abs() < 6 * math.sqrt(2 * 2 / N)).all()


@pytest.mark.parametrize(("distribution", "bound"), [("uniform", math.sqrt(3)), ("truncated", 2 / 0.8796256610342398)])
def test_bounded_weights_stay_within_their_bounds_and_come_near(distribution: Distribution, bound: float) -> None:
    drawn = LeCun(distribution=distribution).weights((200, 300), KEYS, dtype=torch.float64)
    largest = float(drawn.abs().max()) * math.sqrt(300)
    assert 0.99 * bound < largest <= bound * (1 + 1e-12)


def test_keeps_the_moments_of_self_normalizing_units() -> None:
    """SELU's fixed point: mean 0 and variance 1 behind 30 layers; 0.2 is ten deviations of either over 64 x 512."""
    x = torch.randn(64, 512, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for layer in range(30):
        key = make_key(torch.tensor([0]), step=0, place=f"layer {layer}")
        x = nn.functional.selu(x @ LeCun().weights((512, 512), key, dtype=torch.float64)[0].T)
    assert abs(float(x.mean())) < 0.2
    assert abs(float(x.var()) - 1) < 0.2
