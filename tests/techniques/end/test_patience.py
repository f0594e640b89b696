"""Against slow loops over one curve."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.techniques import Patience
from wellposed.techniques.end.patience import run_out_of_patience
from wellposed.techniques.places import Curves, EndTechnique

scores = st.one_of(st.integers(-3, 3).map(float), st.just(math.nan), st.just(math.inf))
curves = st.lists(scores, min_size=1, max_size=12)


def ended(rule: EndTechnique, scores: list[list[float]]) -> torch.Tensor:
    """What the rule says of these validation losses."""
    found = torch.tensor(scores, dtype=torch.float64)
    return rule.ended(Curves(found, found, 0.0, lambda: found))


def stops(curve: list[float], epochs: int) -> bool:
    """As one reads it in books: remember the best and how old it is."""
    best, age = math.inf, 0
    for number, score in enumerate(curve):
        if score < best or number == 0:
            best, age = (math.inf if math.isnan(score) else score), 0
        else:
            age += 1
    return age >= epochs


def brings_nothing(curve: list[float], epochs: int, min_delta: float) -> bool:
    """No score among the last ones beats the best before them by more than `min_delta`."""
    known = [math.inf if math.isnan(score) else score for score in curve]
    before, recent = known[:-epochs], known[-epochs:]
    return bool(before) and not any(score < min(before) - min_delta for score in recent)


@given(curves, st.integers(1, 5))
def test_without_a_margin_the_best_is_old_enough(curve: list[float], epochs: int) -> None:
    found = ended(Patience(epochs=epochs), [curve])
    assert found.tolist() == [stops(curve, epochs)]


@given(curves, st.integers(1, 5), st.sampled_from([0.5, 1.0, 2.0]))
def test_with_a_margin_the_last_scores_bring_nothing(curve: list[float], epochs: int, min_delta: float) -> None:
    found = run_out_of_patience(torch.tensor(curve, dtype=torch.float64), epochs, min_delta=min_delta)
    assert bool(found) == brings_nothing(curve, epochs, min_delta)


def test_negative_scores_and_members_of_their_own() -> None:
    found = ended(Patience(epochs=2), [[-1.0, -2.0, -1.5, -1.9], [-1.0, -2.0, -3.0, -4.0]])
    assert found.tolist() == [True, False]


def test_a_member_without_any_number_stops_too() -> None:
    nothing = [[math.nan] * 4]
    assert ended(Patience(epochs=3), nothing).tolist() == [True]
    assert ended(Patience(epochs=4), nothing).tolist() == [False]


def test_the_first_number_after_nan_is_the_best() -> None:
    assert ended(Patience(epochs=2), [[math.nan, math.nan, math.nan, 5.0]]).tolist() == [False]
