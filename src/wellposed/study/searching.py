"""The search itself: ask for a generation, train its shards, store what ended, until there are trials enough."""

import math
import time
from bisect import insort
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch

from wellposed.bag import own_version
from wellposed.checks import check_choice, check_count
from wellposed.inputs.encode import Target
from wellposed.population.population import Progress
from wellposed.random import make_key
from wellposed.recipe import Recipe
from wellposed.search_space import Dimension, Space, Value
from wellposed.study.engine import Engine
from wellposed.study.rungs import Rungs, epoch_of, stay
from wellposed.study.samplers import SAMPLERS, Sampler, propose
from wellposed.study.shard import Leg, Reached, Setting, Shard, split_shards
from wellposed.study.store import Store
from wellposed.study.study import Study
from wellposed.study.trial import State, Trial

Source: TypeAlias = Space | tuple[Recipe, ...]
"""What recipes come from: a space, or a list made by hand."""
KEPT = 100
"""Trials whose answers are kept: the best so far."""
RESERVED_SHARE = 0.3
"""Of the time, at most, that is kept for what comes after the search."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a space is searched.

    Args:
        trials: How many; a grid may have fewer.
        sampler: "grid", "random", "sobol", "tpe", "gp" or "cmaes". A list of recipes is gone through in order.
        seed: Of everything drawn.
        generation: How many trials are asked for at once; None for all at once by samplers that learn nothing, and
            for a quarter of them by the others, or half where losers leave; eight at least.
        rungs: When trials leave.
        points: Of a grid, in each range.
        most: Networks that train together at most.
    """

    trials: int = 64
    sampler: Sampler = "tpe"
    seed: int = 0
    generation: int | None = None
    rungs: Rungs = field(default_factory=Rungs)
    points: int = 3
    most: int = 64

    def __post_init__(self) -> None:
        for name in ("trials", "points", "most"):
            check_count(name, getattr(self, name))
        check_choice("sampler", self.sampler, SAMPLERS)
        if self.generation is not None:
            check_count("generation", self.generation)

    def size(self, generation: int) -> int:
        """How many trials a generation has."""
        parts = 1 if self.sampler not in ("tpe", "gp", "cmaes") else 4 if self.rungs.halving == "none" else 2
        asked = self.generation or max(min(8, self.trials), self.trials // parts)
        return self.rungs.size(generation, asked)


@dataclass(frozen=True)
class Found:
    """How far a search is.

    Attributes:
        ended: Trials that have ended.
        trials: In all.
        generation: In training, counted from 0.
        living: Networks in training at the moment.
        epoch: Theirs.
        best: Lowest score of an ended trial; infinite before the first.
        seconds: Since the search began.
    """

    ended: int
    trials: int
    generation: int
    living: int
    epoch: float
    best: float
    seconds: float


class Search:
    """A search in progress; `run` is an iteration, so whoever iterates decides when it ends.

    Args:
        setting: The rows, and what is minimized on them.
        source: Where recipes come from.
        plan: How it is searched.
        engine: Who trains.
        store: Where trials are stored as they end; None for nowhere. What it holds is gone on with.
        fingerprint: Of the data, by which a study is known again.
    """

    def __init__(
        self,
        setting: Setting,
        source: Source,
        *,
        plan: Plan,
        engine: Engine,
        store: Store | None,
        fingerprint: str = "",
    ) -> None:
        self.setting, self.source, self.plan = setting, source, plan
        self.engine, self.store = engine, store
        self.facts = facts_of(setting, source, plan, fingerprint)
        self.trials: list[Trial] = []
        self.seconds = 0.0
        if store is not None:
            store.refuse_other(self.facts)
            self.trials = store.trials(answers=True)
            self.seconds = float(store.facts.get("seconds", 0.0))
        ended = [t for t in self.trials if t.state != "queued"]
        self._n_ended, self._best = len(ended), min((t.score for t in ended if t.state == "complete"), default=math.inf)
        self._kept = sorted(t.score for t in ended if t.answers is not None)

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What varies."""
        return self.source.dimensions if isinstance(self.source, Space) else ()

    def run(self, *, deadline: float = math.inf, networks: int = 0) -> Iterator[Found]:
        """Search until all trials have ended.

        Leaving the iteration early is safe: what has ended is stored, and the rest stays queued.

        Args:
            deadline: By `time.monotonic`, when everything has to be done; trials in training are left in time for it
                and end as they stand.
            networks: To be trained afterwards, before the deadline.
        """
        start = time.monotonic()
        began, whole = start - self.seconds, deadline
        while True:
            deadline = whole - self._reserved(networks, whole - start)
            queued = [t for t in self.trials if t.state == "queued"]
            if not queued:
                if len(self.trials) >= self.plan.trials or time.monotonic() >= deadline:
                    break
                queued = self._ask()
                if not queued:
                    break
            for found in self._train(queued[0].generation, deadline):
                self.seconds = time.monotonic() - began
                yield replace(found, seconds=self.seconds)
            self.seconds = time.monotonic() - began
            if self.store is not None:
                self.store.record({"seconds": self.seconds})

    def study(self) -> Study:
        """What was found so far."""
        target = Target.fit(self.setting.train.target, self.setting.task, None)
        ended = tuple(t for t in self.trials if t.state != "queued")
        return Study(
            task=self.setting.task,
            metric=self.setting.metric,
            seed=self.plan.seed,
            dimensions=self.dimensions,
            trials=ended,
            targets=target.encode(self.setting.validation.target),
            seconds=self.seconds,
            facts=self.facts,
        )

    def _reserved(self, networks: int, left: float) -> float:
        """Seconds to keep for networks that are trained after the search, by what trials have taken to their end."""
        if not networks or not math.isfinite(left):
            return 0.0
        complete = [t.seconds for t in self.trials if t.state == "complete"]
        each = sum(complete) / len(complete) if complete else math.inf
        return min(RESERVED_SHARE * left, 1.5 * networks * each)

    def _ask(self) -> list[Trial]:
        """The next generation, proposed and stored as queued."""
        number = len(self.trials)
        generation = self.trials[-1].generation + 1 if self.trials else 0
        n = min(self.plan.size(generation), self.plan.trials - number)
        proposals: list[tuple[Mapping[str, Value], Recipe]]
        if isinstance(self.source, Space):
            asked = propose(
                self.dimensions,
                self.trials,
                n=n,
                sampler=self.plan.sampler,
                seed=self.plan.seed,
                points=self.plan.points,
            )
            proposals = [(values, self.source.recipe(values)) for values in asked]
        else:
            proposals = [({}, recipe) for recipe in self.source[number : number + n]]
        listed = [
            (number + i, recipe, network_seed(self.plan.seed, number + i)) for i, (_, recipe) in enumerate(proposals)
        ]
        owner = {n: s.index for s in split_shards(generation, listed, most=self.plan.most) for n in s.numbers}
        trials = [
            Trial(number=n, generation=generation, shard=owner[n], values=values, recipe=recipe, seed=seed)
            for (n, recipe, seed), (values, _) in zip(listed, proposals, strict=True)
        ]
        if trials and self.store is not None:
            self.store.queue(trials)
        self.trials += trials
        return trials

    def _train(self, generation: int, deadline: float) -> Iterator[Found]:
        """Train a generation to its end; those of its trials that have ended before are not stored again."""
        own = [t for t in self.trials if t.generation == generation]
        shards = split_shards(generation, [(t.number, t.recipe, t.seed) for t in own], most=self.plan.most)
        pending = [s for s in shards if any(self.trials[n].state == "queued" for n in s.numbers)]
        shares, rung = (*self.plan.rungs.shares(generation), 1.0), {s.index: 0 for s in pending}

        def leg(shard: Shard, out: Container[int]) -> tuple[Shard, Leg]:
            share = shares[rung[shard.index]]
            leaving = tuple(n for n in shard.numbers if n in out)
            answers = share == 1 or self._asks
            return shard, Leg(epoch_of(share, shard.recipes[0].epochs), leaving, answers, deadline)

        legs, waiting = deque(leg(s, ()) for s in pending), dict[int, tuple[Shard, list[Reached]]]()
        for event in self.engine.advance(legs):
            if isinstance(event, Progress):
                yield self._found(generation, event.living, event.epoch)
                continue
            shard, reached = event
            late = time.monotonic() >= deadline
            if late:
                legs.clear()  # what has not begun stays queued
            if rung[shard.index] == len(shares) - 1:
                self._finish([self._ended(r, "pruned" if r.living else "complete", 1.0) for r in reached])
                self.engine.release(shard)
                yield self._found(generation, 0, 0.0)
                continue
            waiting[shard.index] = event
            if not late and self.plan.rungs.halving != "asha" and len(waiting) < len(pending):
                continue
            share = shares[rung[shard.index]]
            out = set() if late else self._losers(generation, share, [r for _, rs in waiting.values() for r in rs])
            self._finish([self._ended(r, "pruned", share) for _, rs in waiting.values() for r in rs if r.number in out])
            for other, _ in waiting.values():
                rung[other.index] = len(shares) - 1 if late else rung[other.index] + 1
            legs.extendleft(leg(other, out) for other, _ in reversed(waiting.values()))
            waiting.clear()

    @property
    def _asks(self) -> bool:
        """Whether networks have to answer at a rung to be compared."""
        return self.setting.metric != "loss"

    def _losers(self, generation: int, share: float, stands: Sequence[Reached]) -> set[int]:
        """Who leaves at a rung: those that would train on and are not among the best."""
        own = [t for t in self.trials if t.generation == generation]
        queued = {t.number for t in own if t.state == "queued"}
        came = {t.number for t in own if len(t.curve) >= epoch_of(share, t.recipe.epochs)}  # and have ended since
        reached = {r.number: r for r in stands if r.number in queued | came}
        if self._is_decided(own, share, stands):  # before a kill: the same leave, though they are stored
            ends = {t.number for t in own if len(t.curve) <= epoch_of(share, t.recipe.epochs)} - queued
            return {n for n, r in reached.items() if r.living and n in ends}
        scores = {
            n: math.nan if r.failure else _score_at(r.curve, share, self.trials[n].recipe, self._asks, r.score)
            for n, r in reached.items()
        }
        if self.plan.rungs.halving == "asha":
            others = [t for t in self.trials if t.generation < generation]
        else:
            others = [t for t in own if t.number not in reached and t.state != "queued"]
        rivals = {
            t.number: _score_at(t.curve, share, t.recipe, self._asks, t.score)
            for t in others
            if t.state == "complete" or len(t.curve) >= epoch_of(share, t.recipe.epochs)
        }
        kept = stay(scores, eta=self.plan.rungs.eta, rivals=rivals)
        return {n for n, r in reached.items() if r.living and n not in kept}

    def _is_decided(self, own: Sequence[Trial], share: float, stands: Sequence[Reached]) -> bool:
        """Whether it was settled before a kill who leaves at a rung: something that is stored or saved is beyond it."""
        at_hand = {r.number for r in stands}
        beside = [t for t in own if self.plan.rungs.halving != "asha" or t.number in at_hand]
        stored = any(
            t.state in ("complete", "failed") or len(t.curve) > epoch_of(share, t.recipe.epochs) for t in beside
        )
        return stored or any(len(r.curve) > epoch_of(share, self.trials[r.number].recipe.epochs) for r in stands)

    def _ended(self, reached: Reached, state: State, share: float) -> Trial:
        """The trial with what came of it."""
        trial = self.trials[reached.number]
        failed = bool(reached.failure) or (state == "complete" and not math.isfinite(reached.score))
        curve = reached.curve if share == 1 else reached.curve[: epoch_of(share, trial.recipe.epochs)]
        finite = [loss for loss in curve if math.isfinite(loss)]
        score = reached.score if math.isfinite(reached.score) or self._asks else min(finite, default=math.nan)
        return replace(
            trial,
            state="failed" if failed else state,
            epochs=len(curve),
            score=math.nan if failed else score,
            metric=math.nan if failed else reached.metric,
            best_epoch=reached.best_epoch,
            curve=curve,
            seconds=reached.seconds,
            failure=reached.failure or ("never finite" if failed else ""),
            answers=None if failed else reached.answers,
        )

    def _finish(self, ended: Sequence[Trial]) -> None:
        """Take what has ended, store it in one transaction, and keep the answers of the best so far alone."""
        fresh = [t for t in ended if self.trials[t.number].state == "queued"]
        for score in (t.score for t in fresh if t.answers is not None):
            insort(self._kept, score)
        del self._kept[KEPT:]
        worst = self._kept[-1] if len(self._kept) == KEPT else math.inf
        fresh = [t if t.answers is None or t.score <= worst else replace(t, answers=None) for t in fresh]
        if fresh and self.store is not None:
            self.store.finish(fresh)
        for trial in fresh:
            self.trials[trial.number] = trial
        self._n_ended += len(fresh)
        self._best = min([self._best, *(t.score for t in fresh if t.state == "complete")])

    def _found(self, generation: int, living: int, epoch: float) -> Found:
        return Found(self._n_ended, self.plan.trials, generation, living, epoch, self._best, self.seconds)


def _score_at(curve: Sequence[float], share: float, recipe: Recipe, asks: bool, score: float) -> float:
    """What a trial is compared by at a rung: its lowest validation loss so far, or its score."""
    if asks:
        return score
    finite = [loss for loss in curve[: epoch_of(share, recipe.epochs)] if math.isfinite(loss)]
    return min(finite, default=math.nan)


def network_seed(seed: int, number: int) -> int:
    """The seed of a trial's network: of the study's seed and its number, whoever trains beside it."""
    return int(make_key(torch.tensor(seed), step=number, place="trials"))


def facts_of(setting: Setting, source: Source, plan: Plan, fingerprint: str) -> dict[str, object]:
    """What a study must have in common with what it goes on from."""
    listed = source.to_json() if isinstance(source, Space) else [recipe.to_toml() for recipe in source]
    return {
        "data": fingerprint,
        "split": {"train": len(setting.train), "validation": len(setting.validation)},
        "task": setting.task,
        "minimized": setting.metric,
        "space": listed,
        "sampler": plan.sampler if isinstance(source, Space) else "list",
        "seed": plan.seed,
        "generation": plan.size(0),
        "halving": {"kind": plan.rungs.halving, "eta": plan.rungs.eta, "least": plan.rungs.least},
        "points": plan.points,
        "together": plan.most,
        "versions": {"wellposed": own_version(), "torch": torch.__version__},
    }
