"""Schedules: the numbers are PyTorch's where the definitions coincide, and every factor lies in [0, 1]."""

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
    StepLR,
)

from wellposed.errors import BadInput
from wellposed.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    CosineRestarts,
    FlatCosine,
    Linear,
    OneCycle,
    Schedule,
    Steps,
    WarmUp,
)

RATE = 0.7
Make = Callable[[torch.optim.Optimizer], LRScheduler]


def theirs(make: Make, total: int) -> list[float]:
    """The learning rates of a scheduler of PyTorch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR calls its schedulers in a way that PyTorch itself warns of
        scheduler, rates = make(optimizer), []
        for _ in range(total):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step() if len(rates) < total else None
    return rates


CASES: dict[str, tuple[Schedule, int, Make]] = {
    "cosine": (Cosine(), 97, lambda o: CosineAnnealingLR(o, T_max=97)),
    "cosine to a floor": (Cosine(floor=0.2), 50, lambda o: CosineAnnealingLR(o, T_max=50, eta_min=0.2 * RATE)),
    "linear": (Linear(), 40, lambda o: LinearLR(o, start_factor=1, end_factor=0, total_iters=40)),
    "a rising line": (
        Linear(start=0.2, end=0.9),
        40,
        lambda o: LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=40),
    ),
    "flat, then cosine": (
        FlatCosine(flat_share=0.7, floor=0.1),
        50,
        lambda o: SequentialLR(
            o,
            [ConstantLR(o, factor=1), CosineAnnealingLR(o, T_max=15, eta_min=0.1 * RATE)],
            milestones=[35],
        ),
    ),
    "restarts": (CosineRestarts(cycles=4), 60, lambda o: CosineAnnealingWarmRestarts(o, T_0=15)),
    "restarts to a floor": (
        CosineRestarts(cycles=7, floor=0.2),
        60,
        lambda o: CosineAnnealingWarmRestarts(o, T_0=9, eta_min=0.2 * RATE),
    ),
    "steps": (Steps(every=0.3, by=0.1), 100, lambda o: StepLR(o, step_size=30, gamma=0.1)),
    "short steps": (Steps(every=0.001, by=0.9), 20, lambda o: StepLR(o, step_size=1, gamma=0.9)),
    "steps at": (Steps(every=(0.5, 0.75), by=0.5), 60, lambda o: MultiStepLR(o, milestones=[30, 45], gamma=0.5)),
    "one cycle": (
        OneCycle(),
        100,
        lambda o: OneCycleLR(o, RATE, total_steps=100, div_factor=25, final_div_factor=400, cycle_momentum=False),
    ),
    "another cycle": (
        OneCycle(peak_share=0.45, start=0.1, end=0.01),
        77,
        lambda o: OneCycleLR(
            o, RATE, total_steps=77, pct_start=0.45, div_factor=10, final_div_factor=10, cycle_momentum=False
        ),
    ),
    "warm-up": (WarmUp(share=0.2, start=0.1), 50, lambda o: LinearLR(o, start_factor=0.1, total_iters=10)),
    "warm-up by steps": (WarmUp(steps=7, start=0.5), 50, lambda o: LinearLR(o, start_factor=0.5, total_iters=7)),
    "warm-up, then cosine": (
        WarmUp(share=0.2, start=0.1, then=Cosine()),
        50,
        lambda o: SequentialLR(
            o, [LinearLR(o, start_factor=0.1, total_iters=10), CosineAnnealingLR(o, T_max=40)], milestones=[10]
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_torch(name: str) -> None:
    schedule, total, make = CASES[name]
    ours = [RATE * schedule.factor(step, total) for step in range(total)]
    assert ours == pytest.approx(theirs(make, total), rel=1e-12, abs=1e-12)


SHARE = st.floats(0.0, 1.0)
POSITIVE_SHARE = st.floats(0.0, 1.0, exclude_min=True)
FLAT = st.one_of(
    st.just(Constant()),
    st.builds(Linear, start=SHARE, end=SHARE),
    st.builds(Cosine, floor=SHARE),
    st.builds(FlatCosine, flat_share=SHARE, floor=SHARE),
    st.builds(CosineRestarts, cycles=st.integers(1, 9), floor=SHARE),
    st.builds(
        Steps, every=st.one_of(POSITIVE_SHARE, st.lists(POSITIVE_SHARE, min_size=1, max_size=4).map(tuple)), by=SHARE
    ),
    st.builds(OneCycle, peak_share=SHARE, start=SHARE, end=SHARE),
)
ANY = st.one_of(FLAT, st.builds(WarmUp, share=SHARE, steps=st.integers(0, 50), start=SHARE, then=FLAT))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(schedule=ANY, total=st.integers(0, 200), step=st.integers(0, 300))
def test_factors_lie_between_0_and_1(schedule: Schedule, total: int, step: int) -> None:
    assert -1e-15 <= schedule.factor(step, total) <= 1 + 1e-15  # the cosine rounds


@settings(max_examples=100, deadline=None, derandomize=True)
@given(schedule=ANY, total=st.integers(1, 200))
def test_behind_the_plan_nothing_changes(schedule: Schedule, total: int) -> None:
    assert schedule.factor(total + 50, total) == pytest.approx(schedule.factor(total, total), abs=1e-15)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(floor=SHARE, total=st.integers(1, 200))
def test_cosine_never_rises(floor: float, total: int) -> None:
    factors = [Cosine(floor=floor).factor(step, total) for step in range(total + 1)]
    assert all(after <= before + 1e-15 for before, after in pairwise(factors))
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(floor, abs=1e-15)


@given(cycles=st.integers(1, 12), total=st.integers(1, 200))
def test_restarts_are_equation_2_of_huang(cycles: int, total: int) -> None:
    """Which counts steps from 1."""
    length = math.ceil(total / cycles)
    for t in range(1, total + 1):
        expected = (math.cos(math.pi * ((t - 1) % length) / length) + 1) / 2
        assert CosineRestarts(cycles=cycles).factor(t - 1, total) == pytest.approx(expected, abs=1e-15)


def test_one_cycle_is_a_cosine_and_nothing_flat_is_one_too() -> None:
    for step in range(30):
        assert CosineRestarts(cycles=1).factor(step, 30) == Cosine().factor(step, 30)
        assert FlatCosine(flat_share=0.0).factor(step, 30) == Cosine().factor(step, 30)
        assert FlatCosine(flat_share=1.0).factor(step, 30) == 1.0


@pytest.mark.parametrize(
    "schedule",
    [
        *(Constant(), Linear(), Cosine(), FlatCosine(), CosineRestarts()),
        *(Steps(), OneCycle(), WarmUp(then=Cosine())),
    ],
)
def test_is_a_value(schedule: Schedule) -> None:
    kind = type(schedule)
    again = WarmUp(then=Cosine()) if kind is WarmUp else kind()
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert SCHEDULES[kind.__name__] is kind


@pytest.mark.unchecked
def test_a_list_of_shares_becomes_a_tuple() -> None:
    every: Any = [0.5, 0.75]
    assert Steps(every=every) == Steps(every=(0.5, 0.75))
    assert hash(Steps(every=every)) == hash(Steps(every=(0.5, 0.75)))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Cosine, {"floor": 1.5}, r"Cosine.floor must be in \[0, 1\]. Got 1.5."),
        (Cosine, {"floor": "low"}, r"Cosine.floor must be in \[0, 1\]. Got 'low'."),
        (Linear, {"start": 2}, r"Linear.start must be in \[0, 1\]. Got 2."),
        (Linear, {"end": -0.5}, r"Linear.end must be in \[0, 1\]. Got -0.5."),
        (FlatCosine, {"flat_share": 1.1}, r"FlatCosine.flat_share must be in \[0, 1\]. Got 1.1."),
        (FlatCosine, {"floor": None}, r"FlatCosine.floor must be in \[0, 1\]. Got None."),
        (CosineRestarts, {"cycles": 0}, r"CosineRestarts.cycles must be a positive whole number. Got 0."),
        (CosineRestarts, {"floor": 1.5}, r"CosineRestarts.floor must be in \[0, 1\]. Got 1.5."),
        (Steps, {"every": 0.0}, r"Steps.every must be a share in \(0, 1\] or a list of such shares. Got 0.0."),
        (Steps, {"every": [0.5, 2]}, r"Steps.every must be a share in \(0, 1\] or a list of such shares."),
        (Steps, {"by": -0.1}, r"Steps.by must be in \[0, 1\]. Got -0.1."),
        (OneCycle, {"peak_share": float("nan")}, r"OneCycle.peak_share must be in \[0, 1\]. Got nan."),
        (OneCycle, {"start": 25}, r"OneCycle.start must be in \[0, 1\]. Got 25."),
        (OneCycle, {"end": True}, r"OneCycle.end must be in \[0, 1\]. Got True."),
        (WarmUp, {"share": -1}, r"WarmUp.share must be in \[0, 1\]. Got -1."),
        (WarmUp, {"steps": 2.5}, r"WarmUp.steps must be a whole number of at least 0. Got 2.5."),
        (WarmUp, {"then": "Cosine"}, r"WarmUp.then must be a schedule. Got 'Cosine'."),
    ],
)
def test_refuses(kind: Callable[..., Schedule], values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        kind(**values)
