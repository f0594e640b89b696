"""Repeats: the same splits and seeds for all recipes, in whatever windows memory allows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Data
from wellposed.inputs.given import read_given
from wellposed.inputs.load import load
from wellposed.inputs.parts import split
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD
from wellposed.presets import plain
from wellposed.recipe import Recipe
from wellposed.repeats import known_classes, run_repeats, split_seed
from wellposed.techniques import Dropout, He, Standardize

SMALL = Recipe(net=MLP(widths=(8,)), epochs=3, batch_size=32, techniques=(Standardize(), He(), Dropout(rate=0.2)))
BROKEN = replace(SMALL, optimizer=SGD(learning_rate=1e9), epochs=8)


@pytest.fixture(scope="module")
def wine() -> Data:
    return load("wine")


def with_own_test(data: Data, n: int) -> Data:
    """The first rows, and the others as test rows of their own."""
    at = np.random.default_rng(0).permutation(len(data.rows))
    return replace(data, rows=data.rows.take(at[n:]), test=data.rows.take(at[:n]))


def test_windows_and_populations_change_nothing(wine: Data) -> None:
    recipes = {"a": SMALL, "b": SMALL.with_strengths({"Dropout.rate": 0.6}), "c": replace(SMALL, techniques=(He(),))}
    whole, pieces, each = (
        run_repeats(recipes, wine, repeats=5, dtype=torch.float64, most_bytes=n, metric="cross_entropy")
        for n in (1 << 30, 100_000, 1)
    )
    for name in recipes:
        for found in (pieces, each):
            np.testing.assert_allclose(found.runs[name].scores, whole.runs[name].scores, rtol=1e-10)
            assert found.runs[name].epochs == whole.runs[name].epochs == 15
    assert (whole.n_learning, whole.n_test, whole.name) == (142, 36, "wine")


def test_a_repeat_does_not_depend_on_the_others_nor_on_other_recipes(wine: Data) -> None:
    few = run_repeats({"a": SMALL}, wine, repeats=2, dtype=torch.float64, metric="cross_entropy")
    many = run_repeats({"x": plain, "a": SMALL}, wine, repeats=4, dtype=torch.float64, metric="cross_entropy")
    np.testing.assert_allclose(few.runs["a"].scores, many.runs["a"].scores[:2], rtol=1e-10)
    assert many.runs["x"].recipe == plain("table", 114)


def test_the_same_recipe_gives_the_same_numbers_unless_seeds_differ(wine: Data) -> None:
    paired = run_repeats({"a": SMALL, "b": SMALL}, wine, repeats=3, metric="cross_entropy")
    assert paired.runs["a"].scores.tolist() == paired.runs["b"].scores.tolist()
    apart = run_repeats({"a": SMALL, "b": SMALL}, wine, repeats=3, metric="cross_entropy", paired=False)
    assert apart.runs["a"].scores.tolist() == pytest.approx(paired.runs["a"].scores.tolist(), rel=1e-5)
    assert (apart.runs["a"].scores != apart.runs["b"].scores).all()


def test_splits_are_a_function_of_seed_and_repeat(wine: Data) -> None:
    tested = [
        frozenset(split(wine, test_share=0.2, seed=split_seed(s, r)).test.features.index)
        for s in (0, 1) for r in range(5)
    ]  # fmt: skip
    assert len(set(tested)) == 10


def test_constant_answers_are_the_commonest_class_and_the_mean(wine: Data) -> None:
    found = run_repeats({"a": SMALL}, wine, repeats=3)
    assert found.constant.tolist() == pytest.approx([0.4] * 3, abs=0.02)  # 71 of 178
    numbers = run_repeats({"a": SMALL}, load("diabetes"), repeats=3, metric="r2")
    assert (numbers.constant <= 0).all() and (numbers.constant > -0.1).all()


def test_networks_that_fail_score_as_a_constant_answer_does(wine: Data) -> None:
    found = run_repeats({"a": SMALL, "broken": BROKEN}, wine, repeats=3, metric="cross_entropy")
    run = found.runs["broken"]
    assert run.failed == (0, 1, 2) and found.runs["a"].failed == ()
    for r in run.unanswered:
        assert run.scores[r] == found.constant[r]
    assert np.isfinite(run.scores).all()


def test_own_test_rows_are_the_same_in_each_repeat(wine: Data) -> None:
    found = run_repeats({"a": SMALL}, with_own_test(wine, 50), repeats=3)
    assert (found.n_learning, found.n_test) == (128, 50)
    assert found.constant.std() < 1e-12
    without = found.runs["a"].without
    assert without is not None and without.shape == (3, 20)
    np.testing.assert_allclose(without.mean(1), found.runs["a"].scores, atol=0.02)
    assert run_repeats({"a": SMALL}, wine, repeats=2).runs["a"].without is None


def test_test_rows_of_unknown_classes_are_left_out(wine: Data) -> None:
    parts = split(wine, test_share=0.2, seed=0)
    fewer = replace(parts, train=parts.train.take(np.flatnonzero(parts.train.target != 2)))
    assert 2 not in known_classes(fewer, "classification").test.target
    assert known_classes(parts, "classification") is parts


def test_progress_rises_to_one(wine: Data) -> None:
    told = list[float]()
    run_repeats({"a": SMALL}, wine, repeats=4, most_bytes=60_000, progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0


def test_refuse_what_cannot_be_repeated(wine: Data) -> None:
    for options, match in (
        ({"repeats": 1}, "repeats must be a whole number of at least 2"),
        ({"test_share": 1.0}, "test_share must be in"),
        ({"metric": "rmse"}, "metric must be"),
        ({"paired": 3}, "paired must be true or false"),
    ):
        with pytest.raises(BadInput, match=match):
            run_repeats({"a": SMALL}, wine, **options)
    one_sided = read_given((np.random.default_rng(0).normal(size=(40, 2)), [0] * 38 + [1] * 2))
    with pytest.raises(BadInput, match="The metric auc must be defined on the test rows"):
        run_repeats({"a": SMALL}, one_sided, repeats=4, metric="auc")
