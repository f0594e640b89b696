"""Fans as PyTorch counts them."""

import pytest
import torch
from torch.nn import init

from wellposed.techniques.weights.fans import choose_fan, count_fans


@pytest.mark.parametrize("shape", [(4, 3), (8, 2, 5), (6, 5, 3, 2), (2, 3, 4, 5, 6)])
def test_equals_pytorch(shape: tuple[int, ...]) -> None:
    into, out = init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert tuple(count_fans(shape)) == (into, out)
    assert choose_fan(shape, "fan_in") == into
    assert choose_fan(shape, "fan_out") == out
    assert choose_fan(shape, "fan_avg") == (into + out) / 2
