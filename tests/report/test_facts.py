import math
import shlex
from typing import Any

import pytest

from wellposed.report.facts import (
    bagging_words,
    command,
    end_words,
    epochs,
    gap_words,
    members,
    score_interval,
    structure_words,
    technique_names,
    thinned,
)
from wellposed.statistics import proportion_interval

NAN, INF = math.nan, math.inf


def a_result(**changes: Any) -> dict[str, Any]:
    """Three networks: one that stopped, one that failed before it was ever evaluated, one that reached the end."""
    result: dict[str, Any] = {
        "data": {"name": "some data.csv", "task": "classification", "target": "price; rm"},
        "split": {"train": 60, "validation": 20, "test": 20},
        "metrics": {part: {"accuracy": share} for part, share in (("train", 1.0), ("validation", 0.9), ("test", 0.85))},
        "gap": {"metric": "accuracy", "estimate": 0.15, "low": 0.1, "high": 0.2, "level": 0.95},
        "members": {
            "count": 3,
            "usable": 2,
            "failed": [{"member": 1, "step": 1234, "where": "1.dense"}],
            "best_epoch": [1, 0, 2],
            "ended": [2, 1, 3],
            "accuracy": {"train": [1.0, 0.9], "validation": [0.9, 0.8], "test": [0.8, None]},
        },
        "curves": {
            "train_loss": [[3.0, NAN, 5.0], [2.0, None, 4.0], [NAN, NAN, 1.0]],
            "validation_loss": [[3.0, INF, 5.0], [2.0, None, 4.0], [None, None, None]],
        },
        "seed": 7,
    }
    return result | changes


def test_interval_is_wilsons_over_the_test_rows() -> None:
    assert score_interval(a_result()) == proportion_interval(17, 20)


def test_there_is_no_interval_without_an_accuracy() -> None:
    assert score_interval(a_result(metrics={"test": {"rmse": 3.0}})) is None
    assert score_interval(a_result(metrics={"test": {"accuracy": None}})) is None


def test_members_find_their_own_scores_past_those_that_have_none() -> None:
    first, failed, last = members(a_result())
    assert (first.number, first.ended, first.kept) == (1, 2, (1,))
    assert first.scores == {"train": 1.0, "validation": 0.9, "test": 0.8}
    assert failed.scores == {}
    assert failed.failure == "step 1,234, 1.dense"
    assert last.scores == {"train": 0.9, "validation": 0.8}


def test_epochs_count_finite_losses_only() -> None:
    rows = {(row.part, row.epoch): row for row in epochs(a_result())}
    assert sorted(rows) == [("train", 1), ("train", 2), ("train", 3), ("validation", 1), ("validation", 2)]
    first, last = rows["train", 1], rows["train", 3]
    assert (first.count, first.mean, first.low, first.high) == (2, 4.0, 3.0, 5.0)
    assert (last.count, last.mean) == (1, 1.0)


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        ({"estimate": 0.15, "low": 0.1, "high": 0.2}, "15.0 percentage points more often"),
        ({"estimate": -0.15, "low": -0.2, "high": -0.1}, "15.0 percentage points less often"),
        ({"estimate": -0.15, "low": -0.2, "high": -0.1}, "10.0 to 20.0 percentage points."),
        ({"estimate": 0.01, "low": -0.1, "high": 0.12}, "a gap is not shown"),
        ({"estimate": 0.15, "low": None, "high": None}, "there is no interval"),
        ({"estimate": 0.15, "low": -INF, "high": INF}, "there is no interval"),
        ({"estimate": -0.15, "low": -INF, "high": INF}, "there is no interval"),
        ({"estimate": None, "low": None, "high": None}, "not known"),
        ({"metric": "rmse", "estimate": 11.75, "low": 6.6, "high": 16.9}, "11.75 lower on training rows"),
        ({"metric": "rmse", "estimate": -11.75, "low": -16.9, "high": -6.6}, "11.75 higher on training rows"),
    ],
)
def test_gap_in_words(gap: dict[str, Any], words: str) -> None:
    assert words in gap_words(a_result(gap={"metric": "accuracy"} | gap))


def test_end_in_words() -> None:
    listed = members(a_result())
    assert "no network stopped early" in end_words(listed, {"epochs": 2})
    assert "1 of 2 networks" in end_words(listed, {"epochs": 3})
    assert "every network" in end_words(listed, {"epochs": 4})


def test_structure_in_words() -> None:
    assert structure_words({}) == "MLP"
    net = {"kind": "CNN", "channels": [8, 16, 32], "widths": [64], "residual": True, "flat": False, "empty": []}
    assert structure_words({"net": net}) == "CNN with channels 8, 16 and 32, widths 64, residual"


def test_technique_names_pass_over_what_is_none() -> None:
    assert technique_names({"technique": [{"kind": "He"}, {}, 3, {"kind": "Vote"}]}) == ["He", "Vote"]


@pytest.mark.parametrize("n", [0, 1, 4, 5, 6, 7, 99, 100, 101, 150, 1000])
@pytest.mark.parametrize("limit", [4, 100])
def test_thinned_keeps_both_ends_and_the_limit(n: int, limit: int) -> None:
    kept = thinned(range(n), limit)
    assert len(kept) <= limit
    assert kept == sorted(set(kept))
    assert kept[:1] + kept[-1:] == ([0, n - 1] if n else [])
    if n <= limit:
        assert kept == list(range(n))


def test_command_is_safe_to_paste() -> None:
    words = shlex.split(command(a_result()))
    assert words[:5] == ["wellposed", "fit", "some data.csv", "--target", "price; rm"]
    assert words[-4:] == ["--members", "3", "--seed", "7"]


def test_command_names_the_columns_that_were_named() -> None:
    result = a_result()
    result["data"] = {**result["data"], "flags": ["--text", "what he said"]}
    assert shlex.split(command(result))[3:6] == ["--text", "what he said", "--target"]


def test_snapshots_are_kept_by_one_network() -> None:
    result = a_result()
    result["members"] |= {"kept_epochs": [[1, 2], [], [2]], "snapshots": 2, "passes": 1}
    assert [m.kept for m in members(result)] == [(1, 2), (), (2,)]
    assert [bool(m.scores) for m in members(result)] == [True, False, True]


BAGGING = {"v": 0.25, "c": 0.05, "predicted": 0.15, "measured": 0.15}


def test_bagging_in_words() -> None:
    words = bagging_words(a_result(bagging=BAGGING))
    assert words == (
        "One network's Brier score on test rows: 0.2500; common to two: 0.0500."
        " Predicted for all: 0.1500; measured: 0.1500."
    )
    free = {"rows": 1, "accuracy": 0.5}
    words = bagging_words(a_result(bagging={**BAGGING, "out_of_bag": free}))
    assert words.endswith("Out of the bag, 1 training row answered by networks not trained on it: accuracy 0.5000.")
    assert bagging_words(a_result(bagging={**BAGGING, "out_of_bag": {"rows": 0}})).endswith("measured: 0.1500.")


def test_bagging_of_numbers_tells_the_unit() -> None:
    result = a_result(bagging={**BAGGING, "out_of_bag": {"rows": 9, "rmse": 2.0}})
    result["data"] = {**result["data"], "task": "regression"}
    words = bagging_words(result)
    assert "0.2500 of the target's variance;" in words
    assert words.endswith("9 training rows answered by networks not trained on them: root mean squared error 2.000.")


@pytest.mark.parametrize("bagging", [{}, {**BAGGING, "v": None}, {**BAGGING, "measured": NAN}])
def test_of_bagging_that_is_not_known_nothing_is_said(bagging: dict[str, Any]) -> None:
    assert bagging_words(a_result(bagging=bagging)) == ""


def test_one_network_has_nothing_in_common_but_its_snapshots_have() -> None:
    result = a_result(bagging=BAGGING)
    result["members"]["usable"] = 1
    assert bagging_words(result) == ""
    result["members"]["snapshots"] = 2
    assert bagging_words(result).startswith("One network's")
