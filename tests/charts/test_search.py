import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.charts import (
    best_so_far,
    importance_bars,
    parallel_coordinates,
    ranges,
    rewards,
    strength_scatter,
)

EVIL = "<script>alert(1)</script>"
NAMES = ("net", "rate", "blocks", EVIL)
DIMENSIONS = pd.DataFrame(
    [
        ("net", "choice", 0.0, 0.0, False, ["MLP", "CNN", "RNN"]),
        ("rate", "real", 1e-4, 1e-2, True, []),
        ("blocks", "whole", 1, 5, False, []),
        (EVIL, "real", 0.0, 0.5, False, []),
    ],
    columns=["name", "kind", "low", "high", "log", "options"],
)
VALUES = {"net": "CNN", "rate": 1e-3, "blocks": 2, EVIL: 0.5}
SHARES = {"net": 0.5, "rate": 0.5, "blocks": 0.25, EVIL: 1.0}
"""Where each of the values lies on its own scale, by hand."""


def leaves(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers that draw, each with the `rows` that it draws."""
    found: list[dict[str, Any]] = []

    def walk(part: dict[str, Any], data: dict[str, Any]) -> None:
        data = part.get("data", data)
        if "mark" in part:
            found.append(part | {"rows": data["values"] if "values" in data else spec["datasets"][data["name"]]})
        for layer in (*part.get("layer", ()), *part.get("concat", ())):
            walk(layer, data)

    walk(spec, {})
    return found


def chosen(trials: list[dict[str, Any]], scores: list[float]) -> pd.DataFrame:
    """A row for each value of each trial."""
    rows = [(i, s, n, v) for i, (t, s) in enumerate(zip(trials, scores, strict=True)) for n, v in t.items()]
    return pd.DataFrame(rows, columns=["trial", "score", "name", "value"], dtype=object)


def test_best_so_far_has_steps_points_and_those_without_a_score_at_the_edge() -> None:
    frame = pd.DataFrame(
        {"trial": [0, 1, 2, 3], "score": [0.5, math.nan, 0.6, 0.2], "best": [0.5, 0.5, 0.5, 0.2]}
    ).assign(state=["complete", "failed", "pruned", "complete"])
    spec = best_so_far(frame, score="validation loss").to_dict()
    line, dots, edge = leaves(spec)
    assert line["mark"]["interpolate"] == "step-after"
    assert [row["best"] for row in line["rows"]] == [0.5, 0.5, 0.5, 0.2]
    assert [row["trial"] for row in dots["rows"]] == [0, 2, 3]
    assert [row["trial"] for row in edge["rows"]] == [1]
    assert "value" in edge["encoding"]["y"]
    shapes = dots["encoding"]["shape"]["scale"]
    assert dict(zip(shapes["domain"], shapes["range"], strict=True)) == {
        "complete": "circle", "failed": "cross", "pruned": "triangle-down",
    }  # fmt: skip
    assert spec["description"] == "The validation loss of 4 trials; the best falls from 0.5000 to 0.2000."


def test_best_so_far_of_failures_alone_says_so() -> None:
    frame = pd.DataFrame({"trial": [0], "score": [math.nan], "best": [math.nan], "state": ["failed"]})
    assert best_so_far(frame).to_dict()["description"] == "The score of 1 trial; none has a score."


@given(st.lists(st.sets(st.sampled_from(NAMES), min_size=1), min_size=1, max_size=9))
def test_a_line_joins_neighbours_that_both_exist_and_no_others(present: list[set[str]]) -> None:
    trials = [{name: VALUES[name] for name in names} for names in present]
    spec = parallel_coordinates(chosen(trials, [float(i) for i in range(len(trials))]), dimensions=DIMENSIONS).to_dict()
    line, dots = leaves(spec)[1:3]
    assert line["rows"] == dots["rows"]
    joined = set()
    for path in {row["path"] for row in line["rows"]}:
        steps = [row["row"] for row in line["rows"] if row["path"] == path]
        assert steps == list(range(steps[0], steps[0] + len(steps)))
        joined |= {(int(path.split("/")[0]), i) for i in steps[:-1]}
    oracle = {
        (k, i) for k, names in enumerate(present) for i in range(3) if NAMES[i] in names and NAMES[i + 1] in names
    }
    assert joined == oracle
    assert sorted((row["trial"], row["name"]) for row in dots["rows"]) == sorted(
        (k, name) for k, names in enumerate(present) for name in names
    )


def test_values_lie_on_the_scale_of_their_dimension() -> None:
    points = leaves(parallel_coordinates(chosen([VALUES], [0.1]), dimensions=DIMENSIONS).to_dict())[2]["rows"]
    assert {row["name"]: row["share"] for row in points} == pytest.approx(SHARES)
    assert {row["name"]: row["told"] for row in points} == {"net": "CNN", "rate": "0.001", "blocks": "2", EVIL: "0.5"}


def test_trials_are_shaded_by_fifths_the_best_above_the_others() -> None:
    scores = [0.3, 0.1, math.nan, 0.9, 0.5, 0.7, 0.2, 0.4, 0.6, 0.8, 1.0]
    spec = parallel_coordinates(chosen([{"rate": 1e-3}] * 11, scores), dimensions=DIMENSIONS).to_dict()
    drawn = [(row["score"], row["fifth"]) for row in leaves(spec)[1]["rows"]]
    assert [score for score, _ in drawn] == sorted((s for s in scores if s == s), reverse=True)
    assert [fifth for _, fifth in drawn[::2]] == ["worst fifth", "fourth", "third", "second", "best fifth"]
    assert [fifth for _, fifth in drawn[::2]] == [fifth for _, fifth in drawn[1::2]]


def test_ends_and_options_stand_below_each_dimension() -> None:
    spec = parallel_coordinates(chosen([VALUES], [0.1]), dimensions=DIMENSIONS).to_dict()
    texts = {(row["row"], row["text"]): row["share"] for leaf in leaves(spec)[3:9] for row in leaf["rows"]}
    assert texts == {
        (0, "MLP"): 0.0, (0, "CNN"): 0.5, (0, "RNN"): 1.0, (1, "0.0001"): 0.0, (1, "0.01"): 1.0, (2, "1"): 0.0,
        (2, "5"): 1.0, (3, "0"): 0.0, (3, "0.5"): 1.0,
    }  # fmt: skip


def test_scatter_has_a_chart_a_dimension_logarithmic_where_it_is() -> None:
    frame = chosen([VALUES, {"rate": 1e-4}], [0.1, 0.2])
    spec = strength_scatter(frame, dimensions=DIMENSIONS, score="loss").to_dict()
    axes = [leaf["encoding"]["x"] for leaf in leaves(spec)]
    assert [axis["title"] for axis in axes] == list(NAMES)
    assert [axis["scale"].get("type") for axis in axes] == [None, "log", "linear", "linear"]
    assert axes[0]["scale"]["domain"] == ["MLP", "CNN", "RNN"]
    assert [len(leaf["rows"]) for leaf in leaves(spec)] == [1, 2, 1, 1]
    assert spec["description"] == "The loss of 2 trials against each of 4 dimensions."


def test_importance_is_told_and_drawn_from_nought() -> None:
    spec = importance_bars(pd.DataFrame({"name": ["rate", EVIL], "share": [0.625, math.nan]})).to_dict()
    bar, *_ = leaves(spec)
    assert [(row["zero"], row["share"]) for row in bar["rows"]] == [(0, 0.625), (0, None)]
    assert spec["description"] == f"Importance: rate: 62\N{NO-BREAK SPACE}%; {EVIL}: –."


def test_ranges_lie_on_their_own_scale() -> None:
    frame = pd.DataFrame(
        [
            ("rate", 1e-4, 1e-2, 1e-3, 1e-2, 1e-3, True),
            ("blocks", 1, 5, 2, 4, 3, False),
            ("none", 0.0, 1.0, 0.0, 0.5, None, False),
        ],
        columns=["name", "low", "high", "new_low", "new_high", "best", "log"],
    )
    whole, new, best, *_ = leaves(ranges(frame).to_dict())
    assert [(row["start"], row["end"]) for row in whole["rows"]] == [(0, 1)] * 3
    assert [row["at_new_low"] for row in new["rows"]] == pytest.approx([0.5, 0.25, 0.0])
    assert [row["at_new_high"] for row in new["rows"]] == pytest.approx([1.0, 0.75, 0.5])
    assert [row["at_best"] for row in best["rows"]] == [pytest.approx(0.5), 0.5, None]
    assert best["rows"][0]["head"] == "rate: 0.001 to 0.01, best 0.001"


def test_ranges_are_linear_where_nothing_else_is_said() -> None:
    frame = pd.DataFrame([{"name": "x", "low": 1.0, "high": 3.0, "new_low": 1.0, "new_high": 2.0, "best": 9.0}])
    (row,) = leaves(ranges(frame).to_dict())[0]["rows"]
    assert (row["at_new_low"], row["at_new_high"], row["at_best"]) == (0.0, 0.5, 1.0)


def test_rewards_have_points_and_the_mean_of_each_round() -> None:
    frame = pd.DataFrame({"round": [1, 1, 2], "reward": [0.5, math.nan, 0.7], "kind": ["learned", "random", "random"]})
    line, dots = leaves(rewards(frame, reward="accuracy").to_dict())
    assert line["encoding"]["y"]["aggregate"] == "mean"
    assert [row["reward"] for row in dots["rows"]] == [0.5, 0.7]
    assert dots["encoding"]["shape"]["scale"]["domain"] == ["learned", "random"]
    assert len(set(dots["encoding"]["shape"]["scale"]["range"])) == 2
