"""Against a slow loop over one pair of curves, written from the paper."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.techniques import ProgressQuotient
from wellposed.techniques.end.progress_quotient import exceed_progress
from wellposed.techniques.places import Curves

pairs = st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(0.1, 10.0)), min_size=1, max_size=20)


def first_stop(validation: list[float], train: list[float], alpha: float, k: int) -> int | None:
    """The first epoch, counted from 1, after which the paper's rule or its guard stops."""
    for t in range(k, len(validation) + 1, k):
        lost = 100 * (validation[t - 1] / min(validation[:t]) - 1)
        strip = train[t - k : t]
        progress = 1000 * (sum(strip) / (k * min(strip)) - 1)
        if progress < 0.1 or lost / progress > alpha:
            return t
    return None


@given(pairs, st.sampled_from([0.5, 0.75, 1.0, 2.0, 3.0]), st.integers(1, 5))
def test_first_stop_is_the_papers(pairs: list[tuple[float, float]], alpha: float, k: int) -> None:
    validation, train = [v for v, _ in pairs], [t for _, t in pairs]

    def asked(epochs: int) -> bool:
        seen = [torch.tensor(curve[:epochs], dtype=torch.float64) for curve in (validation, train)]
        return bool(exceed_progress(seen[0], seen[1], alpha, strip=k))

    answers = [asked(epochs) for epochs in range(len(pairs) + 1)]
    assert (answers.index(True) if True in answers else None) == first_stop(validation, train, alpha, k)


def test_members_of_their_own_strengths_at_the_end_of_a_strip() -> None:
    validation = torch.tensor([[10.0, 10.0, 8.0, 8.0, 9.0, 9.0]] * 3)
    train = torch.tensor([[9.5, 9.3, 9.1, 8.9, 8.3, 8.4]] * 3)
    rule = ProgressQuotient(strip=2).bound({"alpha": torch.tensor([2.0, 2.1, math.inf])})
    assert rule.ended(Curves(validation, train, 0.0, lambda: train)).tolist() == [True, False, False]
    assert not rule.ended(Curves(validation[:, :5], train[:, :5], 0.0, lambda: train)).any()


def test_the_guard_stops_what_stands_still() -> None:
    validation, train = torch.tensor([[3.0, 2.0, 1.0]]), torch.ones(1, 3)
    assert exceed_progress(validation, train, 1.0, strip=3).tolist() == [True]
    assert exceed_progress(validation, train, 1.0, strip=3, least_progress=0.0).tolist() == [False]


def test_no_numbers() -> None:
    nan, good = torch.full((1, 5), math.nan), torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0]])
    assert exceed_progress(nan, good, 1.0).tolist() == [True]
    assert exceed_progress(good, nan, 1.0).tolist() == [True]
    nothing = torch.zeros(1, 0)
    assert ProgressQuotient().ended(Curves(nothing, good * 0 + 1, 0.0, lambda: good)).tolist() == [False]
