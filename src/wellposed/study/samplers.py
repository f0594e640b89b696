"""What to try next: proposals from Optuna's samplers, as a pure function of the space, the finished trials and a seed.

Every call replays the finished trials into a fresh study in memory, with a sampler seeded from the study's seed and the
number of trials so far: a study that is resumed asks for what it would have asked for anyway. A batch is asked for at
once, each proposal knowing of those before it.

| sampler | proposals | what it learns from |
|---|---|---|
| grid | every combination once, in random order | nothing |
| random | independent, by the tree of choices | nothing |
| sobol | one scrambled Sobol sequence through all batches; those dimensions that do not exist are dropped | nothing |
| tpe | the better share's density over the rest's, by groups of dimensions that exist together | all trials |
| gp | log expected improvement of the batch under a Gaussian process | all trials |
| cmaes | a normal distribution that moves and turns, one generation a batch; choices at random | all trials |

Trials that left early ("pruned") rank behind the complete ones in TPE, and count with their best score so far in the
others. Trials that failed count as the worst, so that a region that fails is left alone; they never bring infinities
in. Where dimensions that do not exist need a value (gp), it is the middle of the range or the first option.

Sources: Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, 2012 (random, grid, Sobol); Bergstra et al.,
Algorithms for Hyper-Parameter Optimization, 2011 (TPE); Falkner et al., BOHB, 2018 (its multivariate form); Ament et
al., Unexpected Improvements to Expected Improvement, 2023 (gp); Hansen & Ostermeier, Completely Derandomized
Self-Adaptation in Evolution Strategies, 2001 (cmaes).
"""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from wellposed.checks import check_choice, check_count, refusal
from wellposed.search_space import Dimension, Value
from wellposed.study.positions import exists, filled, fits, value_at
from wellposed.study.trial import Trial

if TYPE_CHECKING:
    import optuna  # takes a second to import: elsewhere within the functions that need it

Sampler: TypeAlias = Literal["grid", "random", "sobol", "tpe", "gp", "cmaes"]
SAMPLERS: tuple[Sampler, ...] = ("grid", "random", "sobol", "tpe", "gp", "cmaes")
MAX_CELLS = 100_000
"""Of a grid; a space of more is not meant for one."""
RETRIES = 10
"""So often the sampler, and then chance, is asked for another proposal in place of one that was tried before."""


def propose(
    dimensions: Sequence[Dimension],
    finished: Sequence[Trial],
    *,
    n: int,
    sampler: Sampler,
    seed: int,
    points: int = 3,
) -> list[dict[str, Value]]:
    """The values of the next trials, by the names of the dimensions that exist for each.

    Args:
        dimensions: What may vary, choices before what depends on them.
        finished: All trials so far, in their order. Those "queued" count as running; those whose values do not fit
            the dimensions (proposed by hand, or before the ranges were narrowed) only count.
        n: How many. A grid gives fewer when fewer of its cells are left, in the end none; the others repeat what was
            tried only where ten more askings, and ten at random, give nothing new.
        sampler: One of `SAMPLERS`.
        seed: Of the study.
        points: Of a grid, in each range of numbers: from end to end, evenly spaced on the range's own scale.

    >>> rate = Dimension(name="rate", kind="real", low=1e-4, high=1.0, log=True)
    >>> sorted(values["rate"] for values in propose([rate], [], n=3, sampler="grid", seed=0))
    [0.0001, 0.01, 1.0]
    """
    check_count("n", n)
    check_count("points", points)
    check_choice("sampler", sampler, SAMPLERS)
    taken = {_key(trial.values) for trial in finished}
    if sampler == "grid":
        return _untried(dimensions, taken, n, seed, points)
    with quiet_optuna():
        ask = _ASKERS[sampler](dimensions, finished, n, seed)
        return _distinct(ask, _ask_random(dimensions, finished, n, seed), taken, n)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Optuna without its log lines and warnings; how much it says elsewhere is afterwards what it was."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna

        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(level)


def derived_seed(seed: int, *what: object) -> int:
    """A seed below 2**32 from another and whatever tells its use apart, the same in every process."""
    text = " ".join(map(str, (seed, *what)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


_Ask: TypeAlias = Callable[[], dict[str, Value]]


def _ask_random(dimensions: Sequence[Dimension], finished: Sequence[Trial], n: int, seed: int) -> _Ask:
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(derived_seed(seed, "random", len(finished))))
    return lambda: _ask(study, dimensions)


def _ask_tpe(dimensions: Sequence[Dimension], finished: Sequence[Trial], n: int, seed: int) -> _Ask:
    import optuna

    sampler = optuna.samplers.TPESampler(seed=derived_seed(seed, "tpe", len(finished)), multivariate=True, group=True)
    study = optuna.create_study(sampler=sampler)
    states = optuna.trial.TrialState
    for trial in finished:
        if not fits(dimensions, trial.values):
            continue
        if trial.state == "queued":
            study.add_trial(_frozen(dimensions, trial.values, states.RUNNING))
        elif trial.state == "complete" and math.isfinite(trial.score):
            study.add_trial(_frozen(dimensions, trial.values, states.COMPLETE, trial.score))
        else:  # without a score it ranks behind all others
            pruned = trial.state == "pruned" and math.isfinite(trial.score)
            reached = {trial.epochs: trial.score} if pruned else {}
            study.add_trial(_frozen(dimensions, trial.values, states.PRUNED, reached=reached))
    return lambda: _ask(study, dimensions)


def _ask_gp(dimensions: Sequence[Dimension], finished: Sequence[Trial], n: int, seed: int) -> _Ask:
    import optuna

    sampler = optuna.samplers.GPSampler(seed=derived_seed(seed, "gp", len(finished)), warn_independent_sampling=False)
    study = optuna.create_study(sampler=sampler)
    states = optuna.trial.TrialState
    for values, score in _scored(dimensions, finished):
        state = states.RUNNING if score is None else states.COMPLETE
        study.add_trial(_frozen(dimensions, filled(dimensions, values), state, score))
    return lambda: _ask(study, dimensions, everything=True)


def _ask_sobol(dimensions: Sequence[Dimension], finished: Sequence[Trial], n: int, seed: int) -> _Ask:
    """One sequence for the whole study, entered at the number of trials so far."""
    import optuna

    storage = optuna.storages.InMemoryStorage()
    sampler = optuna.samplers.QMCSampler(scramble=True, seed=derived_seed(seed, "sobol"))
    study = optuna.create_study(storage=storage, sampler=sampler)
    study.add_trial(_frozen(dimensions, filled(dimensions, {}), optuna.trial.TrialState.COMPLETE, 0.0))
    _ask(study, dimensions, everything=True)  # after this the place in the sequence is written down
    study_id = storage.get_study_id_from_name(study.study_name)
    (counter,) = (name for name in storage.get_study_system_attrs(study_id) if name.startswith("qmc:"))
    storage.set_study_system_attr(study_id, counter, len(finished) - 1)
    return lambda: _ask(study, dimensions, everything=True)


def _ask_cmaes(dimensions: Sequence[Dimension], finished: Sequence[Trial], n: int, seed: int) -> _Ask:
    """The distribution is at the end of the finished trials what it was then: they are asked for and told again."""
    import optuna

    count = len(finished)
    n_numbers = sum(d.kind != "choice" for d in dimensions)
    if n_numbers == 0:
        return _ask_random(dimensions, finished, n, seed)
    sampler = optuna.samplers.CmaEsSampler(
        seed=derived_seed(seed, "cmaes"),
        popsize=max(n, 4 + math.floor(3 * math.log(n_numbers))),  # the latter is its authors' least
        independent_sampler=optuna.samplers.RandomSampler(derived_seed(seed, "cmaes choices", count)),
        warn_independent_sampling=False,
    )
    study = optuna.create_study(sampler=sampler)
    study.add_trial(_frozen(dimensions, filled(dimensions, {}), optuna.trial.TrialState.COMPLETE, 0.0))
    for values, score in _scored(dimensions, finished):
        study.enqueue_trial(dict(values))
        asked = study.ask()
        for dimension in dimensions:
            _suggest(asked, dimension)
        if score is not None:
            study.tell(asked, score)
    return lambda: _ask(study, dimensions, everything=True)


_ASKERS: Mapping[str, Callable[[Sequence[Dimension], Sequence[Trial], int, int], _Ask]] = {
    "random": _ask_random,
    "tpe": _ask_tpe,
    "gp": _ask_gp,
    "sobol": _ask_sobol,
    "cmaes": _ask_cmaes,
}


def _scored(
    dimensions: Sequence[Dimension], finished: Sequence[Trial]
) -> Iterator[tuple[Mapping[str, Value], float | None]]:
    """The values of trials that fit, each with a finite score: of what failed the worst seen; None while queued."""
    scores = [t.score for t in finished if math.isfinite(t.score)]
    for trial in finished:
        if not fits(dimensions, trial.values):
            continue
        if trial.state == "queued":
            yield trial.values, None
        elif scores:
            known = trial.state != "failed" and math.isfinite(trial.score)
            yield trial.values, trial.score if known else max(scores)


def _frozen(
    dimensions: Sequence[Dimension],
    values: Mapping[str, Value],
    state: "optuna.trial.TrialState",
    score: float | None = None,
    *,
    reached: Mapping[int, float] | None = None,
) -> "optuna.trial.FrozenTrial":
    """A trial of the past as Optuna keeps it."""
    import optuna

    there = {d.name: d for d in dimensions if d.name in values}
    return optuna.trial.create_trial(
        state=state,
        value=score,
        params={name: values[name] for name in there},
        distributions={name: _distribution(d) for name, d in there.items()},
        intermediate_values=dict(reached or {}),
    )


def _distribution(dimension: Dimension) -> "optuna.distributions.BaseDistribution":
    import optuna

    if dimension.kind == "choice":
        return optuna.distributions.CategoricalDistribution(dimension.options)
    if dimension.kind == "whole":
        return optuna.distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return optuna.distributions.FloatDistribution(float(dimension.low), float(dimension.high), log=dimension.log)


def _suggest(trial: "optuna.Trial", dimension: Dimension) -> Value:
    name, low, high = dimension.name, dimension.low, dimension.high
    if dimension.kind == "choice":
        return str(trial.suggest_categorical(name, dimension.options))
    if dimension.kind == "whole":
        return int(trial.suggest_int(name, int(low), int(high), log=dimension.log))
    value = trial.suggest_float(name, float(low), float(high), log=dimension.log)
    return min(max(float(value), float(low)), float(high))


def _ask(study: "optuna.Study", dimensions: Sequence[Dimension], *, everything: bool = False) -> dict[str, Value]:
    """One proposal, parents before children; `everything` for samplers of a fixed space, who see all dimensions."""
    trial = study.ask()
    values: dict[str, Value] = {}
    for dimension in dimensions:
        there = exists(dimension, values)
        if there or everything:
            value = _suggest(trial, dimension)
            if there:
                values[dimension.name] = value
    return values


def _distinct(ask: _Ask, ask_random: _Ask, taken: set[frozenset[tuple[str, Value]]], n: int) -> list[dict[str, Value]]:
    """Proposals unlike each other and unlike what was tried; where the sampler knows of none, at random."""
    found = []
    for _ in range(n):
        values = ask()
        for number in range(2 * RETRIES):
            if _key(values) not in taken:
                break
            values = ask() if number < RETRIES else ask_random()
        taken.add(_key(values))
        found.append(values)
    return found


def _untried(
    dimensions: Sequence[Dimension], taken: set[frozenset[tuple[str, Value]]], n: int, seed: int, points: int
) -> list[dict[str, Value]]:
    """The next cells of the grid in an order of its own, which spreads over the whole grid from the start."""
    cells: list[dict[str, Value]] = []
    for values in _cells(dimensions, points, {}):
        cells.append(values)
        if len(cells) > MAX_CELLS:
            do = f"Take fewer than {points} points, vary less, or take another sampler."
            raise refusal("A grid", f"have at most {MAX_CELLS} cells", "more", do)
    order = np.random.default_rng(derived_seed(seed, "grid")).permutation(len(cells))
    return [cells[i] for i in order if _key(cells[i]) not in taken][:n]


def _cells(dimensions: Sequence[Dimension], points: int, values: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    """Every combination of the dimensions that exist under it; none twice."""
    if not dimensions:
        yield dict(values)
        return
    first, rest = dimensions[0], dimensions[1:]
    if not exists(first, values):
        yield from _cells(rest, points, values)
        return
    for level in _levels(first, points):
        yield from _cells(rest, points, {**values, first.name: level})


def _levels(dimension: Dimension, points: int) -> tuple[Value, ...]:
    if dimension.kind == "choice":
        return dimension.options
    if points == 1:
        return (value_at(dimension, 0.5),)
    return tuple(dict.fromkeys(value_at(dimension, i / (points - 1)) for i in range(points)))


def _key(values: Mapping[str, Value]) -> frozenset[tuple[str, Value]]:
    return frozenset(values.items())
