"""Additive functions, whose importances are known exactly; what matters only under an option; and what says nothing."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.search_space import Dimension, Value
from wellposed.study.importance import importances
from wellposed.study.samplers import propose
from wellposed.study.trial import State, Trial

A = Dimension(name="a", kind="real", low=0.0, high=1.0)
B = Dimension(name="b", kind="real", low=1e-4, high=1.0, log=True)
C = Dimension(name="c", kind="whole", low=1, high=9)
NORM = Dimension(name="norm", kind="choice", options=("none", "batch"))
SHARE = Dimension(name="share", kind="real", low=0.0, high=1.0, when=("norm", ("batch",)))
RECIPE = Recipe()


def trial(number: int, values: Mapping[str, Value], score: float, state: State = "complete") -> Trial:
    return Trial(number=number, generation=0, shard=0, values=values, recipe=RECIPE, seed=0, state=state, score=score)


def tried(dimensions: Sequence[Dimension], score: Callable[[Mapping[str, Value]], float], n: int) -> list[Trial]:
    return [trial(i, v, score(v)) for i, v in enumerate(propose(dimensions, [], n=n, sampler="sobol", seed=0))]


def test_an_additive_function_is_explained_by_its_parts() -> None:
    """3 a + 2 u(b), u even on the logarithmic scale: 9/13 and 4/13 of the variance, and nothing for c.

    The forest smooths and its trees differ: its shares are within 0.1 of that on 128 trials.
    """
    found = importances(
        [A, B, C],
        tried([A, B, C], lambda v: 3 * float(v["a"]) + math.log10(float(v["b"])) / 2, 128),
        seed=0,
        explain="scores",
    )
    assert found.shares == pytest.approx({"a": 9 / 13, "b": 4 / 13, "c": 0.0}, abs=0.1)
    assert list(found.shares) == ["a", "b", "c"]
    assert found.explained > 0.8 and not found.note


def test_what_two_do_together_is_nobody_s_own() -> None:
    """(a - 1/2)(u(b) - 1/2) has no main effects at all."""
    found = importances(
        [A, B], tried([A, B], lambda v: (float(v["a"]) - 0.5) * (math.log10(float(v["b"])) + 2), 128), seed=0
    )
    assert max(found.shares.values()) < 0.1
    assert 0 <= sum(found.shares.values()) <= 1


def test_a_dimension_matters_as_far_as_its_option_is_likely() -> None:
    """Norm adds 1 or the share: by hand, with norm Bernoulli(1/2), Var = 1/8 + 1/48 + (the interaction) 1/48.

    f = 1 without and `s` with it: E f = 3/4; main effect of norm 1/16, of the share (s/2)'s variance 1/48, of both
    together 1/48. Of their sum 5/48: 3/5, 1/5 and 1/5.
    """
    dimensions = [NORM, SHARE, A]
    found = importances(
        dimensions, tried(dimensions, lambda v: float(v.get("share", 1.0)), 128), seed=0, explain="scores"
    )
    assert found.shares == pytest.approx({"norm": 0.6, "share": 0.2, "a": 0.0}, abs=0.1)


def test_a_few_that_diverged_do_not_hide_the_rest() -> None:
    """Above a = 0.97 the score explodes: ranks still see that b makes nearly all the difference below."""
    trials = tried([A, B], lambda v: 1e9 if float(v["a"]) > 0.97 else math.log10(float(v["b"])), 128)
    assert importances([A, B], trials, seed=0).shares["b"] > 0.7
    assert importances([A, B], trials, seed=0, explain="scores").shares["b"] < 0.2


def test_noise_is_called_noise() -> None:
    """Scores without any connection: the forest does no better than the mean on trials that it was not shown."""
    rng = np.random.default_rng(0)
    found = importances([A, B, C], tried([A, B, C], lambda v: float(rng.normal()), 64), seed=0)
    assert found.explained < 0.1
    assert "read nothing into this" in str(found)


def test_the_same_seed_says_the_same_and_only_complete_trials_count() -> None:
    trials = tried([A, NORM, SHARE], lambda v: float(v["a"]), 20)
    first = importances([A, NORM, SHARE], trials, seed=3)
    other = [
        trial(20, {"a": 0.5, "norm": "none"}, math.nan, "failed"),
        trial(21, {"a": 0.5, "norm": "none"}, 9.0, "pruned"),
        trial(22, {"a": 0.5, "norm": "none"}, math.inf),
        trial(23, {"by hand": 1}, 0.0),
    ]
    assert importances([A, NORM, SHARE], [*trials, *other], seed=3) == first
    assert first.n_trials == 20


def test_it_reads_well() -> None:
    found = importances([A, B], tried([A, B], lambda v: float(v["a"]), 32), seed=0)
    frame = found.to_frame()
    assert frame["dimension"].tolist() == ["a", "b"] and frame["importance"].is_monotonic_decreasing
    assert found.to_json()["shares"] == found.shares
    lines = str(found).splitlines()
    assert lines[0] == "Share of the variation of the score that each explains alone (32 trials):"
    assert lines[1].split()[0] == "a" and lines[-1].split()[0] == "(together)"


@pytest.mark.parametrize(
    ("trials", "note"),
    [
        ([], "Importances need at least 10 complete trials; there are 0."),
        ([trial(i, {"a": i / 9}, 1.0) for i in range(10)], "All trials have the same score: nothing matters here."),
        ([trial(i, {"a": 0.5}, i) for i in range(10)], "Nothing varied between the trials."),
    ],
)
def test_too_little_is_said_in_a_sentence(trials: list[Trial], note: str) -> None:
    found = importances([A], trials, seed=0)
    assert str(found) == note
    assert found.to_frame().empty and found.to_json()["explained"] is None


def test_refuses_another_word() -> None:
    with pytest.raises(BadInput, match="explain must be 'ranks' or 'scores'"):
        importances([A], [], seed=0, explain="loss")  # type: ignore[arg-type]
