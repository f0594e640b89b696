"""Against scikit-learn's StandardScaler, and what it leaves open."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from wellposed.techniques import Standardize
from wellposed.techniques.data.standardize import measure_moments


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 5


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scikit_learn(weighted: bool) -> None:
    x, fresh = rows(50, 4), rows(7, 4)
    x[:, 2] = 0.1
    weight = torch.arange(50, dtype=torch.float64) if weighted else None
    scaler = StandardScaler().fit(x.numpy(), sample_weight=None if weight is None else weight.numpy())
    standardize = Standardize()
    fitted = standardize.fit(x, weight)
    for some in (x, fresh):
        expected = torch.from_numpy(scaler.transform(some.numpy()))
        torch.testing.assert_close(standardize.data(some, fitted), expected, rtol=1e-12, atol=1e-12)


def test_a_weight_of_two_equals_a_repeated_row() -> None:
    x = rows(20, 3)
    weight = torch.arange(20) % 3
    twice = torch.repeat_interleave(x, weight, dim=0)
    for found, expected in zip(measure_moments(x, weight.double()), measure_moments(twice), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("weighted", [False, True])
def test_images_are_scaled_by_channel(weighted: bool) -> None:
    x = rows(6, 3, 4, 5)
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0, 3.0, 1.0], dtype=torch.float64)
    flat = x.movedim(1, -1).reshape(-1, 3)
    expected = measure_moments(flat, weight.repeat_interleave(20) if weighted else None)
    fitted = Standardize().fit(x, weight if weighted else None)
    assert fitted["mean"].shape == (3, 1, 1)
    torch.testing.assert_close(fitted["mean"].flatten(), expected[0])
    torch.testing.assert_close(fitted["scale"].flatten(), expected[1])
    assert Standardize().data(x, fitted).shape == x.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("value", [0.1, 1e-30, -1e30, 16777217.0])
def test_a_constant_column_is_only_centred(value: float, dtype: torch.dtype) -> None:
    """Also where its mean is rounded, so that its computed variance is not 0."""
    x = torch.full((1001, 1), value, dtype=dtype)
    for weight in (None, torch.linspace(0, 1, 1001, dtype=dtype) ** 3):
        fitted = Standardize().fit(x, weight)
        assert fitted["scale"].item() == 1
        assert Standardize().data(x, fitted).abs().max() <= abs(value) * 1e-5


def test_a_row_of_no_weight_does_not_count_whatever_it_holds() -> None:
    x = torch.tensor([[1.0, 5.0], [3.0, 5.0], [float("nan"), 7.0]])
    mean, scale = measure_moments(x, torch.tensor([2.0, 2.0, 0.0]))
    assert mean.tolist() == [2, 5]
    assert scale.tolist() == [1, 1]


def test_large_offsets_do_not_drown_the_variance() -> None:
    """Single precision, mean 1e4 times the deviation: rounding to 2^-24 of 1e4 leaves 1e-3 of the deviation."""
    x = (torch.randn(10_000, 1, generator=torch.Generator().manual_seed(0)) + 1e4).float()
    for weight in (None, torch.ones(10_000)):
        fitted = Standardize().fit(x, weight)
        np.testing.assert_allclose(fitted["scale"].item(), x.double().std(correction=0).item(), rtol=1e-3)
