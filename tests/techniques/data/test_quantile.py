"""Against scikit-learn's QuantileTransformer, and what it leaves open."""

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.preprocessing import QuantileTransformer

from wellposed.techniques import Quantile

To = Literal["normal", "uniform"]


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()


def fitted_by_scikit_learn(x: torch.Tensor, to: To, n: int) -> QuantileTransformer:
    """Its quantiles rounded: where one falls on a value that repeats, it misses it by 1e-16, and so half a rank."""
    theirs = QuantileTransformer(n_quantiles=n, output_distribution=to, subsample=None).fit(x.numpy())
    theirs.quantiles_ = theirs.quantiles_.round(12)
    return theirs


@pytest.mark.parametrize("to", ["normal", "uniform"])
@pytest.mark.parametrize("n_quantiles", [10, 1000])
def test_equals_scikit_learn(to: To, n_quantiles: int) -> None:
    """Continuous columns, one of few values, one with a pile at its lowest value; fresh rows beyond the range, too."""
    x, fresh = rows(300, 4), 2 * rows(50, 4)
    for some in (x, fresh):
        some[:, 1] = some[:, 1].round()
        some[:, 2] = torch.where(some[:, 2] < 1, 0, some[:, 2])
    theirs = fitted_by_scikit_learn(x, to, min(n_quantiles, 300))
    technique = Quantile(to=to, n_quantiles=n_quantiles)
    fitted = technique.fit(x, None)
    for some in (x, fresh):
        expected = torch.from_numpy(theirs.transform(some.numpy()))
        torch.testing.assert_close(technique.data(some, fitted), expected, rtol=1e-9, atol=1e-8)


@settings(max_examples=20)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=12), st.integers(2, 15))
def test_equals_scikit_learn_where_values_repeat(numbers: list[int], n_quantiles: int) -> None:
    x = torch.tensor([*numbers, 4], dtype=torch.float64).unsqueeze(1)  # not constant
    theirs = fitted_by_scikit_learn(x, "uniform", min(n_quantiles, len(x)))
    technique = Quantile(to="uniform", n_quantiles=n_quantiles)
    expected = torch.from_numpy(theirs.transform(x.numpy()))
    torch.testing.assert_close(technique.data(x, technique.fit(x, None)), expected, rtol=1e-9, atol=1e-9)


def test_outliers_and_skew_are_gone() -> None:
    """Kolmogorov and Smirnov's test, on what was not fitted to: one false alarm in 1e6."""
    x, fresh = rows(10_000, 1).chunk(2)
    for to, cdf in (("normal", "norm"), ("uniform", "uniform")):
        technique = Quantile(to=to)
        y = technique.data(fresh, technique.fit(x, None))
        assert kstest(y.flatten().numpy(), cdf).statistic < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_constant_column_goes_to_the_middle(dtype: torch.dtype) -> None:
    x = torch.full((30, 1), 0.1, dtype=dtype)
    for to, middle in (("normal", 0.0), ("uniform", 0.5)):
        technique = Quantile(to=to)
        fitted = technique.fit(x, None)
        assert technique.data(x, fitted).unique().tolist() == [middle]
        beyond = technique.data(torch.tensor([[-1.0], [1.0]], dtype=dtype), fitted)
        assert beyond[0] < middle < beyond[1]


def test_whole_weights_equal_repeated_rows() -> None:
    x = rows(40, 2)
    weight = torch.arange(40) % 3
    technique = Quantile(n_quantiles=15)
    found = technique.fit(x, weight.double())
    expected = technique.fit(x.repeat_interleave(weight, dim=0), None)
    torch.testing.assert_close(found["quantiles"], expected["quantiles"], rtol=1e-12, atol=0)


def test_images_are_ranked_by_channel() -> None:
    x = rows(20, 3, 2, 2)
    technique = Quantile(n_quantiles=11)
    flat = x.movedim(1, -1).reshape(-1, 3)
    expected = technique.data(flat, technique.fit(flat, None)).view(20, 2, 2, 3).movedim(-1, 1)
    torch.testing.assert_close(technique.data(x, technique.fit(x, None)), expected)


def test_single_precision_reaches_both_ends() -> None:
    x = torch.linspace(-1, 1, 101).unsqueeze(1)
    technique = Quantile()
    y = technique.data(x, technique.fit(x, None))
    torch.testing.assert_close(y[[0, -1]].flatten(), torch.tensor([-5.1993376, 5.1993376]))
