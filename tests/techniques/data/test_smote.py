"""Against imbalanced-learn, asked directly."""

import sys

import pytest
import torch
from imblearn.over_sampling import SMOTE as Theirs
from imblearn.over_sampling import SMOTENC

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.techniques import SMOTE


def clouds(dtype: torch.dtype = torch.float64, codes: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(0)
    y = torch.tensor([0] * 50 + [1] * 20 + [2] * 8)
    x = torch.randn(len(y), 3, generator=generator, dtype=torch.float64) + 3 * y.unsqueeze(1)
    return Rows(x.to(dtype), torch.randint(4, (len(y), codes), generator=generator), y)


def test_balances_as_imbalanced_learn_does() -> None:
    rows = clouds()
    x, y = Theirs(k_neighbors=4, random_state=3).fit_resample(rows.x.numpy(), rows.y.numpy())
    grown = SMOTE(neighbors=4, seed=3).grow(rows)
    torch.testing.assert_close(grown.x, torch.from_numpy(x), rtol=1e-12, atol=1e-12)
    assert torch.equal(grown.y, torch.from_numpy(y))
    assert torch.bincount(grown.y).tolist() == [50, 50, 50]


def test_categories_are_those_of_imbalanced_learn() -> None:
    rows = clouds(codes=2)
    table = torch.cat([rows.x, rows.codes.double()], dim=1).numpy()
    x, _ = SMOTENC([3, 4], random_state=0).fit_resample(table, rows.y.numpy())
    grown = SMOTE().grow(rows)
    torch.testing.assert_close(grown.x, torch.from_numpy(x[:, :3]), rtol=1e-12, atol=1e-12)
    assert torch.equal(grown.codes, torch.from_numpy(x[:, 3:]).long())


def test_a_share_grows_every_class_as_the_generators_do() -> None:
    rows = clouds(torch.float32)
    grown = SMOTE(share=0.5).grow(rows)
    assert torch.bincount(grown.y).tolist() == [75, 30, 12]
    assert grown.x.dtype == torch.float32
    assert torch.equal(grown.x[: len(rows)], rows.x)


def test_new_rows_lie_between_two_of_their_class() -> None:
    rows = clouds()
    grown = SMOTE(share=1.0).grow(rows)
    for n in range(len(rows), len(grown), 7):
        own = rows.x[rows.y == grown.y[n]]
        straight = torch.cdist(own, own)
        bent = torch.cdist(own, grown.x[n : n + 1]) + torch.cdist(grown.x[n : n + 1], own)
        assert ((bent - straight).abs() < 1e-9).any()


def test_new_rows_carry_the_mean_weight_of_their_class_and_rows_of_no_weight_make_none() -> None:
    rows = clouds()
    weight = 1.0 + rows.y.double()
    weight[50] = 0
    spoiled = rows.x.clone()
    spoiled[50] = 1e6
    grown = SMOTE().grow(Rows(spoiled, rows.codes, rows.y, weight))
    assert grown.weight is not None
    assert torch.equal(grown.weight[len(rows) :], 1.0 + grown.y[len(rows) :].double())
    assert grown.x[len(rows) :].max() < 100
    assert torch.bincount(grown.y).tolist() == [50, 51, 50]


def test_balanced_classes_stay_as_they_are() -> None:
    rows = clouds().take(torch.tensor([0, 1, 50, 51]))
    assert torch.equal(SMOTE().grow(rows).x, rows.x)


def test_what_it_cannot_grow_is_refused() -> None:
    rows = clouds()
    with pytest.raises(BadInput, match=r"The targets of SMOTE must be classes. Got 'numbers'. Use DensityGrowth."):
        SMOTE().grow(Rows(rows.x, rows.codes, rows.x[:, :1]))
    with pytest.raises(BadInput, match=r"A class that SMOTE is to grow must have at least 2 rows. Got 1"):
        SMOTE().grow(rows.take(torch.tensor([0, 1, 50])))
    with pytest.raises(BadInput, match="must hold at least 2 classes"):
        SMOTE(share=0.5).grow(rows.take(torch.arange(9)))


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(BadInput, match=r"wellposed\[smote\]"):
        SMOTE().grow(clouds())
