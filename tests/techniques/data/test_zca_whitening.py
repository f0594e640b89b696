"""What defines it: no covariance is left, the matrix is symmetric, and no other whitening stays nearer to the rows."""

import pytest
import torch
from scipy.linalg import fractional_matrix_power
from scipy.stats import ortho_group

from wellposed.techniques import PCAWhitening, ZCAWhitening
from wellposed.techniques.data.whitening import iterate_inverse_root


def rows(n: int, d: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x, mix = (torch.randn(size, d, generator=generator, dtype=torch.float64) for size in (n, d))
    return x @ mix + 3


def test_covariance_becomes_the_identity_and_the_matrix_is_scipys_inverse_root() -> None:
    x = rows(60, 5)
    technique = ZCAWhitening(eps=0.0)
    fitted = technique.fit(x, None)
    covariance = torch.cov(x.mT, correction=0)
    expected = torch.from_numpy(fractional_matrix_power(covariance.numpy(), -0.5))
    torch.testing.assert_close(fitted["matrix"], expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(fitted["matrix"], fitted["matrix"].mT, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(fitted["matrix"], iterate_inverse_root(covariance, 60), rtol=1e-6, atol=1e-6)
    found = torch.cov(technique.data(x, fitted).mT, correction=0)
    torch.testing.assert_close(found, torch.eye(5, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_no_other_whitening_stays_nearer_to_the_rows() -> None:
    """Every other one is this one, rotated; PCA's is among them."""
    x = rows(60, 5)
    centred = x - x.mean(0)
    y, rotated = (t.data(x, t.fit(x, None)) for t in (ZCAWhitening(eps=0.0), PCAWhitening(eps=0.0)))
    nearest = (y - centred).square().sum()
    others = [rotated, *(y @ torch.from_numpy(q) for q in ortho_group(5, seed=0).rvs(50))]
    assert all((other - centred).square().sum() > nearest for other in others)


def test_is_the_same_whatever_the_order_of_the_features_unlike_pca() -> None:
    """Why networks are whitened by it: axes do not swap."""
    x = rows(60, 5)
    order = torch.tensor([3, 1, 4, 0, 2])
    technique = ZCAWhitening()
    y = technique.data(x, technique.fit(x, None))
    swapped = technique.data(x[:, order], technique.fit(x[:, order], None))
    torch.testing.assert_close(swapped, y[:, order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shrinkage", [0.0, "auto"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_fewer_images_than_pixels(dtype: torch.dtype, shrinkage: float) -> None:
    x = rows(10, 48).to(dtype).view(10, 3, 4, 4)
    technique = ZCAWhitening(shrinkage=shrinkage)
    y = technique.data(x, technique.fit(x, None))
    assert y.shape == x.shape
    assert y.abs().max() < 20


def test_images_stay_images() -> None:
    """Of smooth images, the pixel nearest in meaning is the pixel itself."""
    smooth = torch.nn.functional.avg_pool2d(
        torch.randn(300, 1, 10, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64), 3, 1
    )
    technique = ZCAWhitening(eps=1e-2)
    y = technique.data(smooth, technique.fit(smooth, None)).flatten(1)
    relation = torch.corrcoef(torch.cat([smooth.flatten(1), y], 1).mT)[:64, 64:]
    assert torch.equal(relation.argmax(1), torch.arange(64))
