"""The mean over rows, against NumPy's average."""

import numpy as np
import torch

from wellposed.techniques.loss.rows import mean_over_rows


def test_equals_numpys_average() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    weight = torch.rand(3, 5, generator=generator, dtype=torch.float64)
    weighted = [np.average(v, weights=w) for v, w in zip(values.numpy(), weight.numpy(), strict=True)]
    np.testing.assert_allclose(mean_over_rows(values, weight).numpy(), weighted, rtol=1e-12)
    np.testing.assert_allclose(mean_over_rows(values, None).numpy(), np.average(values.numpy(), axis=1), rtol=1e-12)


def test_rows_that_all_weigh_nothing_have_mean_0() -> None:
    assert torch.equal(mean_over_rows(torch.ones(2, 3), torch.zeros(2, 3)), torch.zeros(2))
