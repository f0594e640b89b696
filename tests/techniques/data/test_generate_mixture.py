"""Against scikit-learn's mixture, asked directly, and the clouds that rows were made of."""

import pytest
import torch
from sklearn.mixture import GaussianMixture

from wellposed.inputs.dataset import Rows
from wellposed.techniques import MixtureGrowth
from wellposed.techniques.data.generate_mixture import draw_mixture


def clouds(dtype: torch.dtype = torch.float64) -> Rows:
    """Class 0 is two clouds, class 1 one cloud, class 2 a single row; the last column is constant within a class."""
    generator = torch.Generator().manual_seed(0)
    y = torch.tensor([0] * 200 + [1] * 50 + [2])
    x = torch.randn(len(y), 3, generator=generator, dtype=torch.float64)
    x[:100, 0] += 10
    x[200:, 1] += 20
    x[:, 2] = y
    return Rows(x.to(dtype), torch.arange(len(y)).view(-1, 1), y)


def test_equals_scikit_learn_on_columns_of_variance_one() -> None:
    x = clouds().x[:200, :2]
    deviation, mean = torch.std_mean(x, dim=0, correction=0)
    scaled = ((x - mean) / deviation).numpy()
    theirs = GaussianMixture(2, random_state=5).fit(scaled).sample(30)[0]
    expected = torch.from_numpy(theirs) * deviation + mean
    torch.testing.assert_close(draw_mixture(x, 30, components=2, seed=5), expected, rtol=1e-9, atol=1e-9)


def test_new_rows_lie_in_the_clouds_of_their_class() -> None:
    """Clouds of deviation 1 around (10, 0) and (0, 0): 6 deviations; halves within 6 standard errors of a share."""
    rows = clouds()
    grown = MixtureGrowth(share=10.0, components=2).grow(rows)
    x, y = grown.x[len(rows) :], grown.y[len(rows) :]
    own = x[y == 0, :2]
    assert len(own) == 2000
    far = (own[:, 0] > 5).double()
    assert (own - torch.stack([10 * far, torch.zeros_like(far)], 1)).abs().max() < 6
    assert abs(float(far.mean()) - 0.5) < 6 * 0.5 / 2000**0.5
    assert (x[y == 1, 1] > 14).all()
    assert torch.equal(x[:, 2][y < 2], y[y < 2].double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_codes_come_from_the_nearest_row_of_the_class(dtype: torch.dtype) -> None:
    rows = clouds(dtype)
    grown = MixtureGrowth(share=1.0).grow(rows)
    assert grown.x.dtype == dtype
    assert torch.equal(grown.x[: len(rows)], rows.x)
    base = grown.codes[:, 0]
    assert torch.equal(rows.y[base], grown.y)
    for n in range(len(rows), len(rows) + 30):
        own = (rows.y == grown.y[n]).nonzero().flatten()
        scale = torch.where(rows.x.std(0, correction=0) > 0, rows.x.std(0, correction=0), 1)
        distance = ((rows.x[own] - grown.x[n]) / scale).norm(dim=1)
        assert distance[own == base[n]].item() == pytest.approx(float(distance.min()), rel=1e-4)


def test_a_class_of_one_row_and_a_class_of_equal_rows_do_not_fail() -> None:
    x = torch.tensor([[0.0, 1.0]] * 4 + [[5.0, 2.0]], dtype=torch.float64)
    grown = MixtureGrowth(share=3.0).grow(Rows(x, torch.zeros(5, 0, dtype=torch.int64), torch.tensor([0, 0, 0, 0, 1])))
    assert len(grown) == 20
    assert torch.equal(grown.x[grown.y == 0], x[:1].expand(16, 2))
    own = grown.x[grown.y == 1]
    assert 0 < (own - x[4]).abs().max() < 0.1 * 2 * 6


def test_rows_are_drawn_in_proportion_to_weights() -> None:
    """The far cloud has a ninth of the weight of the near one, so a tenth of the new rows: 6 standard errors."""
    rows = clouds()
    weight = torch.where(rows.x[:, 0] > 5, 1.0, 9.0).double()
    grown = MixtureGrowth(share=10.0, components=2).grow(Rows(rows.x, rows.codes, rows.y, weight))
    own = grown.x[len(rows) :][grown.y[len(rows) :] == 0]
    assert abs(float((own[:, 0] > 5).double().mean()) - 0.1) < 6 * 0.3 / 2000**0.5 + 0.01
    assert grown.weight is not None
    assert grown.weight[len(rows) :][0].item() == pytest.approx(5.0)


def test_numbers_are_drawn_together_with_their_row() -> None:
    x = torch.linspace(-1, 1, 200, dtype=torch.float64).unsqueeze(1)
    rows = Rows(x, torch.zeros(200, 0, dtype=torch.int64), 3 * x + 1)
    grown = MixtureGrowth(components=1).grow(rows)
    assert (grown.y - 3 * grown.x - 1).abs().max() < 0.02  # the mixture adds 1e-6 to every variance


def test_the_seed_decides_and_nothing_of_the_global_draws_is_used() -> None:
    rows = clouds()
    first = MixtureGrowth(seed=3).grow(rows).x
    torch.rand(3)
    assert torch.equal(first, MixtureGrowth(seed=3).grow(rows).x)
    assert not torch.equal(first, MixtureGrowth(seed=4).grow(rows).x)
