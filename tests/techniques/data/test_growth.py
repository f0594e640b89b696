"""Groups, apportionment, nearest rows, and what joins."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.techniques.data.growth import classes_of, group_rows, joined, nearest_rows, numbers_of


def rows_of(y: torch.Tensor, weight: torch.Tensor | None = None) -> Rows:
    n = len(y)
    return Rows(torch.arange(2.0 * n).view(n, 2), torch.arange(n).view(n, 1), y, weight, ("", "?"))


@settings(max_examples=20)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.floats(0.01, 3))
def test_new_rows_are_shared_out_by_size_and_sum_up(labels: list[int], share: float) -> None:
    groups = group_rows(rows_of(torch.tensor(labels)), share)
    assert sum(group.new for group in groups) == round(share * len(labels))
    assert torch.equal(torch.cat([group.places for group in groups]).sort().values, torch.arange(len(labels)))
    for group in groups:
        assert abs(group.new - share * len(group.places)) <= 1
        assert len({labels[i] for i in group.places.tolist()}) == 1


def test_soft_labels_group_by_the_likeliest_and_numbers_not_at_all() -> None:
    assert classes_of(rows_of(torch.tensor([[0.2, 0.8], [0.6, 0.4]]))).tolist() == [1, 0]
    assert classes_of(rows_of(torch.tensor([[0.2], [0.6]]))).tolist() == [0, 0]


def test_rows_of_no_weight_are_left_out() -> None:
    groups = group_rows(rows_of(torch.tensor([0, 0, 1, 1]), torch.tensor([1.0, 0.0, 0.0, 0.0])), 2.0)
    assert [(g.places.tolist(), g.new) for g in groups] == [([0], 2)]


@pytest.mark.parametrize("weighted", [False, True])
def test_new_rows_stand_behind_the_old_and_have_their_types(weighted: bool) -> None:
    rows = rows_of(torch.tensor([0, 1]), torch.tensor([1.0, 2.0]) if weighted else None)
    more = Rows(torch.ones(1, 2, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.int64), torch.tensor([1]))
    more = Rows(more.x, more.codes, more.y, torch.tensor([3.0], dtype=torch.float64) if weighted else None)
    all_rows = joined(rows, [more, more])
    assert torch.equal(all_rows.x, torch.cat([rows.x, torch.ones(2, 2)]))
    assert all_rows.y.tolist() == [0, 1, 1, 1]
    assert all_rows.codes.flatten().tolist() == [0, 1, 0, 0]
    assert all_rows.words == ("", "?")
    assert (all_rows.weight is None) == (not weighted)
    if all_rows.weight is not None:
        assert all_rows.weight.tolist() == [1, 2, 3, 3]
        assert all_rows.weight.dtype == torch.float32
    assert len(joined(rows, [])) == 2


def test_nearest_rows_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    x, base = (torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (300, 40))
    scale = torch.tensor([1.0, 10.0, 0.1], dtype=torch.float64)
    theirs = NearestNeighbors(n_neighbors=1).fit((base / scale).numpy()).kneighbors((x / scale).numpy())[1]
    assert torch.equal(nearest_rows(x, base, scale), torch.from_numpy(theirs).flatten())
    assert len(nearest_rows(x[:0], base, scale)) == 0


def test_texts_have_no_numbers_to_grow() -> None:
    texts = Rows(torch.zeros(3, 0), torch.ones(3, 4, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(BadInput, match=r"Rows for SMOTE must have at least one number. Got \(0,\)"):
        numbers_of(texts, "SMOTE")
