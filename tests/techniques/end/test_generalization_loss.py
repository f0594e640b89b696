"""Against a slow loop over one curve, written from the paper."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.techniques import GeneralizationLoss
from wellposed.techniques.end.generalization_loss import lose_generalization
from wellposed.techniques.places import Curves

errors = st.lists(st.integers(1, 40).map(lambda i: i / 4), min_size=1, max_size=15)


def first_stop(curve: list[float], alpha: float) -> int | None:
    """The first epoch, counted from 1, after which the paper's rule stops."""
    for t in range(1, len(curve) + 1):
        if 100 * (curve[t - 1] / min(curve[:t]) - 1) > alpha:
            return t
    return None


@given(errors, st.sampled_from([1.1, 2.3, 3.7, 30.1]))
def test_first_stop_is_the_papers(curve: list[float], alpha: float) -> None:
    asked = [
        bool(lose_generalization(torch.tensor(curve[:t], dtype=torch.float64), alpha)) for t in range(len(curve) + 1)
    ]
    assert (asked.index(True) if True in asked else None) == first_stop(curve, alpha)


def test_members_of_their_own_strengths() -> None:
    rule = GeneralizationLoss().bound({"alpha": torch.tensor([10.0, 15.0, 1.0, math.inf])})
    losses = torch.tensor([[10.0, 8.0, 9.0]] * 2 + [[3.0, 2.0, 1.0], [1.0, 5.0, math.nan]])
    assert rule.ended(Curves(losses, losses, 0.0, lambda: losses)).tolist() == [True, False, False, False]


def test_nothing_to_look_at_and_no_numbers() -> None:
    nothing = torch.zeros(2, 0)
    assert GeneralizationLoss().ended(Curves(nothing, torch.ones(2, 3), 0.0, lambda: nothing)).tolist() == [False] * 2
    assert lose_generalization(torch.tensor([math.nan]), 5.0)
