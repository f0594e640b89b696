"""Coarse to fine: the part of each range, and those of the options, in which the best trials of a study lie.

A range of numbers narrows, on its own scale, to the stretch from the 10 % to the 90 % quantile of the best share of
trials, widened by a margin at both ends, and always keeps the best trial. It never grows: where the best lies at an end
of the old range this is said instead, for then better ones may lie beyond.

An option is dropped when none of the best took it though it was tried so often that chance alone would leave it out in
less than one of ten studies (the hypergeometric probability of none among the best).

Sources: the advice of Stanford's course CS231n, Neural Networks 3, "stage your search from coarse to fine" and "careful
with best values on border", https://cs231n.github.io/neural-networks-3; Fisher, The Design of Experiments, 1935
(hypergeometric).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy import stats

from wellposed.checks import check_number, refusal
from wellposed.search_space import Choice, Dimension, Space, Value, When
from wellposed.study.positions import fits, position, value_at
from wellposed.study.trial import Trial
from wellposed.techniques.technique import Technique

QUANTILE = 0.1
CHANCE = 0.1
"""Above this probability that chance alone left an option out, it stays."""
EDGE, OUTER = 0.1, 0.25
"""The best lies at an end when it is in this outer part of the range, and half of the best trials in that one."""

Border: TypeAlias = Literal["", "low", "high"]


@dataclass(frozen=True, kw_only=True)
class Narrowed:
    """What came of one dimension.

    Attributes:
        old: The dimension as it was.
        new: As it is now; None where one option is left, or none under which it exists.
        only: The one option that is left; empty otherwise.
        when: The condition under which that option is taken.
        best: Its value in the best trial; None where it did not exist there.
        border: The end of the old range at which the best trials lie; empty where they do not.
    """

    old: Dimension
    new: Dimension | None
    only: str = ""
    when: When = None
    best: Value | None = None
    border: Border = ""

    @property
    def now(self) -> str:
        """The new range or options in words; "gone" where no option is left under which it exists."""
        return self.only or ("gone" if self.new is None else _range(self.new))

    @property
    def advice(self) -> str:
        """What to do about it; empty where nothing is to be done."""
        way = {"": "", "low": "the best lies at the lower end: widen downwards"}
        return way.get(self.border, "the best lies at the upper end: widen upwards")


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """The ranges around the best trials.

    Attributes:
        changes: One a dimension, in the order of the space.
        n_trials: Complete trials that were looked at.
        n_best: Of these, the best that the new ranges hold.
    """

    changes: tuple[Narrowed, ...]
    n_trials: int
    n_best: int

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What may still vary."""
        return tuple(c.new for c in self.changes if c.new is not None)

    @property
    def fixed(self) -> dict[str, str]:
        """Choices of which one option is left, with that option."""
        return {c.old.name: c.only for c in self.changes if c.only}

    def within(self, space: Space) -> Space:
        """The space with these ranges and options; a choice of which one is left is made, and what is gone left out."""
        changes = {c.old.name: c for c in self.changes}
        slots = list[Technique | Choice]()
        for slot in space.slots:
            if not isinstance(slot, Choice) or slot.name not in changes:
                slots.append(slot)
                continue
            change = changes[slot.name]
            labels = change.new.options if change.new else (change.only,)
            options = tuple(option for option in slot.options if option.label in labels)
            if options:
                when = change.new.when if change.new else change.when
                slots.append(replace(slot, options=options, when=when))
        ranges = [changes[d.name].new if d.name in changes else d for d in space.ranges]
        return replace(space, slots=tuple(slots), ranges=tuple(d for d in ranges if d is not None))

    def to_frame(self) -> pd.DataFrame:
        """One row a dimension: old and new range or options, the best value, and what to do."""
        rows = [
            {
                "dimension": c.old.name,
                "old": _range(c.old),
                "new": c.now,
                "best": c.best,
                "border": c.border,
                "advice": c.advice,
            }
            for c in self.changes
        ]
        return pd.DataFrame(rows, columns=["dimension", "old", "new", "best", "border", "advice"], dtype=object)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        rows = self.to_frame().to_dict(orient="records")
        return {"n_trials": self.n_trials, "n_best": self.n_best, "dimensions": rows}

    def __str__(self) -> str:
        lines = [f"The ranges that hold the best {self.n_best} of {self.n_trials} complete trials:"]
        width = max((len(c.old.name) for c in self.changes), default=0)
        for c in self.changes:
            best = "" if c.best is None else f"; best {_shown(c.best)}"
            advice = f"; {c.advice}" if c.advice else ""
            lines.append(f"  {c.old.name:<{width}}  {_range(c.old)} -> {c.now}{best}{advice}")
        return "\n".join(lines)


def narrow(
    dimensions: Sequence[Dimension], trials: Sequence[Trial], *, share: float = 0.25, margin: float = 0.1
) -> Narrowing:
    """The ranges that hold the best share of the complete trials.

    Args:
        dimensions: What varied, choices before what depends on them.
        trials: The trials; those that are not complete, or whose values do not fit the dimensions, are left out.
        share: Of the complete trials that count as the best; at least two do.
        margin: What is added to a range at both ends, as a share of the old range on its own scale.

    Raises:
        BadInput: Fewer than two complete trials; or a share outside (0, 1], or a margin outside (0, 1].
    """
    check_number("share", share, low=0, high=1, open="(")
    check_number("margin", margin, low=0, high=1, open="(")
    complete = [t for t in trials if t.state == "complete" and math.isfinite(t.score) and fits(dimensions, t.values)]
    if len(complete) < 2:
        raise refusal("A study", "have at least two complete trials to narrow by", len(complete), "Run more trials.")
    complete.sort(key=lambda t: (t.score, t.number))
    best = complete[: max(2, math.ceil(share * len(complete)))]
    changes: dict[str, Narrowed] = {}
    for dimension in dimensions:
        when = dimension.when
        if when is not None:
            when, there = _condition(when, changes[when[0]])
            if not there:
                changes[dimension.name] = Narrowed(old=dimension, new=None)
                continue
        changes[dimension.name] = _change(dimension, replace(dimension, when=when), complete, best, margin)
    return Narrowing(changes=tuple(changes.values()), n_trials=len(complete), n_best=len(best))


def _condition(when: tuple[str, tuple[str, ...]], parent: Narrowed) -> tuple[When, bool]:
    """A condition on the options that are left of the parent, which may be none; of one left, what that depends on."""
    if parent.only:
        return parent.when, parent.only in when[1]
    kept = tuple(option for option in when[1] if parent.new is not None and option in parent.new.options)
    return (when[0], kept), bool(kept)


def _change(
    old: Dimension, base: Dimension, complete: Sequence[Trial], best: Sequence[Trial], margin: float
) -> Narrowed:
    """What comes of one dimension; `base` is the old one under what is left of the choices before it."""
    top = best[0].values.get(old.name)
    tried, good = ([t.values[old.name] for t in some if old.name in t.values] for some in (complete, best))
    if old.kind == "choice":
        options = _options(old, tried, good)
        if len(options) == 1:
            return Narrowed(old=old, new=None, only=options[0], when=base.when, best=top)
        return Narrowed(old=old, new=replace(base, options=options), best=top)
    if len(good) < 2:  # too few to know by
        return Narrowed(old=old, new=base, best=top)
    u = np.array([position(old, value) for value in good])
    low, high = np.quantile(u, [QUANTILE, 1 - QUANTILE])
    new = _between(base, min(float(low), u[0]) - margin, max(float(high), u[0]) + margin)
    return Narrowed(old=old, new=new, best=top, border="" if top is None else _border(u))


def _options(old: Dimension, tried: Sequence[Value], good: Sequence[Value]) -> tuple[str, ...]:
    """The options that stay: those of the best, and those too seldom tried to be judged."""
    if not good:
        return old.options
    stays = []
    for option in old.options:
        chance = stats.hypergeom.pmf(0, len(tried), tried.count(option), len(good))
        if option in good or chance >= CHANCE:
            stays.append(option)
    return tuple(stays)


def _between(base: Dimension, low: float, high: float) -> Dimension:
    """The part of a range between two positions, as far as they lie in it; of whole numbers at least two."""
    a, b = value_at(base, max(low, 0.0)), value_at(base, min(high, 1.0))
    if a == b:
        a, b = max(a - 1, int(base.low)), min(b + 1, int(base.high))
    return replace(base, low=a, high=b)


def _border(u: np.ndarray) -> Border:
    """Where the best trials crowd at an end; the first of `u` is the best of all."""
    if u[0] <= EDGE and (u <= OUTER).mean() >= 0.5:
        return "low"
    return "high" if u[0] >= 1 - EDGE and (u >= 1 - OUTER).mean() >= 0.5 else ""


def _range(dimension: Dimension) -> str:
    if dimension.kind == "choice":
        return ", ".join(dimension.options)
    return f"{_shown(dimension.low)} to {_shown(dimension.high)}{' log' if dimension.log else ''}"


def _shown(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
