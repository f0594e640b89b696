"""Rungs: the epochs of published tables, and who stays."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.brackets import list_brackets
from wellposed.errors import BadInput
from wellposed.study.rungs import Rungs, epoch_of, stay


def test_hyperbands_generations_are_its_brackets() -> None:
    rungs = Rungs(halving="hyperband", eta=3, least=1 / 81)
    for s, bracket in enumerate(list_brackets(81, eta=3)):
        epochs = [epoch_of(share, 81) for share in (*rungs.shares(s), 1.0)]
        assert epochs == [rung.resource for rung in bracket]
        assert rungs.size(s, 5) == bracket[0].candidates
    assert rungs.shares(5) == rungs.shares(0)


def test_successive_halving_has_the_same_rungs_in_each_generation() -> None:
    rungs = Rungs(halving="successive")
    assert [epoch_of(share, 81) for share in rungs.shares(0)] == [9, 27] == [epoch_of(s, 81) for s in rungs.shares(9)]
    assert rungs.size(0, 16) == 16
    assert Rungs().shares(0) == () == Rungs(halving="asha", least=1.0).shares(0)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"halving": "sha"}, "halving must be"), ({"eta": 1}, "at least 2"), ({"least": 0.0}, "above 0")],
)
def test_what_is_no_plan_of_rungs_is_refused(options: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Rungs(**options)


@given(st.lists(st.floats(0, 1) | st.just(math.nan) | st.just(math.inf), max_size=40), st.integers(2, 5))
def test_the_best_share_stays(scores: list[float], eta: int) -> None:
    given_ = dict(enumerate(scores))
    kept = stay(given_, eta=eta)
    finite = sorted(s for s in scores if math.isfinite(s))
    assert len(kept) == (max(1, len(finite) // eta) if finite else 0)
    assert sorted(given_[n] for n in kept) == finite[: len(kept)]


def test_rivals_take_places_and_are_not_asked() -> None:
    assert stay({1: 0.5, 2: 0.6}, eta=2, rivals={3: 0.1, 4: 0.2}) == set()
    assert stay({1: 0.5, 2: 0.6}, eta=2, rivals={3: 0.9, 4: 0.9}) == {1, 2}


def test_of_equals_the_first_asked_for_stays_rival_or_not() -> None:
    """Trials that left at a rung before a kill are rivals after it: they must not then win ties that they had lost."""
    equal = dict.fromkeys(range(6), 0.25)
    assert stay(equal, eta=3) == {0, 1}
    for own in ({0, 1}, {0, 5}, {1, 4}, {3, 5}):
        rivals = {n: s for n, s in equal.items() if n not in own}
        assert stay({n: equal[n] for n in own}, eta=3, rivals=rivals) == own & {0, 1}
