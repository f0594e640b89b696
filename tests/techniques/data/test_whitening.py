"""Against scikit-learn's Ledoit and Wolf and its covariances, and eigenvectors for the iteration."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf, shrunk_covariance

from wellposed.techniques.data.whitening import iterate_inverse_root, map_rows, measure_covariance, principal_axes


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, d, generator=generator, dtype=torch.float64) @ torch.randn(
        d, d, generator=generator, dtype=torch.float64
    )
    return mixed + 3


@settings(max_examples=20)
@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 9))
def test_shrinkage_is_that_of_ledoit_and_wolf_by_scikit_learn(n: int, d: int, seed: int) -> None:
    x = rows(n, d, seed)
    expected, _ = ledoit_wolf(x.numpy())
    mean, found = measure_covariance(x, shrinkage="auto")
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(mean, x.mean(0), rtol=1e-12, atol=0)


def test_a_fixed_shrinkage_is_that_of_scikit_learn() -> None:
    x = rows(30, 5)
    covariance = torch.cov(x.mT, correction=0)
    torch.testing.assert_close(measure_covariance(x)[1], covariance, rtol=1e-12, atol=1e-12)
    expected = torch.from_numpy(shrunk_covariance(covariance.numpy(), 0.3))
    torch.testing.assert_close(measure_covariance(x, shrinkage=0.3)[1], expected, rtol=1e-12, atol=1e-12)


def test_weights_count_rows() -> None:
    x, weight = rows(30, 5), torch.arange(30) % 4
    x[0] = float("nan")
    expected = measure_covariance(x.repeat_interleave(weight, dim=0))
    for found, wanted in zip(measure_covariance(x, weight.double()), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_equal_weights_of_any_size_shrink_alike() -> None:
    x = rows(10, 5)
    for size in (0.1, 7.0):
        found = measure_covariance(x, torch.full((10,), size, dtype=torch.float64), shrinkage="auto")[1]
        torch.testing.assert_close(found, measure_covariance(x, shrinkage="auto")[1], rtol=1e-12, atol=0)


def test_one_row_and_equal_rows_have_no_axes() -> None:
    for n in (1, 4):
        mean, covariance = measure_covariance(torch.ones(n, 3, dtype=torch.float64), shrinkage="auto")
        assert mean.tolist() == [1, 1, 1]
        assert not covariance.any()
        assert not principal_axes(covariance, eps=0.0)[1].any()


@pytest.mark.parametrize("condition", [1.0, 3.0, 30.0])
def test_the_iteration_comes_nearer_to_the_eigenvectors_at_each_step(condition: float) -> None:
    axes = torch.linalg.qr(rows(6, 6)).Q
    values = torch.logspace(0, 1, 6, dtype=torch.float64) ** torch.tensor(condition).log10()
    covariance = (axes * values) @ axes.mT
    root = (axes * values.rsqrt()) @ axes.mT
    errors = [float((iterate_inverse_root(covariance, steps) - root).norm()) for steps in range(16)]
    assert all(later < sooner or later < 1e-12 for sooner, later in pairwise(errors))
    assert errors[-1] < 1e-10


def test_the_iteration_takes_many_matrices_and_any_scale() -> None:
    covariances = torch.stack([scale * measure_covariance(rows(50, 3))[1] for scale in (1e-6, 1.0, 1e6)])
    for found, covariance in zip(iterate_inverse_root(covariances, 40), covariances, strict=True):
        identity = torch.eye(3, dtype=torch.float64)
        torch.testing.assert_close(found @ covariance @ found, identity, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_row_is_mapped_alike_whatever_stands_beside_it(dtype: torch.dtype) -> None:
    """To the bit: alone, in another place, and beside other rows."""
    x = rows(200, 50).to(dtype).view(200, 2, 5, 5)
    fitted = {"mean": x.flatten(1).mean(0), "matrix": rows(50, 50, 1).to(dtype)}
    together = map_rows(x, fitted)
    assert together.shape == x.shape
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    assert torch.equal(map_rows(x[order], fitted), together[order])
    for n in (0, 63, 64, 130, 199):
        assert torch.equal(map_rows(x[n : n + 1], fitted)[0], together[n])
    torch.testing.assert_close(together.flatten(1), (x.flatten(1) - fitted["mean"]) @ fitted["matrix"])
    assert map_rows(x[:0], fitted).shape == (0, 2, 5, 5)
