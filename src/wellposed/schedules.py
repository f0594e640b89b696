r"""Schedules: by which factor the learning rate is multiplied, step by step. All factors lie in [0, 1].

Steps count from 0; `total` is the planned number of steps, which early stopping may cut. A step that lies behind the
plan has the last factor. The table says where the numbers are PyTorch's (module `torch.optim.lr_scheduler`):

| | equals |
|---|---|
| `Constant` | no scheduler |
| `Linear` | `LinearLR(start_factor=start, end_factor=end, total_iters=total)` |
| `Cosine` | `CosineAnnealingLR(T_max=total, eta_min=floor * rate)` |
| `FlatCosine` | `CosineAnnealingLR(T_max=total - n, eta_min=floor * rate)` after `n` steps, `flat_share * total` |
| `CosineRestarts` | `CosineAnnealingWarmRestarts(T_0=ceil(total / cycles), eta_min=floor * rate)` |
| `Steps(every=share)` | `StepLR(step_size=round(share * total), gamma=by)`, a size of at least 1 |
| `Steps(every=[share, ...])` | `MultiStepLR(milestones=[round(share * total), ...], gamma=by)` |
| `OneCycle` | `OneCycleLR(max_lr=rate, total_steps=total, pct_start=peak_share, div_factor=1 / start,` |
| | `final_div_factor=start / end, cycle_momentum=False)`, where `peak_share * total > 1` |
| `WarmUp(then=Constant())` | `LinearLR(start_factor=start, end_factor=1, total_iters=n)`, `n` steps of warm-up |

Sources: Loshchilov and Hutter, SGDR, 2017, https://arxiv.org/abs/1608.03983, equation 5 (one cycle without a restart,
or several); Huang et al., Snapshot ensembles, 2017, https://arxiv.org/abs/1704.00109, equation 2 (several); Smith and
Topin, Super-convergence, 2018, https://arxiv.org/abs/1708.07120 (one cycle); Goyal et al., Accurate, large minibatch
SGD, 2017, https://arxiv.org/abs/1706.02677, section 2.2 (gradual warm-up).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from wellposed.checks import check_count, check_number, refusal


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """A value: equal by content and hashable, refused when a field is out of its range."""

    @abstractmethod
    def factor(self, step: int, total: int) -> float:
        """The learning rate at `step`, counted from 0, of `total`, in units of its base value."""


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same learning rate at every step.

    >>> Constant().factor(7, 10)
    1.0
    """

    def factor(self, step: int, total: int) -> float:
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Linear(Schedule):
    """A straight line from `start` to `end`, reached when training ends.

    Args:
        start: The first factor.
        end: The last factor.

    >>> [Linear().factor(step, 4) for step in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    start: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        check_number("Linear.start", self.start, low=0, high=1)
        check_number("Linear.end", self.end, low=0, high=1)

    def factor(self, step: int, total: int) -> float:
        return self.start + (self.end - self.start) * _share(step, total)


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Half a cosine from 1 down to `floor`, reached when training ends.

    Args:
        floor: The last factor.

    >>> Cosine().factor(5, 10)
    0.5
    """

    floor: float = 0.0

    def __post_init__(self) -> None:
        check_number("Cosine.floor", self.floor, low=0, high=1)

    def factor(self, step: int, total: int) -> float:
        return _cosine(1.0, self.floor, _share(step, total))


@dataclass(frozen=True, kw_only=True)
class FlatCosine(Schedule):
    """Constant for most of training, then half a cosine down to `floor`.

    Args:
        flat_share: Share of training without a change.
        floor: The last factor.

    >>> [round(FlatCosine(flat_share=0.5).factor(step, 8), 3) for step in range(9)]
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    flat_share: float = 0.75
    floor: float = 0.0

    def __post_init__(self) -> None:
        check_number("FlatCosine.flat_share", self.flat_share, low=0, high=1)
        check_number("FlatCosine.floor", self.floor, low=0, high=1)

    def factor(self, step: int, total: int) -> float:
        flat = self.flat_share * total
        return 1.0 if step < flat else _cosine(1.0, self.floor, _share(step - flat, total - flat))


@dataclass(frozen=True, kw_only=True)
class CosineRestarts(Schedule):
    """Half a cosine from 1 down to `floor`, several times: for snapshots at the end of each cycle.

    Args:
        cycles: How often; all cycles have the same number of steps, but the last, which may be shorter.
        floor: The factor that each cycle falls to.

    >>> [round(CosineRestarts(cycles=2).factor(step, 8), 3) for step in range(8)]
    [1.0, 0.854, 0.5, 0.146, 1.0, 0.854, 0.5, 0.146]
    """

    cycles: int = 5
    floor: float = 0.0

    def __post_init__(self) -> None:
        check_count("CosineRestarts.cycles", self.cycles)
        check_number("CosineRestarts.floor", self.floor, low=0, high=1)

    def factor(self, step: int, total: int) -> float:
        length = max(1, math.ceil(total / self.cycles))
        return _cosine(1.0, self.floor, max(0, min(step, total - 1)) % length / length)


@dataclass(frozen=True, kw_only=True)
class Steps(Schedule):
    """Multiplied by `by` from time to time.

    Args:
        every: The share of training after which this happens, again and again; or the shares at which it happens.
        by: The factor of one such step.

    >>> [Steps(every=0.5, by=0.1).factor(step, 4) for step in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """

    every: float | tuple[float, ...] = 0.3
    by: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.every, list):  # as a recipe's file has it
            object.__setattr__(self, "every", tuple(self.every))
        shares = self.every if isinstance(self.every, tuple) else (self.every,)
        if not all(_is_share(share) for share in shares):
            raise refusal("Steps.every", "be a share in (0, 1] or a list of such shares", self.every)
        check_number("Steps.by", self.by, low=0, high=1)

    def factor(self, step: int, total: int) -> float:
        step = min(step, total)
        if isinstance(self.every, tuple):
            return float(self.by ** sum(step >= round(share * total) for share in self.every))
        return float(self.by ** (step // max(1, round(self.every * total))))


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up from `start` to 1 and down to `end`, each half a cosine.

    Args:
        peak_share: Share of training at which the factor is 1.
        start: The first factor.
        end: The last factor, relative to the peak (PyTorch's is relative to the start).

    >>> [round(OneCycle().factor(step, 11), 3) for step in (0, 1, 2, 3, 10)]
    [0.04, 0.422, 0.96, 0.98, 0.0]
    """

    peak_share: float = 0.3
    start: float = 1 / 25
    end: float = 1e-4

    def __post_init__(self) -> None:
        check_number("OneCycle.peak_share", self.peak_share, low=0, high=1)
        check_number("OneCycle.start", self.start, low=0, high=1)
        check_number("OneCycle.end", self.end, low=0, high=1)

    def factor(self, step: int, total: int) -> float:
        peak = max(0.0, self.peak_share * total - 1)
        if step < peak:
            return _cosine(self.start, 1.0, step / peak)
        return _cosine(1.0, self.end, _share(step - peak, total - 1 - peak))


@dataclass(frozen=True, kw_only=True)
class WarmUp(Schedule):
    """A straight line up to the first factor of another schedule, which then has the rest of training.

    Args:
        share: Share of training that the line takes.
        steps: Number of steps that it takes instead, unless 0.
        start: The first factor, relative to that of `then`.
        then: The schedule that follows.

    >>> [WarmUp(steps=4, start=0.0).factor(step, 100) for step in (0, 1, 2, 4, 99)]
    [0.0, 0.25, 0.5, 1.0, 1.0]
    """

    share: float = 0.05
    steps: int = 0
    start: float = 0.1
    then: Schedule = field(default_factory=Constant)

    def __post_init__(self) -> None:
        check_number("WarmUp.share", self.share, low=0, high=1)
        check_number("WarmUp.start", self.start, low=0, high=1)
        check_count("WarmUp.steps", self.steps, least=0)
        if not isinstance(self.then, Schedule):
            raise refusal("WarmUp.then", "be a schedule", self.then)

    def factor(self, step: int, total: int) -> float:
        step, n = min(step, total), self.steps or round(self.share * total)
        rest = max(1, total - n)
        if step >= n:
            return self.then.factor(step - n, rest)
        return (self.start + (1 - self.start) * step / n) * self.then.factor(0, rest)


SCHEDULES: dict[str, type[Schedule]] = {
    "Constant": Constant,
    "Linear": Linear,
    "Cosine": Cosine,
    "FlatCosine": FlatCosine,
    "CosineRestarts": CosineRestarts,
    "Steps": Steps,
    "OneCycle": OneCycle,
    "WarmUp": WarmUp,
}
"""The schedules by the name that a recipe gives them."""


def _cosine(start: float, end: float, share: float) -> float:
    """From `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _share(step: float, total: float) -> float:
    """How much of `total` is past, at most 1; all of it where there is nothing to pass."""
    return min(1.0, step / total) if total > 0 else 1.0


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
