"""Against scipy.stats.gaussian_kde: its kernel, and the density that rows are drawn from."""

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde

from wellposed.inputs.dataset import Rows
from wellposed.random import make_key
from wellposed.techniques import DensityGrowth
from wellposed.techniques.data.generate_density import draw_noise, kernel_covariance


def clouds(n: int = 60, dtype: torch.dtype = torch.float64) -> Rows:
    """Three classes, the second of a third of the size, and the third of a single row."""
    generator = torch.Generator().manual_seed(0)
    y = torch.tensor([0] * n + [1] * (n // 3) + [2])
    x = torch.randn(len(y), 2, generator=generator, dtype=torch.float64)
    x = x @ torch.tensor([[1.0, 0.5], [0.0, 0.2]], dtype=torch.float64) + 5 * y.unsqueeze(1)
    return Rows(x.to(dtype), torch.arange(len(y)).view(-1, 1), y)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("width", [1, 3])
def test_the_kernel_is_that_of_scipy(width: int, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, width, generator=generator, dtype=torch.float64)
    weight = torch.arange(1.0, 31.0, dtype=torch.float64) if weighted else None
    kde = gaussian_kde(x.numpy().T, weights=None if weight is None else weight.numpy())
    expected = torch.from_numpy(np.atleast_2d(kde.covariance))
    torch.testing.assert_close(kernel_covariance(x, weight), expected, rtol=1e-12, atol=1e-14)


def test_noise_has_its_covariance_even_where_it_is_singular() -> None:
    """Six standard errors of a variance from 20 000 draws: one false alarm in 5e8 a number."""
    covariance = torch.tensor([[4.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    noise = draw_noise(covariance, 20_000, key=make_key(torch.tensor(0), step=0, place="test"))
    assert (torch.cov(noise.mT, correction=0) - covariance).abs().max() < 6 * 4 * (2 / 20_000) ** 0.5
    assert noise[:, 2].abs().max() < 1e-12


def test_new_rows_have_the_moments_of_scipys_density() -> None:
    """Mean and covariance of 20 000 rows and of the density itself, of class 0; 6 standard errors."""
    rows = clouds()
    grown = DensityGrowth(share=500.0).grow(rows)
    new = grown.x[len(rows) :][grown.y[len(rows) :] == 0]
    old = rows.x[rows.y == 0]
    kde = gaussian_kde(old.numpy().T)
    expected = torch.cov(old.mT, correction=0) + torch.from_numpy(kde.covariance)
    error = 6 * float(expected.max()) * (2 / len(new)) ** 0.5
    assert len(new) == 30_000
    assert (new.mean(0) - old.mean(0)).abs().max() < error
    assert (torch.cov(new.mT) - expected).abs().max() < error


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_rows_are_appended_with_the_codes_of_the_row_they_were_drawn_from(dtype: torch.dtype) -> None:
    rows = clouds(dtype=dtype)
    grown = DensityGrowth(share=0.5, bandwidth=0.0).grow(rows)
    assert len(grown) == len(rows) + round(0.5 * len(rows))
    assert torch.equal(grown.x[: len(rows)], rows.x)
    base = grown.codes[:, 0]
    torch.testing.assert_close(grown.x, rows.x[base])
    assert torch.equal(grown.y, rows.y[base])
    assert grown.x.dtype == dtype


def test_a_class_of_one_row_is_only_jittered() -> None:
    rows = clouds()
    grown = DensityGrowth(share=9.0).grow(rows)
    own = grown.x[grown.y == 2]
    assert len(own) == 10
    distance = (own[1:] - own[:1]) / rows.x.std(dim=0, correction=0)
    assert 0 < distance.abs().max() < 0.1 * 6


def test_numbers_are_drawn_together_with_their_row() -> None:
    """A line stays a line: the kernel has the covariance of the rows, and is as narrow across."""
    x = torch.linspace(-1, 1, 200, dtype=torch.float64).unsqueeze(1)
    rows = Rows(x, torch.zeros(200, 0, dtype=torch.int64), 3 * x + 1)
    grown = DensityGrowth().grow(rows)
    torch.testing.assert_close(grown.y, 3 * grown.x + 1, rtol=1e-6, atol=1e-6)
    assert not torch.equal(grown.x[200:].sort(0).values, x)


def test_weights_and_soft_labels_come_from_the_same_row() -> None:
    rows = clouds()
    soft = torch.nn.functional.one_hot(rows.y, 3) * 0.7 + 0.1
    weight = torch.arange(len(rows), dtype=torch.float64)
    grown = DensityGrowth(share=2.0).grow(Rows(rows.x, rows.codes, soft.double(), weight))
    base = grown.codes[:, 0]
    assert grown.weight is not None
    assert torch.equal(grown.weight, weight[base])
    assert torch.equal(grown.y, soft.double()[base])
    assert not (base[len(rows) :] == 0).any()


def test_the_seed_decides() -> None:
    rows = clouds()
    first, again, other = (DensityGrowth(seed=seed).grow(rows).x for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_keep_their_shape() -> None:
    x = torch.randn(20, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    grown = DensityGrowth().grow(Rows(x, torch.zeros(20, 0, dtype=torch.int64), torch.arange(20) % 2))
    assert grown.x.shape == (40, 1, 3, 3)
