"""Against torch.nn.init.calculate_gain, and SciPy's integrals where PyTorch has no gain."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import quad
from scipy.stats import norm
from torch.nn import init

from wellposed.techniques.weights.gains import MEASURED, Gain, measure_gain, square_gain


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh", "relu", "selu"])
def test_equals_pytorch(activation: Gain) -> None:
    assert math.sqrt(square_gain(activation)) == pytest.approx(init.calculate_gain(activation), rel=1e-15)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
def test_equals_pytorch_for_any_slope(slope: float) -> None:
    expected = init.calculate_gain("leaky_relu", slope)
    assert math.sqrt(square_gain("leaky_relu", slope)) == pytest.approx(expected, rel=1e-15)
    assert measure_gain(lambda z: F.leaky_relu(z, slope)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("activation", sorted(MEASURED))
def test_keeps_the_second_moment_of_a_normal_signal(activation: Gain) -> None:
    def integrand(z: float) -> float:
        value = MEASURED[activation](torch.tensor(z, dtype=torch.float64)).item()
        return value**2 * float(norm.pdf(z))

    moment = sum(quad(integrand, *ends, epsabs=1e-11)[0] for ends in ((-12, 0), (0, 12)))
    assert square_gain(activation) * moment == pytest.approx(1, rel=1e-8)
