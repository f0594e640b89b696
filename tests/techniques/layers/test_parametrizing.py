"""How a parametrization takes its place on somebody's own layer: in the weight's dtype, by its own start."""

import pytest
import torch

from wellposed.errors import BadInput
from wellposed.techniques import SpectralNorm, WeightNorm
from wellposed.techniques.layers.parametrizing import refuse_zeros, start_alone_


def test_takes_the_dtype_of_the_weight_and_its_start() -> None:
    module, weight = WeightNorm().parametrization((2, 2)), torch.tensor([[3.0, 4.0], [5.0, 12.0]], dtype=torch.float64)
    scale = module.scale
    start_alone_(module, weight, (2, 2))
    assert module.scale is scale  # an optimizer may hold it already
    assert torch.equal(scale, torch.tensor([5.0, 13.0], dtype=torch.float64))


def test_sets_buffers_too() -> None:
    module, weight = SpectralNorm().parametrization((2, 2)), torch.diag(torch.tensor([9.0, 1.0]))
    start_alone_(module, weight, (2, 2))
    for name in ("u", "v"):
        torch.testing.assert_close(module.get_buffer(name).abs(), torch.tensor([1.0, 0.0]))


def test_refuses_another_shape() -> None:
    with pytest.raises(BadInput) as refused:
        start_alone_(WeightNorm().parametrization((2, 3)), torch.ones(3, 2), (2, 3))
    assert str(refused.value) == (
        "The weight of this WeightNorm must have the shape (2, 3). Got (3, 2). Give the weight's own shape."
    )


def test_refuses_zeros_alone() -> None:
    refuse_zeros("WeightNorm", torch.tensor([1e-30, float("nan")]), "rows")
    with pytest.raises(BadInput, match="must start with rows unlike 0"):
        refuse_zeros("WeightNorm", torch.tensor([1.0, 0.0]), "rows")
