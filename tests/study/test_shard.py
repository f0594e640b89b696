"""Shards: those of one structure train together; a run stands where training alone gets to; legs change nothing."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error

from wellposed.bag import Bag
from wellposed.inputs.dataset import Part
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD
from wellposed.recipe import Recipe
from wellposed.study import shard as shards_of
from wellposed.study.shard import Leg, Reached, Run, Setting, Shard, split_shards
from wellposed.techniques import L2, BatchNorm, Dropout, Patience

EPOCHS = 6
SMALL = Recipe(net=MLP(widths=(16,)), techniques=(BatchNorm(), Dropout(rate=0.2)), epochs=EPOCHS, batch_size=50)


def frame(x: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])


def digits(**changes: object) -> Setting:
    """200 digits to train on and 100 to be judged by."""
    x, y = load_digits(return_X_y=True)
    return replace(
        Setting("classification", Part(frame(x[:200]), y[:200]), Part(frame(x[200:300]), y[200:300])), **changes
    )


def diabetes(**changes: object) -> Setting:
    """The same of a regression."""
    x, y = load_diabetes(return_X_y=True)
    return replace(Setting("regression", Part(frame(x[:200]), y[:200]), Part(frame(x[200:300]), y[200:300])), **changes)


def shard_of(members: int, *, first: int = 0, recipe: Recipe = SMALL, index: int = 0) -> Shard:
    """Trials whose strengths differ where the recipe has dropout."""
    numbers = range(first, first + members)
    rate = next((f"{name}.rate" for name in recipe.named() if name == "Dropout"), None)
    recipes = [recipe if rate is None else recipe.with_strengths({rate: 0.05 * (n % 10)}) for n in numbers]
    return Shard(0, index, tuple(numbers), tuple(recipes), tuple(1000 + n for n in numbers))


def through(run: Run, *legs: Leg) -> list[Reached]:
    """Where the trials of a run stand after these legs."""
    for leg in legs:
        for _ in run.advance(leg):
            pass
    return run.reached(last=legs[-1].last)


def assert_same(ours: Sequence[Reached], theirs: Sequence[Reached]) -> None:
    """Equal to the bit in all but the time that it took."""
    ours, theirs = (sorted(each, key=lambda r: r.number) for each in (ours, theirs))
    assert [r.number for r in ours] == [r.number for r in theirs]
    for a, b in zip(ours, theirs, strict=True):
        plain = [(r.curve, r.best_epoch, r.living, r.failure, repr(r.score), repr(r.metric)) for r in (a, b)]
        assert plain[0] == plain[1]
        assert (a.answers is None) == (b.answers is None)
        if a.answers is not None and b.answers is not None:
            assert torch.equal(a.answers, b.answers)


def test_where_a_run_stands_is_what_a_bag_of_the_same_networks_says() -> None:
    setting, shard = digits(), shard_of(3)
    bag, rows = Bag.prepare(
        setting.train, task=setting.task, recipe=shard.recipes, members=3, seed=list(shard.seeds), device="cpu"
    )
    validation = bag.rows(setting.validation.features, setting.validation.target)
    for _ in bag.train(rows, validation):
        pass
    answers = bag.population.answers(bag.population.outputs_of(validation)).double()
    for k, reached in enumerate(through(Run(setting, shard), Leg(EPOCHS))):
        assert reached.number == k and not reached.living and reached.failure == ""
        assert reached.curve == tuple(float(row[k]) for row in bag.population.record.validation_loss)
        assert reached.curve[reached.best_epoch - 1] == min(reached.curve)
        assert reached.answers is not None
        torch.testing.assert_close(reached.answers.double(), answers[k], rtol=1e-5, atol=1e-6)  # float32
        assert reached.score == pytest.approx(
            log_loss(setting.validation.target, answers[k] / answers[k].sum(-1, keepdim=True)), rel=1e-5
        )
        assert reached.metric == accuracy_score(setting.validation.target, answers[k].argmax(-1))


def test_of_a_regression_the_error_is_in_the_targets_own_unit() -> None:
    for metric in ("loss", "error"):
        setting = diabetes(metric=metric)
        run = Run(setting, shard_of(2))
        mean, deviation = run.bag.target.scale
        for reached in through(run, Leg(EPOCHS)):
            assert reached.answers is not None
            answers = reached.answers.double().squeeze(-1) * deviation + mean
            rmse = root_mean_squared_error(setting.validation.target, answers)
            assert reached.metric == pytest.approx(rmse, rel=1e-5)
            assert reached.score == pytest.approx(rmse if metric == "error" else (rmse / deviation) ** 2, rel=1e-5)


def test_the_error_of_a_classification_is_the_share_of_wrong_answers() -> None:
    for reached in through(Run(digits(metric="error"), shard_of(2)), Leg(EPOCHS)):
        assert reached.score == pytest.approx(1 - reached.metric)


def test_legs_change_nothing() -> None:
    whole = through(Run(digits(), shard_of(4)), Leg(EPOCHS))
    assert_same(through(Run(digits(), shard_of(4)), Leg(1, (), False), Leg(4, (), False), Leg(EPOCHS)), whole)


def test_who_leaves_keeps_what_it_had_and_the_others_do_not_notice() -> None:
    whole = through(Run(digits(), shard_of(5)), Leg(EPOCHS))
    run = Run(digits(), shard_of(5))
    rung = through(run, Leg(2, (), False))
    assert all(r.living and len(r.curve) == 2 and r.answers is None and math.isnan(r.score) for r in rung)
    found = through(run, Leg(4, (1, 3), False), Leg(EPOCHS, (1, 3, 99)))
    assert_same([r for r in found if r.number not in (1, 3)], [r for r in whole if r.number not in (1, 3)])
    for reached in (found[1], found[3]):
        assert reached.curve == whole[reached.number].curve[:2]
        assert not reached.living and reached.failure == ""


def test_a_run_goes_on_from_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_of, "WORTH_SAVING_SECONDS", 0.0)
    whole = through(Run(digits(), shard_of(4)), Leg(3, (), False), Leg(EPOCHS, (2,)))
    through(Run(digits(), shard_of(4), tmp_path), Leg(3, (), False))
    run = Run(digits(), shard_of(4), tmp_path)
    assert run.bag.population.record.epochs == 3
    assert_same(through(run, Leg(3, (), False), Leg(EPOCHS, (2,))), whole)


def test_a_run_is_saved_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_of, "SAVED_SECONDS", 0.0)
    for progress in Run(digits(), shard_of(2), tmp_path).advance(Leg(EPOCHS)):
        if progress.epoch >= 3:
            break  # as a kill would leave it
    run = Run(digits(), shard_of(2), tmp_path)
    assert 2 <= run.bag.population.record.epochs < EPOCHS
    assert_same(through(run, Leg(EPOCHS)), through(Run(digits(), shard_of(2)), Leg(EPOCHS)))


def test_at_the_deadline_it_is_left_as_it_stands() -> None:
    recipe = replace(SMALL, epochs=100_000)
    run, began = Run(digits(), shard_of(2, recipe=recipe)), time.monotonic()
    reached = through(run, Leg(recipe.epochs, deadline=began + 1.5))
    assert 1.4 < time.monotonic() - began < 15
    assert all(0 < len(r.curve) < recipe.epochs and r.living and math.isfinite(r.score) for r in reached)


def test_a_leg_that_is_late_already_trains_nothing() -> None:
    reached = through(Run(digits(), shard_of(2)), Leg(EPOCHS, deadline=time.monotonic() - 1))
    assert all(r.curve == () and r.living and r.answers is None for r in reached)


def test_what_fails_says_where_and_the_others_do_not_notice() -> None:
    recipe = Recipe(net=MLP(widths=(16,)), optimizer=SGD(), techniques=(L2(),), epochs=EPOCHS)
    rates = [0.1, 1e9, 0.05]
    recipes = tuple(recipe.with_strengths({"optimizer.learning_rate": rate}) for rate in rates)
    found = through(Run(digits(), Shard(0, 0, (0, 1, 2), recipes, (5, 6, 7))), Leg(EPOCHS))
    assert found[1].failure.startswith("step ")
    assert [r.failure for r in (found[0], found[2])] == ["", ""]
    pair = Shard(0, 0, (0, 2), (recipes[0], recipes[2]), (5, 7))
    assert_same([found[0], found[2]], through(Run(digits(), pair), Leg(EPOCHS)))


def test_the_seconds_of_a_run_are_shared_by_epochs_lived_through() -> None:
    recipe = replace(SMALL, techniques=(*SMALL.techniques, Patience(epochs=1)), epochs=40)
    run = Run(digits(), shard_of(6, recipe=recipe))
    reached = through(run, Leg(40))
    epochs = [len(r.curve) for r in reached]
    shares = [r.seconds / run.bag.population.record.seconds for r in reached]
    assert shares == pytest.approx([n / sum(epochs) for n in epochs])


@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0, 0.9)), min_size=1, max_size=30), st.integers(1, 6))
def test_a_generation_is_split_by_structure(drawn: list[tuple[int, float]], most: int) -> None:
    recipes = [Recipe(net=MLP(widths=(8 * width,)), techniques=(Dropout(rate=rate),)) for width, rate in drawn]
    trials = [(10 + i, recipe, i) for i, recipe in enumerate(recipes)]
    shards = split_shards(3, trials, most=most)
    assert sorted(zip(*[sum((getattr(s, n) for s in shards), ()) for n in ("numbers", "seeds")], strict=True)) == [
        (number, seed) for number, _, seed in trials
    ]
    assert [s.index for s in shards] == list(range(len(shards))) and {s.generation for s in shards} == {3}
    assert all(1 <= len(s) <= most and list(s.numbers) == sorted(s.numbers) for s in shards)
    assert all({r.structure() for r in s.recipes} == {s.recipes[0].structure()} for s in shards)
    counts = {width: sum(w == width for w, _ in drawn) for width, _ in drawn}
    assert len(shards) == sum(-(-count // most) for count in counts.values())


def test_a_part_of_a_shard_keeps_what_belongs_together() -> None:
    shard = shard_of(4, first=7)
    part = shard.part([1, 3])
    assert part.numbers == (8, 10) and part.seeds == (1008, 1010)
    assert part.recipes == (shard.recipes[1], shard.recipes[3])
