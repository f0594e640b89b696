"""Against scikit-learn's PCA(whiten=True); no covariance is left."""

import math

import pytest
import torch
from sklearn.decomposition import PCA

from wellposed.techniques import PCAWhitening


def rows(n: int, d: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x, mix = (torch.randn(size, d, generator=generator, dtype=torch.float64) for size in (n, d))
    return x @ mix + 3


def test_equals_scikit_learn() -> None:
    """But for the degrees of freedom: the covariance here is biased, as that of `Standardize`."""
    x, fresh = rows(50, 4), 2 * rows(7, 4)
    pca = PCA(whiten=True).fit(x.numpy())
    technique = PCAWhitening(eps=0.0)
    fitted = technique.fit(x, None)
    for some in (x, fresh):
        expected = torch.from_numpy(pca.transform(some.numpy())) * math.sqrt(50 / 49)
        torch.testing.assert_close(technique.data(some, fitted), expected, rtol=1e-9, atol=1e-9)


def test_covariance_becomes_the_identity_and_eps_makes_it_less() -> None:
    x = rows(60, 5)
    for eps in (0.0, 0.5):
        technique = PCAWhitening(eps=eps)
        found = torch.cov(technique.data(x, technique.fit(x, None)).mT, correction=0)
        values = torch.linalg.eigvalsh(torch.cov(x.mT, correction=0)).flip(0)
        torch.testing.assert_close(found, torch.diag(values / (values + eps)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_directions_without_variance_become_zero(dtype: torch.dtype) -> None:
    """Two rows of images span one direction; a doubled column none of its own; nothing is blown up or NaN."""
    few = rows(2, 12).to(dtype).view(2, 3, 2, 2)
    technique = PCAWhitening(eps=0.0)
    y = technique.data(few, technique.fit(few, None))
    assert y.shape == few.shape
    torch.testing.assert_close(y.flatten(1)[:, 0].square(), torch.ones(2, dtype=dtype))
    assert not y.flatten(1)[:, 1:].any()

    x = rows(40, 3).to(dtype)
    doubled = torch.cat([x, x[:, :1], torch.full_like(x[:, :1], 0.1)], dim=1)
    y = technique.data(doubled, technique.fit(doubled, None))
    torch.testing.assert_close(y.square().mean(0), torch.tensor([1, 1, 1, 0, 0], dtype=dtype), rtol=1e-4, atol=1e-4)


def test_full_shrinkage_only_rotates_and_scales() -> None:
    x = rows(50, 4)
    technique = PCAWhitening(eps=0.0, shrinkage=1.0)
    distances = [torch.pdist(some) for some in (x, technique.data(x, technique.fit(x, None)))]
    ratio = distances[1] / distances[0]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-9, atol=0)
