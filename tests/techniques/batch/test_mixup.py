"""Against Kornia's mixup with the same partners and shares; a linear function of x remains the target."""

import kornia.augmentation
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import Mixup
from wellposed.techniques.batch.mixup import draw_shares, mix_rows
from wellposed.techniques.places import Batch, Facts

KEYS = make_key(torch.arange(3), step=1, place="mixup")
GENERATOR = torch.Generator().manual_seed(0)


def marked(members: int, rows: int, *, dtype: torch.dtype = torch.float64) -> Batch:
    """A table whose rows carry their own number as one-hot target and as weight."""
    y = torch.eye(rows, dtype=dtype).expand(members, rows, rows)
    codes = torch.arange(rows).view(1, rows, 1).repeat(members, 1, 2) + 1
    weight = torch.arange(rows, dtype=dtype).expand(members, rows)
    return Batch(torch.randn(members, rows, 4, generator=GENERATOR, dtype=dtype), codes, y, weight)


def test_images_are_mixed_as_kornia_mixes_them() -> None:
    x = torch.rand(1, 6, 3, 5, 4, generator=GENERATOR, dtype=torch.float64)
    partner = torch.tensor([[3, 0, 1, 5, 4, 2]])
    share = torch.rand(1, 6, generator=GENERATOR, dtype=torch.float64)
    given = {"mixup_pairs": partner[0], "mixup_lambdas": 1 - share[0]}
    expected = kornia.augmentation.RandomMixUpV2().apply_transform(x[0], given)
    torch.testing.assert_close(mix_rows(x, partner, share)[0], expected, rtol=1e-10, atol=1e-12)


def test_alone_is_exact() -> None:
    x = torch.randn(1, 2, 3, generator=GENERATOR)
    partner = torch.tensor([[1, 0]])
    assert torch.equal(mix_rows(x, partner, torch.ones(1, 2)), x)
    assert torch.equal(mix_rows(x, partner, torch.zeros(1, 2)), x.flip(1))


@pytest.mark.parametrize("each", ["batch", "row"])
@given(rows=st.integers(1, 9), seed=st.integers(0, 10**6), alpha=st.floats(0.05, 5.0))
@settings(max_examples=15, deadline=None)
def test_a_linear_function_remains_the_target(each: str, rows: int, seed: int, alpha: float) -> None:
    """Of regression, and of soft labels, whose rows still sum to one; weights move with them."""
    batch, key = marked(2, rows), make_key(torch.tensor([seed, seed + 1]), step=0, place="any")
    mixed = Mixup(alpha=alpha, each=each).batch(batch, key)
    torch.testing.assert_close(mixed.x, mixed.y @ batch.x)  # y says how much of which row there is
    torch.testing.assert_close(mixed.weight, (mixed.y @ batch.weight.unsqueeze(-1)).squeeze(-1))
    torch.testing.assert_close(mixed.y.sum(-1), torch.ones(2, rows, dtype=torch.float64))
    w = torch.randn(2, 4, 1, generator=GENERATOR, dtype=torch.float64)
    numbers = Mixup(alpha=alpha, each=each).batch(batch._replace(y=batch.x @ w), key)
    torch.testing.assert_close(numbers.y, numbers.x @ w)


def test_every_row_is_partner_once() -> None:
    """So a batch's sum stays."""
    batch = marked(3, 50)
    mixed = Mixup(alpha=1.0).batch(batch, KEYS)
    torch.testing.assert_close(mixed.y.sum(1), batch.y.sum(1))
    torch.testing.assert_close(mixed.x.sum(1), batch.x.sum(1))


def test_one_share_for_the_batch_or_one_a_row() -> None:
    own = Mixup(alpha=1.0).batch(marked(3, 50), KEYS).y.diagonal(dim1=1, dim2=2)
    for k in range(3):
        assert len(own[k][own[k] < 1].unique()) == 1
    assert len(own[:, 0].unique()) == 3
    rows = Mixup(alpha=1.0, each="row").batch(marked(3, 50), KEYS).y.diagonal(dim1=1, dim2=2)
    assert len(rows.unique()) > 100


def test_shares_are_those_of_the_beta_distribution() -> None:
    """Kolmogorov and Smirnov's test at 1e-6; members of other strengths, one of them neutral."""
    share = draw_shares(torch.tensor([0.3, 0.0, 2.0]), 10_000, key=KEYS)
    assert (share[1] == 1).all()
    for k, a in ((0, 0.3), (2, 2.0)):
        assert stats.kstest(share[k].numpy(), stats.beta(a, a).cdf).pvalue > 1e-6


def test_categories_come_from_the_larger_share() -> None:
    batch = marked(3, 40)
    mixed = Mixup(alpha=1.0, each="row").batch(batch, KEYS)
    owner = mixed.y.argmax(-1)
    assert torch.equal(mixed.codes, (owner + 1).unsqueeze(-1).expand_as(mixed.codes))
    assert (owner != torch.arange(40)).any()


def test_a_mixed_sequence_is_as_long_as_the_longer() -> None:
    length = torch.arange(1, 21).expand(3, 20)
    real = torch.arange(20) < length.unsqueeze(-1)
    batch = Batch(real.double().unsqueeze(-1), length.unsqueeze(-1), torch.eye(20).double().expand(3, 20, 20), None)
    mixed = Mixup(alpha=1.0, each="row").batch(batch, KEYS)
    expected = torch.where(mixed.y > 0, length.unsqueeze(1), 0).amax(-1)
    assert torch.equal(mixed.codes[..., 0], expected)
    assert torch.equal((mixed.x[..., 0] > 0).sum(-1), expected)
    assert torch.equal(Mixup(alpha=0.0).batch(batch, KEYS).codes, batch.codes)


def test_texts_are_refused() -> None:
    codes = torch.full((1, 2, 3), 2)
    facts = Facts(torch.zeros(0), torch.zeros(0), ("", "?", "dog"))
    with pytest.raises(BadInput, match="must be a table, images or sequences"):
        Mixup().batch(Batch(torch.zeros(1, 2, 0), codes, torch.ones(1, 2, 2), None, facts), KEYS[:1])
