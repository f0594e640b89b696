import math
from typing import Any

import pandas as pd
import pytest

from wellposed.study.pages import (
    N_BEST,
    N_DIMENSIONS,
    bag_words,
    best_first,
    choice_frame,
    difference_words,
    main_dimensions,
    optimism_words,
    outcome_words,
    policy_sections,
    refit_words,
    score_frame,
    search_sections,
    sections,
    trial_frame,
    value_frame,
)

NAN = math.nan
SPACE = "\N{NO-BREAK SPACE}"


def a_trial(number: int, score: float | None, *, state: str = "complete", **values: Any) -> dict[str, Any]:
    return {
        "number": number, "generation": 0, "state": state, "epochs": 5, "score": score,
        "metric": None if score is None else 1 - score, "seconds": 0.5, "values": values or {"rate": 0.1},
    }  # fmt: skip


def a_dimension(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "real", "low": 0.0, "high": 1.0, "log": False, "options": []}


def a_search(**changes: Any) -> dict[str, Any]:
    search = {
        "trials": [
            a_trial(0, 0.4, rate=0.5, depth=1.0),
            a_trial(1, 0.1, state="pruned"),
            a_trial(2, NAN, state="failed"),
            a_trial(3, 0.3, rate=0.2),
        ],
        "dimensions": [a_dimension("depth"), a_dimension("rate"), a_dimension("never")],
        "sampler": "tpe",
        "halving": "hyperband",
        "refit": "train",
        "metric": "accuracy",
        "importance": {"rate": 0.7, "depth": 0.2},
        "optimism": {"apparent": 0.7, "corrected": 0.6, "low": 0.5, "high": 0.65, "metric": "accuracy"},
        "chosen": [{"trial": 3, "networks": 5}, {"trial": 0, "networks": 1}],
    }
    return search | changes


def test_without_a_search_there_is_nothing_to_say() -> None:
    assert sections({}) == sections({"search": None, "policy": None}) == []


def test_complete_trials_come_before_those_that_left() -> None:
    assert [trial["number"] for trial in best_first(a_search()["trials"])] == [3, 0, 1]


def test_best_so_far_is_of_complete_trials() -> None:
    frame = score_frame(a_search()["trials"])
    assert frame["best"].tolist() == [0.4, 0.4, 0.4, 0.3]
    assert score_frame([a_trial(0, None, state="failed")])["best"].isna().all()


def test_outcome_in_words() -> None:
    assert outcome_words(a_search()) == (
        "4 trials (sampler tpe, halving hyperband) in 2.000 seconds of training: 2 complete, 1 left before the end, "
        "1 failed. The best is trial 3: accuracy 0.7000 on validation rows."
    )
    alone = outcome_words(a_search(halving="none", trials=[a_trial(0, NAN, state="failed")]))
    assert alone.startswith("1 trial (sampler tpe) in 0.5000 seconds")
    assert alone.endswith("1 failed. None has a score.")


def test_optimism_in_words() -> None:
    assert optimism_words(a_search()) == (
        "The best of many looks better than it is on the rows that chose it: accuracy 0.7000 there, "
        f"0.6000 expected of fresh rows (95{SPACE}% interval 0.5000 to 0.6500). The search never saw the test rows."
    )
    one = optimism_words(a_search(optimism={"apparent": 0.7, "corrected": 0.6, "low": NAN, "high": None}))
    assert "interval" not in one


@pytest.mark.parametrize("found", [None, {}, {"apparent": 0.7, "corrected": None}])
def test_of_optimism_that_is_not_known_nothing_is_said(found: dict[str, Any] | None) -> None:
    assert optimism_words(a_search(optimism=found)) == ""


def test_bag_and_refit_in_words() -> None:
    assert bag_words(a_search()) == "The bag: 5 networks by the recipe of trial 3, 1 by that of trial 0."
    assert bag_words({}) == refit_words({}) == ""
    assert refit_words({"refit": "train"}).endswith("on the rows that the search trained on.") and not refit_words({})


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (None, "nothing is claimed"),
        ({"estimate": NAN}, "nothing is claimed"),
        ({"estimate": 0.02}, "Difference in accuracy to random policies: 0.0200, without an interval."),
        ({"estimate": 0.02, "low": 0.01, "high": 0.03}, f"0.0200 (95{SPACE}% interval 0.0100 to 0.0300)."),
        ({"estimate": 0.02, "low": -0.01, "high": 0.05}, "The interval holds 0: a difference is not shown."),
    ],
)
def test_a_policy_is_worth_its_difference_to_random_ones(difference: dict[str, Any] | None, words: str) -> None:
    assert words in difference_words({"difference": difference}, "accuracy")


def test_dimensions_that_no_trial_has_are_not_drawn() -> None:
    assert [d["name"] for d in main_dimensions(a_search())] == ["depth", "rate"]


@pytest.mark.parametrize("importance", [None, {f"d{i}": 1.0 / (i + 1) for i in range(20)}])
def test_of_many_dimensions_those_that_matter_are_drawn_in_their_order(importance: dict[str, float] | None) -> None:
    dimensions = [a_dimension(f"d{i}") for i in reversed(range(20))]
    trials = [a_trial(k, 0.1, **{f"d{i}": 0.5 for i in range(20 - k)}) for k in range(20)]
    found = main_dimensions(a_search(dimensions=dimensions, trials=trials, importance=importance))
    assert [d["name"] for d in found] == [f"d{i}" for i in reversed(range(N_DIMENSIONS))]
    text = search_sections(a_search(dimensions=dimensions, trials=trials, importance=importance))[1].caption
    assert ("that explain most" if importance else "that most trials have") in text


def test_tables_hold_what_is_drawn() -> None:
    search = a_search()
    frame = choice_frame(best_first(search["trials"]), search, "accuracy")
    assert list(frame.columns) == ["trial", "state", "score", "accuracy", "in the bag", "depth", "rate"]
    assert frame["in the bag"].tolist() == [5, 1, 0]
    assert frame["depth"].tolist() == [None, 1.0, None]
    assert "in the bag" not in choice_frame(search["trials"], a_search(chosen=None), "accuracy")
    assert len(trial_frame(search["trials"], "accuracy")) == 4
    assert set(map(tuple, value_frame(search["trials"])[["trial", "name"]].to_numpy())) == {
        (0, "rate"), (0, "depth"), (1, "rate"), (2, "rate"), (3, "rate"),
    }  # fmt: skip


def test_sections_of_a_search() -> None:
    found = search_sections(a_search())
    assert [s.title for s in found] == [
        "The search",
        "Where the best recipes lie",
        "The best 3 trials",
        "What mattered",
    ]
    assert [s.chart is not None for s in found] == [True, True, False, True]
    assert all(s.table is not None for s in found)
    assert len(found[0].notes) == 4


def test_sections_leave_out_what_is_not_known() -> None:
    failed = search_sections(a_search(trials=[a_trial(0, None, state="failed")], chosen=[], optimism=None, refit=""))
    assert [s.title for s in failed] == ["The search"]
    assert len(failed[0].notes) == 1
    fixed = search_sections(a_search(trials=[a_trial(0, 0.1)], dimensions=[], importance=None))
    assert [s.title for s in fixed] == ["The search", "The best trial"]


def test_the_best_are_few_and_of_many_trials_an_even_part_is_drawn() -> None:
    trials = [a_trial(i, 1.0 / (i + 1)) for i in range(5000)]
    found = search_sections(a_search(trials=trials))
    best = found[2].table
    assert best is not None
    assert best["trial"].tolist() == list(range(4999, 4999 - N_BEST, -1))
    assert len(str(found[0].chart.to_dict())) < 1e6
    assert len(str(found[1].chart.to_dict())) < 2e5


def test_policy_has_its_rewards_and_what_it_found() -> None:
    policy = {
        "strategy": "reinforce",
        "claim": "Not shown to be better.",
        "metric": "accuracy",
        "difference": {"estimate": 0.01, "low": -0.01, "high": 0.03},
        "rewards": [{"round": 1, "reward": 0.8, "kind": "learned"}, {"round": 1, "reward": 0.7, "kind": "random"}],
        "operations": [{"operation": "Rotate", "probability": 0.5, "magnitude": 0.1}],
    }
    rewards, found = policy_sections(policy)
    assert rewards.chart is not None
    assert rewards.notes[1] == "Not shown to be better."
    assert isinstance(found.table, pd.DataFrame)
    (alone,) = policy_sections(policy | {"rewards": [], "operations": []})
    assert alone.chart is None
