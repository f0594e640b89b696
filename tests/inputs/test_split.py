import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.inputs.split import holdout

LABELS = st.lists(st.sampled_from("aaaabbbccd"), min_size=2, max_size=60)
SHARES = st.floats(0.01, 0.99)


@given(LABELS, SHARES, st.integers(0, 2**32 - 1), st.sampled_from(["classification", "regression"]))
def test_every_row_is_on_one_side_and_no_side_is_empty(labels: list[str], share: float, seed: int, task: str) -> None:
    target = np.array(labels) if task == "classification" else np.arange(float(len(labels)))
    train, held = holdout(task, target, share=share, seed=seed)  # type: ignore[arg-type]
    assert sorted([*train, *held]) == list(range(len(labels)))
    assert len(train) > 0
    assert len(held) > 0
    again = holdout(task, target, share=share, seed=seed)  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate([train, held]))


@given(LABELS, SHARES, st.integers(0, 1000))
def test_every_class_that_can_stays_in_training(labels: list[str], share: float, seed: int) -> None:
    target = np.array(labels)
    train, held = holdout("classification", target, share=share, seed=seed)
    if len(set(labels)) < len(labels):
        assert set(target[train]) == set(labels)
        assert all((target == label).sum() > 1 for label in target[held])


def test_held_out_rows_have_the_proportions_of_all() -> None:
    target = np.repeat([0, 1, 2], [700, 200, 100])
    train, held = holdout("classification", target, share=0.2, seed=3)
    assert np.bincount(target[held]).tolist() == [140, 40, 20]
    assert np.bincount(target[train]).tolist() == [560, 160, 80]
    assert not np.array_equal(held, np.sort(held))


def test_rows_that_do_not_divide_go_where_they_are_due() -> None:
    target = np.repeat([0, 1], [95, 5])
    for seed in range(5):
        _, held = holdout("classification", target, share=0.1, seed=seed)
        assert len(held) == 10
        assert np.bincount(target[held], minlength=2)[1] in (0, 1)


def test_single_rows_alone_are_split_without_regard_to_class() -> None:
    train, held = holdout("classification", np.arange(10), share=0.3, seed=0)
    assert (len(train), len(held)) == (7, 3)


def test_seeds_differ_and_no_global_stream_is_touched() -> None:
    state = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    first, second = (holdout("regression", np.zeros(100), share=0.5, seed=seed)[1] for seed in (0, 1))
    assert sorted(first) != sorted(second)
    assert (np.random.get_state(legacy=False)["state"]["key"] == state).all()  # noqa: NPY002


@given(st.lists(st.integers(0, 5), min_size=2, max_size=40), SHARES, st.integers(0, 1000))
def test_groups_are_never_parted(groups: list[int], share: float, seed: int) -> None:
    parts = np.array(groups)
    if len(set(groups)) == 1:
        with pytest.raises(BadInput, match=r"groups to split must be at least 2. Got 1"):
            holdout("regression", parts, share=share, seed=seed, groups=parts)
        return
    train, held = holdout("regression", parts, share=share, seed=seed, groups=parts)
    assert len(train) > 0
    assert len(held) > 0
    assert not set(parts[train]) & set(parts[held])


def test_groups_come_near_the_share() -> None:
    groups = np.repeat(np.arange(50), 4)
    _, held = holdout("classification", groups % 2, share=0.25, seed=1, groups=groups)
    assert len(held) in (48, 52)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(BadInput, match=f"between 0 and 1. Got {share}"):
        holdout("regression", np.zeros(5), share=share, seed=0)


def test_one_row_is_refused() -> None:
    with pytest.raises(BadInput, match=r"at least 2. Got 1"):
        holdout("regression", np.zeros(1), share=0.5, seed=0)


def test_many_classes_are_quick() -> None:
    target = np.repeat(np.arange(2000), 3)
    train, held = holdout("classification", target, share=0.2, seed=0)
    assert len(held) == 1200
    assert len(set(target[train])) == 2000
