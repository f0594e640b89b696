import math
from typing import Any

import pandas as pd
import pytest

from wellposed.charts import critical_difference, forest
from wellposed.errors import BadInput

EVIL = "<script>alert(1)</script>"


def pairs() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("dropout", 0.02, 0.01, 0.03, "better"),
            (EVIL, -0.02, -0.03, -0.01, "worse"),
            ("one repeat", 0.0, -math.inf, math.inf, "no difference shown"),
        ],
        columns=["label", "estimate", "low", "high", "verdict"],
    )


def leaves(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers that draw, each with the `rows` that it draws."""
    found: list[dict[str, Any]] = []

    def walk(part: dict[str, Any], data: dict[str, Any]) -> None:
        data = part.get("data", data)
        if "mark" in part:
            found.append(part | {"rows": data["values"] if "values" in data else spec["datasets"][data["name"]]})
        for layer in part.get("layer", ()):
            walk(layer, data)

    walk(spec, {})
    return found


def test_forest_has_each_row_in_its_order_from_the_top() -> None:
    spec = forest(pairs(), effect="difference in accuracy").to_dict()
    zero, span, dot, *_ = leaves(spec)
    assert zero["rows"] == [{"zero": 0}]
    order = [(row["row"], row["label"], row["estimate"]) for row in dot["rows"]]
    assert order == [(0, "dropout", 0.02), (1, EVIL, -0.02), (2, "one repeat", 0.0)]
    assert dot["rows"] == span["rows"]
    assert dot["rows"][2]["low"] is None
    assert (span["encoding"]["x"]["field"], span["encoding"]["x2"]["field"]) == ("low", "high")
    assert dot["encoding"]["y"]["scale"]["reverse"] is True
    assert dot["encoding"]["x"]["title"] == "difference in accuracy"


def test_a_verdict_is_shape_colour_and_words() -> None:
    spec = forest(pairs()).to_dict()
    _, _, dot, said, *_ = leaves(spec)
    shapes, colours = (dot["encoding"][name]["scale"]["range"] for name in ("shape", "color"))
    assert len(set(shapes)) == len(set(colours)) == 3
    assert said["encoding"]["text"]["field"] == "verdict"
    assert "dropout: better, 0.0200 (0.0100 to 0.0300)" in spec["description"]
    assert "one repeat: no difference shown, 0.0000 (– to –)" in spec["description"]


def test_an_unknown_verdict_claims_nothing() -> None:
    spec = forest(pairs().assign(verdict="helps")).to_dict()
    (kinds,) = {tuple(row["kind"] for row in leaf["rows"]) for leaf in leaves(spec)[1:3]}
    assert set(kinds) == {"no difference shown"}


def test_a_forest_of_nothing_is_a_chart() -> None:
    assert forest(pairs().head(0)).to_dict()["height"] > 0


def test_a_frame_of_another_kind_is_refused() -> None:
    with pytest.raises(BadInput, match="must have the columns name, rank"):
        critical_difference(pairs(), cliques=[], cd=1.0)


def demsar() -> pd.DataFrame:
    """Mean ranks of Demsar 2006, table 6: four variants of C4.5 on 14 data sets; CD at 0.10 is 1.12."""
    return pd.DataFrame({"name": ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"], "rank": [3.143, 2.0, 2.893, 1.964]})


def lines(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return list(leaves(spec)[0]["rows"])


def test_ranks_hang_from_the_line_at_their_place() -> None:
    """Each name has one vertical line, at its rank, and one horizontal to its side: the better half to the left."""
    spec = critical_difference(demsar(), cliques=[("C4.5", "C4.5+cf")], cd=1.12).to_dict()
    drawn = lines(spec)
    low, high = leaves(spec)[0]["encoding"]["x"]["scale"]["domain"]
    for rank, edge in ((1.964, low), (2.0, low), (2.893, high), (3.143, high)):
        fall = max((r for r in drawn if r["x"] == r["x2"] == rank), key=lambda r: r["y2"])  # a tick may stand there too
        (leader,) = [r for r in drawn if r["x"] == rank and r["x2"] == edge]
        assert leader["y"] == leader["y2"] == fall["y2"] > fall["y"]
    ends = {r["y"] for r in drawn if r["x2"] in (low, high)}
    assert len(ends) == 2
    texts = [row["text"] for leaf in leaves(spec)[1:] for row in leaf["rows"]]
    assert {"C4.5+m+cf 1.96", "C4.5 3.14", "critical difference 1.12", "1", "4"} <= set(texts)


def test_critical_difference_and_cliques_are_as_long_as_they_say() -> None:
    drawn = lines(
        critical_difference(demsar(), cliques=[("C4.5+m", "C4.5+cf"), ("C4.5", "C4.5+cf")], cd=1.12).to_dict()
    )
    (bar,) = [r for r in drawn if r["size"] == 2]
    assert (bar["x"], bar["x2"]) == (1, pytest.approx(2.12))
    first, second = [r for r in drawn if r["size"] == 5]
    assert first["y"] < second["y"]
    for clique, (low, high) in ((first, (2.0, 2.893)), (second, (2.893, 3.143))):
        assert clique["x"] < low < high < clique["x2"]
        assert clique["x2"] - clique["x"] == pytest.approx(high - low, abs=0.1)


def test_a_difference_beyond_all_ranks_stays_in_the_picture() -> None:
    spec = critical_difference(demsar().head(2), cliques=[], cd=3.5).to_dict()
    low, high = leaves(spec)[0]["encoding"]["x"]["scale"]["domain"]
    assert low <= 1 and high >= 4.5
    assert "Not shown to differ: none." in spec["description"]
