"""Repeats: recipes trained again and again, each time on another split of the data.

A repeat is one network of each recipe on one split into training, validation and test rows. Split and network are
functions of the seed and the repeat's number, so that every recipe sees the same splits and, where repeats are paired,
the same seeds: the same starting weights, batches and masks, as far as the structures agree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64

from wellposed.blocks import MOST_BYTES, Block, Job, Outcome, encode, train_jobs
from wellposed.checks import check_choice, check_count, check_flag, check_number, refusal
from wellposed.devices import find_device
from wellposed.inputs.dataset import Data, Task
from wellposed.inputs.parts import Split, split
from wellposed.judging import HIGHER, groups_of, judge, judge_without
from wellposed.population.population import member_seeds
from wellposed.presets import Preset
from wellposed.random import make_key
from wellposed.recipe import Recipe
from wellposed.techniques.places import DataTechnique, TextTechnique

GROUPS = 20
"""Groups of test rows that tell how scores vary with the test rows, where all repeats have the same."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What came of one recipe in all repeats on one data set.

    Attributes:
        recipe: What was trained.
        scores: Of each repeat, on its test rows.
        without: Likewise without each of `G` groups of the test rows; None where each repeat draws its own.
        failed: Repeats in which the network's numbers stopped being finite.
        unanswered: Those among them that left no finite answer: they score as a constant answer does.
        epochs: Trained in all repeats together.
        flops: Floating-point operations of training, about.
        seconds: Of training.
    """

    recipe: Recipe
    scores: Float[np.ndarray, " J"]
    without: Float[np.ndarray, "J G"] | None
    failed: tuple[int, ...]
    unanswered: tuple[int, ...]
    epochs: int
    flops: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Repeats:
    """What came of several recipes on one data set.

    Attributes:
        name: Of the data set.
        data: What was split.
        metric: What the scores are.
        runs: By the name of the recipe.
        constant: The score in each repeat of a constant answer: the shares of the classes, or the mean.
        n_learning: Training and validation rows of a repeat.
        n_test: Test rows of a repeat.
    """

    name: str
    data: Data
    metric: str
    runs: Mapping[str, Runs]
    constant: Float[np.ndarray, " J"]
    n_learning: int
    n_test: int


@dataclass(frozen=True, eq=False)
class Scored:
    """What is kept of one network.

    Attributes:
        score: On its test rows.
        without: Likewise without each group of them, where all repeats have the same.
        answered: Whether it gave a finite answer.
        outcome: Without the answer itself.
    """

    score: float
    without: Float[np.ndarray, " G"] | None
    answered: bool
    outcome: Outcome


def run_repeats(
    recipes: Mapping[str, Recipe | Preset],
    data: Data,
    *,
    name: str = "",
    repeats: int = 20,
    seed: int = 0,
    paired: bool = True,
    test_share: float = 0.2,
    metric: str | None = None,
    device: str = "auto",
    dtype: torch.dtype = torch.float32,
    most_bytes: int = MOST_BYTES,
    progress: Callable[[float], None] | None = None,
) -> Repeats:
    """Train each recipe in all repeats and judge it on the test rows.

    Args:
        recipes: By name.
        data: What is split; its own test rows, where it brings any, are the test rows of all repeats.
        name: What the data set is called; its own name by default.
        repeats: How many, at least two.
        seed: The same seed gives the same result.
        paired: Give all networks of a repeat the same seed, whatever their recipe.
        test_share: Share of the rows to test on, where the data bring no test rows.
        metric: A name among `judging.HIGHER`; accuracy or rmse by default.
        device: Where training runs; "auto" is a GPU where there is one.
        dtype: Of the networks.
        most_bytes: That the rows and the weights of one population may take, about.
        progress: Told the share of the work that is done, again and again.
    """
    check_count("repeats", repeats, least=2)
    check_flag("paired", paired)
    check_number("test_share", test_share, low=0, high=1, open="()")
    metric = metric_of(metric, data.task)
    device = find_device(device)

    def parts_of(repeat: int) -> Split:
        return known_classes(split(data, test_share=test_share, seed=split_seed(seed, repeat)), data.task)

    parts = parts_of(0)
    n_learning, n_test = len(parts.train) + len(parts.validation), len(parts.test)
    chosen = {n: r if isinstance(r, Recipe) else r(data.kind, len(parts.train)) for n, r in recipes.items()}
    names, shared = list(chosen), member_seeds(seed, repeats)
    seeds = {
        name: shared if paired or not i else make_key(shared, step=i, place="recipes") for i, name in enumerate(names)
    }
    twin = {n: next(m for m in names if chosen[m] == chosen[n] and (paired or m == n)) for n in names}
    groups = None if data.test is None else groups_of(n_test, GROUPS)
    scored = {name: list[Scored]() for name in twin.values()}  # twins give the same numbers and are trained once
    constant: list[float] = []
    while len(constant) < repeats:
        encoded, jobs, first = dict[tuple[object, ...], Block](), list[Job](), len(constant)
        for r in range(first, repeats):
            parts = parts_of(r)
            for label in scored:
                recipe = chosen[label]
                key = (r, recipe.of(DataTechnique), recipe.of(TextTechnique))
                if key not in encoded:
                    encoded[key] = encode(parts, task=data.task, recipe=recipe, dtype=dtype)
                jobs.append(Job(recipe, int(seeds[label][r]), encoded[key]))
            constant.append(judge(metric, jobs[-1].block.constant_answer(), jobs[-1].block.truth))
            taken = sum(block.n_bytes for block in encoded.values())
            if taken * (len(constant) - first + 1) / (len(constant) - first) > most_bytes:  # no room for one more
                break
        done = _part(progress, first / repeats, len(constant) / repeats)
        outcomes = train_jobs(jobs, task=data.task, device=device, dtype=dtype, most_bytes=most_bytes, progress=done)
        for i, (job, outcome) in enumerate(zip(jobs, outcomes, strict=True)):
            scored[list(scored)[i % len(scored)]].append(_scored(metric, job.block, outcome, groups))
    runs = {name: _summed(chosen[name], scored[twin[name]]) for name in names}
    for label, run in runs.items():
        undefined = np.isnan(run.scores if run.without is None else np.column_stack((run.scores, run.without)))
        if undefined.any():
            got = f"NaN for {label!r}, repeat {int(undefined.reshape(repeats, -1).any(1).argmax())}"
            raise refusal(f"The metric {metric}", "be defined on the test rows", got, "Take another metric.")
    return Repeats(name or data.name, data, metric, runs, np.array(constant), n_learning, n_test)


def metric_of(metric: str | None, task: Task) -> str:
    """The metric that is meant, refused where the task has none of that name."""
    if metric is None:
        return next(iter(HIGHER[task]))
    check_choice("metric", metric, tuple(HIGHER[task]))
    return metric


def split_seed(seed: int, repeat: int) -> int:
    """The seed of a repeat's split; those of two repeats, or of two seeds, have nothing in common."""
    return int(make_key(torch.tensor(seed), step=repeat, place="splits")) & ((1 << 62) - 1)


def known_classes(parts: Split, task: Task) -> Split:
    """The split without test rows whose class no training row has: nobody can answer them."""
    if task == "regression":
        return parts
    known = np.isin(parts.test.target.astype(str), parts.train.target.astype(str))
    return parts if known.all() else replace(parts, test=parts.test.take(known.nonzero()[0]))


def _part(progress: Callable[[float], None] | None, low: float, high: float) -> Callable[[float], None] | None:
    """Progress from one share of the work to another."""
    return None if progress is None else lambda share: progress(low + (high - low) * share)


def _scored(metric: str, block: Block, outcome: Outcome, groups: Int64[np.ndarray, " N"] | None) -> Scored:
    answered = outcome.answer is not None
    answer = block.constant_answer() if outcome.answer is None else outcome.answer
    without = None if groups is None else judge_without(metric, answer, block.truth, groups)
    return Scored(judge(metric, answer, block.truth), without, answered, replace(outcome, answer=None))


def _summed(recipe: Recipe, each: Sequence[Scored]) -> Runs:
    without = [one.without for one in each if one.without is not None]
    return Runs(
        recipe=recipe,
        scores=np.array([one.score for one in each]),
        without=np.stack(without) if without else None,
        failed=tuple(r for r, one in enumerate(each) if one.outcome.failed or not one.answered),
        unanswered=tuple(r for r, one in enumerate(each) if not one.answered),
        epochs=sum(one.outcome.epochs for one in each),
        flops=sum(one.outcome.flops for one in each),
        seconds=sum(one.outcome.seconds for one in each),
    )
