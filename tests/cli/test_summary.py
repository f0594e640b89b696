"""What is said first: what the search did, in a few lines, and the rest of a result."""

from typing import Any

import pytest

from wellposed.cli.summary import search_summary

OPTIMISM = {"score": "log_loss", "apparent": 0.2, "corrected": 0.25, "low": 0.1, "high": 0.4}


def found(states: list[str], **other: Any) -> dict[str, Any]:
    known = {"seconds": 1.26, "refit": "all", "optimism": None, "chosen": [{"trial": 3, "networks": 2}]}
    return {"trials": [{"state": state} for state in states], **known, **other}


def test_states_are_counted_and_those_without_trials_left_out() -> None:
    lines = search_summary(found(["complete", "pruned", "pruned", "failed"])).splitlines()
    assert lines == [
        "4 trials (1 complete, 2 pruned, 1 failed) in 1.3 s",
        "networks: 2 of trial 3; trained on all but the test rows",
    ]
    assert search_summary(found(["complete"])).startswith("1 trials (1 complete) in")


def test_who_answers_and_what_they_learned_from() -> None:
    chosen = [{"trial": 3, "networks": 2}, {"trial": 0, "networks": 1}]
    told = search_summary(found(["complete"], chosen=chosen, refit="train"))
    assert told.endswith("networks: 2 of trial 3, 1 of trial 0; trained on the training rows")


@pytest.mark.parametrize(("score", "words"), [("log_loss", "log loss"), ("squared_error", "squared error")])
def test_what_to_expect_on_new_rows(score: str, words: str) -> None:
    told = search_summary(found(["complete"], optimism={**OPTIMISM, "score": score}))
    assert told.splitlines()[-1] == (
        f"the best trial's {words} is 0.2000 on the validation rows that chose it; on new rows expect 0.2500"
        " [0.1000, 0.4000]"
    )


def test_the_whole_is_printed_in_order(run) -> None:
    done = run("fit", "iris", "--recipe", "short.toml", "--trials", 4, "--members", 2, "--out", "a[b]")
    heads = ["iris: ", "  note: ", "4 trials ", "networks: ", "the best trial's log loss", "2 networks, MLP("]
    heads += ["train ", "validation ", "test ", "generalization gap of one network", "One network's Brier score"]
    lines = done.out.splitlines()
    places = [next(i for i, line in enumerate(lines) if line.startswith(head)) for head in heads]
    assert places == sorted(places) and lines[-1].endswith("Look at a[b]/report.html")
