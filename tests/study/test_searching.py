"""A search: the same whether it is interrupted or not, honest about rungs and failures, stored as it goes."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wellposed.inputs.load import load
from wellposed.inputs.parts import split
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD
from wellposed.recipe import Recipe
from wellposed.search_space import Space, space
from wellposed.study.engine import LocalEngine
from wellposed.study.rungs import Rungs
from wellposed.study.searching import Found, Plan, Search, facts_of, network_seed
from wellposed.study.shard import Setting
from wellposed.study.store import Store
from wellposed.study.study import Study
from wellposed.techniques import BatchNorm, Dropout, Patience, Standardize, WeightDecay

RECIPE = Recipe(
    net=MLP(widths=(8,)), epochs=9, batch_size=48, techniques=(Standardize(), BatchNorm(), Dropout(), WeightDecay())
)
SPACE = space(RECIPE, optional=["BatchNorm"], fixed=["optimizer.m*", "optimizer.decay", "BatchNorm.momentum"])


@pytest.fixture(scope="module")
def setting() -> Setting:
    data = load("iris")
    parts = split(data, test_share=0.2, seed=0)
    return Setting(data.task, parts.train, parts.validation)


def searched(setting: Setting, source: Space | tuple[Recipe, ...] = SPACE, **options: object) -> Study:
    plan = Plan(**({"trials": 12, "generation": 6, "sampler": "random"} | options))  # type: ignore[arg-type]
    search = Search(setting, source, plan=plan, engine=LocalEngine(setting), store=None)
    for _ in search.run():
        pass
    return search.study()


def same(one: Study, other: Study) -> bool:
    """Whether two studies are equal to the bit, but for what they took."""
    skip = {"seconds", "answers", "values"}
    for a, b in zip(one.trials, other.trials, strict=True):
        for name in set(vars(a)) - skip:
            x, y = getattr(a, name), getattr(b, name)
            if x != y and not (x != x and y != y):
                return False
        if (a.answers is None) != (b.answers is None) or dict(a.values) != dict(b.values):
            return False
        if a.answers is not None and b.answers is not None and not torch.equal(a.answers, b.answers):
            return False
    return len(one.trials) == len(other.trials)


@pytest.mark.parametrize("halving", ["none", "successive", "hyperband", "asha"])
def test_the_result_depends_on_the_seed_alone(setting: Setting, halving: str) -> None:
    rungs = Rungs(halving=halving, eta=3)  # type: ignore[arg-type]
    one, again = searched(setting, rungs=rungs), searched(setting, rungs=rungs)
    assert same(one, again) and not same(one, searched(setting, rungs=rungs, seed=1))
    states = {t.state for t in one.trials}
    assert len(one.trials) == 12 and states == ({"complete"} if halving == "none" else {"complete", "pruned"})
    assert one.best.score == min(t.score for t in one.trials if t.state == "complete")


def test_losers_leave_at_rungs_and_the_best_go_on(setting: Setting) -> None:
    whole = searched(setting, generation=12)
    halved = searched(setting, generation=12, rungs=Rungs(halving="successive", eta=3))
    assert sorted(t.epochs for t in halved.trials) == [1] * 8 + [3] * 3 + [9]
    first = {t.number: t.curve[0] for t in whole.trials}
    kept = {t.number for t in halved.trials if t.epochs > 1}
    assert kept == set(sorted(first, key=first.__getitem__)[:4])
    for a, b in zip(whole.trials, halved.trials, strict=True):
        # What a trial does is the same with fewer beside it, but for rounding: one alone has another kernel for batch
        # norm, and Adam makes steps of the noise in the gradient of a bias that batch norm takes away again.
        np.testing.assert_allclose(a.curve[: b.epochs], b.curve, rtol=0.02)


def test_asha_looks_at_earlier_generations_alone(setting: Setting) -> None:
    study = searched(setting, trials=12, generation=6, rungs=Rungs(halving="asha", eta=3), most=6)
    for shard in {(t.generation, t.shard) for t in study.trials}:
        own = [t for t in study.trials if (t.generation, t.shard) == shard]
        before = [t.curve[0] for t in study.trials if t.generation < shard[0]]
        every = sorted([t.curve[0] for t in own] + before)
        bar = every[max(1, len(every) // 3) - 1]
        assert {t.number for t in own if t.epochs > 1} == {t.number for t in own if t.curve[0] <= bar}


def test_a_trial_that_ends_by_itself_is_complete(setting: Setting) -> None:
    stops = replace(RECIPE, epochs=60, techniques=(*RECIPE.techniques, Patience(epochs=1)))
    study = searched(setting, space(stops, fixed=["BatchNorm*"]), trials=4, generation=4)
    assert {t.state for t in study.trials} == {"complete"} and min(t.epochs for t in study.trials) < 60
    assert all(t.best_epoch == t.epochs - 1 for t in study.trials if t.epochs < 60)


def test_a_trial_whose_numbers_explode_fails_alone(setting: Setting) -> None:
    wild = Recipe(net=MLP(widths=(8,)), optimizer=SGD(learning_rate=1e9), epochs=3, techniques=(Standardize(),))
    calm = wild.with_strengths({"optimizer.learning_rate": 0.1})
    study = searched(setting, (calm, wild, calm), trials=3)
    assert [t.state for t in study.trials] == ["complete", "failed", "complete"]
    assert study.trials[1].failure and math.isnan(study.trials[1].score) and study.best.number in (0, 2)
    alone = searched(setting, (calm,), trials=1)
    np.testing.assert_allclose(alone.trials[0].score, study.trials[0].score, rtol=1e-5)


def test_the_error_may_be_minimized_instead(setting: Setting) -> None:
    by_error = replace(setting, metric="error")
    study = searched(by_error, rungs=Rungs(halving="successive"))
    assert all(t.score == pytest.approx(1 - t.metric) for t in study.trials if t.state == "complete")
    assert all(math.isfinite(t.score) for t in study.trials)


def test_seeds_are_functions_of_the_study_and_the_number() -> None:
    assert network_seed(0, 3) == network_seed(0, 3) != network_seed(0, 4)
    assert network_seed(1, 3) != network_seed(0, 3)


class Killed(Exception):
    """In place of a kill."""


def run_until(folder: Path, setting: Setting, plan: Plan, *, events: int) -> Study | None:
    """A stored search that is left after so many events, as a kill between two of them would leave it."""
    with Store.create(folder / "study.db", facts_of(setting, SPACE, plan, "")) as store:
        engine = LocalEngine(setting, folder / "training")
        search = Search(setting, SPACE, plan=plan, engine=engine, store=store)
        for count, _ in enumerate(search.run()):
            if count == events:
                return None
        return search.study()


@pytest.mark.parametrize("halving", ["none", "successive"])
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_left_at_any_moment_and_resumed_it_comes_out_the_same(
    setting: Setting, tmp_path: Path, halving: str, sampler: str
) -> None:
    rungs = Rungs(halving=halving, eta=3)  # type: ignore[arg-type]
    plan = Plan(trials=12, generation=6, sampler=sampler, rungs=rungs)  # type: ignore[arg-type]
    whole = searched(setting, sampler=sampler, rungs=rungs)
    draw = np.random.default_rng(0)
    finished = None
    for _ in range(200):
        finished = run_until(tmp_path, setting, plan, events=int(draw.integers(0, 60)))
        with Store.open(tmp_path / "study.db", readonly=True) as store:
            stored = store.trials()
        assert len({t.number for t in stored}) == len(stored)
        if finished is not None:
            break
    assert finished is not None and same(finished, whole)


def test_at_the_deadline_everything_ends_as_it_stands(setting: Setting) -> None:
    long = replace(RECIPE, epochs=100_000)
    plan = Plan(trials=8, generation=4, sampler="random", rungs=Rungs(halving="successive"))
    search = Search(setting, space(long, fixed=["BatchNorm*"]), plan=plan, engine=LocalEngine(setting), store=None)
    began = time.monotonic()
    for found in search.run(deadline=began + 2.0):
        assert isinstance(found, Found)
    study = search.study()
    assert 1.0 < time.monotonic() - began < 20.0
    assert study.trials and {t.state for t in study.trials} == {"pruned"} and math.isfinite(study.best.score)
