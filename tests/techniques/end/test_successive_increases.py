"""Against the paper's recursion over one curve, and another implementation's rule without strips."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.techniques import SuccessiveIncreases
from wellposed.techniques.end.successive_increases import rise_successively
from wellposed.techniques.places import Curves

scores = st.lists(st.integers(0, 4).map(float), min_size=0, max_size=24)


def stops_at(curve: list[float], t: int, s: int, k: int) -> bool:
    """UP_s after epoch t: by definition UP_{s-1} stops after t - k, and the error is higher than there."""
    if t % k or t - k < 1:
        return False
    rises = curve[t - 1] > curve[t - k - 1]
    return rises and (s == 1 or stops_at(curve, t - k, s - 1, k))


def counts_rises(curve: list[float], n: int) -> bool:
    """The rule `Patience(n)` of EarlyStopping.jl: the last n losses were all higher than the ones before them."""
    return len(curve) > n and all(curve[-i] > curve[-i - 1] for i in range(1, n + 1))


@given(scores, st.integers(1, 4), st.integers(1, 5))
def test_is_the_papers_recursion(curve: list[float], s: int, k: int) -> None:
    assert bool(rise_successively(torch.tensor(curve), s, strip=k)) == stops_at(curve, len(curve), s, k)


@given(scores, st.integers(1, 5))
def test_strips_of_one_epoch_are_the_other_rule(curve: list[float], n: int) -> None:
    assert bool(rise_successively(torch.tensor(curve), n, strip=1)) == counts_rises(curve, n)


def test_worked_example_of_early_stopping_jl() -> None:
    """Its documentation counts 10, 3, 4, 5, 6 with three rises needed: they are there at the last."""
    curve = [10.0, 3.0, 4.0, 5.0, 6.0]
    asked = [bool(rise_successively(torch.tensor(curve[:t]), 3, strip=1)) for t in range(1, 6)]
    assert asked == [False, False, False, False, True]


def test_members_and_no_numbers() -> None:
    rule = SuccessiveIncreases(times=2, strip=1)
    losses = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 2.0], [math.nan] * 3, [math.nan, 1.0, 2.0]])
    assert rule.ended(Curves(losses, losses, 0.0, lambda: losses)).tolist() == [True, False, True, False]
    nothing = torch.zeros(2, 0)
    assert rule.ended(Curves(nothing, losses, 0.0, lambda: losses)).tolist() == [False, False]
