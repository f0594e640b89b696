import math
from typing import Any

import numpy as np
import pytest

from wellposed.report.facts import epochs, members
from wellposed.report.figures import loss_curves, member_scores

NAN = math.nan


def a_result(k: int = 3, *, task: str = "classification", n_epochs: int = 6) -> dict[str, Any]:
    """A result with what the figures look at; each member's losses fall, the last one's end halfway."""
    name = "accuracy" if task == "classification" else "rmse"
    falling = [[(10.0 + i) / 2**epoch for i in range(k)] for epoch in range(n_epochs)]
    for losses in falling[n_epochs // 2 :]:
        losses[-1] = NAN if k > 1 else losses[-1]
    scores = {"train": [0.9 + 0.01 * i for i in range(k)], "test": [0.8 + 0.01 * i for i in range(k)]}
    return {
        "data": {"task": task},
        "metrics": {part: {name: 0.95} for part in ("train", "validation", "test")},
        "members": {
            "count": k,
            "usable": k,
            "failed": [],
            "best_epoch": [2] * k,
            "ended": [n_epochs] * k,
            name: scores | {"validation": scores["test"]},
        },
        "curves": {"train_loss": falling, "validation_loss": [[2 * v for v in losses] for losses in falling]},
    }


def drawn(result: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both charts as Vega-Lite, the loss first."""
    found = members(result)
    return loss_curves(result, epochs(result), found).to_dict(), member_scores(result, found).to_dict()


def rows(spec: dict[str, Any], layer: int) -> list[dict[str, Any]]:
    data = spec["layer"][layer]["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def test_every_member_has_a_line_in_each_part_without_what_is_not_finite() -> None:
    result = a_result()
    lines = rows(drawn(result)[0], 0)
    assert [(row["part"], row["member"]) for row in lines] == [
        (p, m) for p in ("train", "validation") for m in (1, 2, 3)
    ]
    assert lines[0]["epoch"] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(lines[0]["loss"], [row[0] for row in result["curves"]["train_loss"]], rtol=1e-5)
    assert lines[2]["epoch"] == [1, 2, 3]


def test_mean_is_drawn_while_half_of_the_members_train() -> None:
    result = a_result(k=4)
    for losses in result["curves"]["train_loss"][4:]:
        losses[:2] = [None, None]
    means = [row for row in rows(drawn(result)[0], 1) if row["part"] == "train"]
    assert [(row["epoch"], row["members"]) for row in means] == [(1, 4), (2, 4), (3, 4), (4, 3)]
    assert means[0]["loss"] == pytest.approx(11.5)


def test_rings_stand_where_weights_were_kept() -> None:
    result = a_result()
    result["members"]["best_epoch"] = [2, 0, 99]  # the second has none; the third was reached by a part of an epoch
    result["members"]["usable"] = 2
    (ring,) = rows(drawn(result)[0], 2)
    assert (ring["member"], ring["epoch"], ring["loss"]) == (1, 2, result["curves"]["validation_loss"][1][0])


@pytest.mark.parametrize(("scale", "kind"), [(1.0, "log"), (0.0, None)])
def test_axis_is_logarithmic_where_losses_are_positive_and_range_far(scale: float, kind: str | None) -> None:
    result = a_result()
    for curve in result["curves"].values():
        curve[-1] = [scale * v for v in curve[-1]]
    assert drawn(result)[0]["layer"][0]["encoding"]["y"]["scale"].get("type") == kind


@pytest.mark.parametrize(("task", "name"), [("classification", "accuracy"), ("regression", "root mean squared error")])
def test_scores_of_members_and_bag(task: str, name: str) -> None:
    result = a_result(task=task)
    spec = drawn(result)[1]
    metric = "accuracy" if task == "classification" else "rmse"
    for part in ("train", "test"):
        shown = [row["score"] for row in rows(spec, 0) if row["part"] == part]
        assert shown == result["members"][metric][part]
    assert [row["score"] for row in rows(spec, 1)] == [0.95, 0.95]
    assert name in spec["layer"][0]["encoding"]["x"]["title"]
    assert "networks 0.8000 to 0.8200" in rows(spec, 2)[1]["text"]


def test_one_member_is_a_mean_without_faint_lines() -> None:
    loss, scores = drawn(a_result(k=1))
    assert len(loss["layer"]) == 2
    assert rows(scores, 2)[0]["text"] == "train: 0.9500"


def test_no_losses_at_all_still_make_a_chart() -> None:
    result = a_result()
    result["curves"] = {"train_loss": [], "validation_loss": []}
    loss, _ = drawn(result)
    assert rows(loss, 0) == rows(loss, 1) == rows(loss, 2) == []


def test_each_chart_says_what_it_shows_and_fills_its_place() -> None:
    for spec in drawn(a_result()):
        assert spec["description"].endswith(".")
        assert spec["width"] == "container"
        assert spec["background"] == "transparent"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.03, 1.4, [0.05, 0.1, 0.2, 0.5, 1]),
        (1e-4, 10.0, [1e-4, 1e-3, 1e-2, 1e-1, 1, 10]),
        (1e-9, 1e9, [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]),
    ],
)
def test_lines_of_a_logarithmic_axis(low: float, high: float, ticks: list[float]) -> None:
    result = a_result(k=1, n_epochs=2)
    result["curves"] = {"train_loss": [[high], [low]], "validation_loss": []}
    assert drawn(result)[0]["layer"][0]["encoding"]["y"]["axis"]["values"] == ticks


def test_members_that_agree_have_one_score() -> None:
    result = a_result()
    result["members"]["accuracy"]["train"] = [1.0] * 3
    assert rows(drawn(result)[1], 2)[0]["text"] == "train: bag 0.9500, every network 1.0000"
