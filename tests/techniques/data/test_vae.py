"""Its loss against torch.distributions; what it learns of digits, by a classifier of scikit-learn."""

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch.distributions import Bernoulli, Normal, kl_divergence

from wellposed.inputs.dataset import Rows
from wellposed.techniques import VAEGrowth
from wellposed.techniques.data.vae import Autoencoder, negative_bound, train_autoencoder


def digits(classes: int = 3, dtype: torch.dtype = torch.float32) -> Rows:
    data = load_digits(n_class=classes)
    x = torch.from_numpy(data.images).to(dtype).unsqueeze(1)
    return Rows(x - 8, torch.arange(len(x)).view(-1, 1), torch.from_numpy(data.target).long())


def test_loss_is_that_of_torch_distributions() -> None:
    torch.manual_seed(0)
    network = Autoencoder(6, 2, latent=3, width=5).double()
    x, y, noise = (torch.rand(4, n, dtype=torch.float64) for n in (6, 2, 3))
    x = x.round()
    mean, log_variance = network.encode(x, y)
    code = Normal(mean, log_variance.exp().sqrt())
    missed = -Bernoulli(logits=network.decode(mean + code.scale * noise, y)).log_prob(x).sum(1)
    expected = missed + kl_divergence(code, Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(negative_bound(network, x, y, noise), expected, rtol=1e-10, atol=1e-10)


def test_new_digits_look_like_their_class() -> None:
    """To nearest neighbours, of whom a blind guess would be right a third of the time."""
    rows = digits()
    grown = VAEGrowth(share=0.5, epochs=25, width=64).grow(rows)
    x, y = grown.x[len(rows) :], grown.y[len(rows) :]
    assert len(x) == round(len(rows) / 2)
    judge = KNeighborsClassifier().fit(rows.x.flatten(1).numpy(), rows.y.numpy())
    assert judge.score(x.flatten(1).numpy(), y.numpy()) > 0.95
    assert len(torch.unique(x.flatten(1), dim=0)) == len(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_values_stay_within_the_range_and_the_rest_comes_from_a_row_of_the_class(dtype: torch.dtype) -> None:
    rows = digits(dtype=dtype)
    weight = 1 + torch.arange(len(rows), dtype=dtype)
    weight[0] = 0
    spoiled = rows.x.clone()
    spoiled[0] = 1e6
    grown = VAEGrowth(share=1.0, epochs=1, width=16).grow(Rows(spoiled, rows.codes, rows.y, weight))
    new = grown.x[len(rows) :]
    assert grown.x.dtype == dtype
    assert torch.equal(grown.x[: len(rows)], spoiled)
    assert rows.x.min() <= new.min() <= new.max() <= rows.x.max()
    base = grown.codes[:, 0]
    assert torch.equal(grown.y, rows.y[base])
    assert grown.weight is not None
    assert torch.equal(grown.weight, weight[base])
    assert not (base[len(rows) :] == 0).any()


def test_soft_labels_and_numbers_are_conditions_too() -> None:
    rows = digits()
    soft = torch.nn.functional.one_hot(rows.y).float() * 0.9 + 0.1 / 3
    for y in (soft, rows.y.float().unsqueeze(1)):
        grown = VAEGrowth(share=0.1, epochs=1, width=16).grow(Rows(rows.x, rows.codes, y))
        assert torch.equal(grown.y, y[grown.codes[:, 0]])


def test_the_seed_decides_and_the_global_draws_go_on_as_if_nothing_had_been() -> None:
    rows = digits()
    technique = VAEGrowth(share=0.1, epochs=1, width=16)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first = technique.grow(rows).x
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, technique.grow(rows).x)
    assert not torch.equal(first, VAEGrowth(share=0.1, epochs=1, width=16, seed=1).grow(rows).x)


def test_training_lowers_the_bound_on_fresh_rows() -> None:
    rows = digits()
    x, y = (rows.x.flatten(1) + 8) / 16, torch.nn.functional.one_hot(rows.y).float()
    bounds = []
    for epochs in (1, 10):
        network = train_autoencoder(x[:400], y[:400], width=32, epochs=epochs)
        bounds.append(float(negative_bound(network, x[400:], y[400:], torch.zeros(len(x) - 400, 8)).mean()))
    assert bounds[1] < 0.9 * bounds[0]
    assert not any(p.requires_grad for p in network.parameters())
