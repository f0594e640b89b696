"""Charts of comparisons: differences with their intervals, and ranks over several data sets."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from wellposed.charts.style import INK, ROW, SOFT, STRONG, Layers, Rows, haloed, heads, marks, plain, row_axis, styled
from wellposed.words import number

NONE = "no difference shown"
VERDICTS = {
    "better": ("triangle-up", "var(--better, #2e7d5b)"),
    "worse": ("triangle-down", "var(--worse, #b3401a)"),
    NONE: ("circle", SOFT),
}
"""The shape and the colour of each verdict; others look like the last."""

NAME_ROW, CLIQUE_ROW = 27, 9
"""Pixels of a name and of a bar in the diagram of ranks."""


def forest(frame: pd.DataFrame, *, effect: str = "difference in score") -> alt.LayerChart:
    """Each difference with its interval, around the line of no difference; the verdict is shape, colour and words.

    Args:
        frame: `label`, `estimate`, `low`, `high`, `verdict`, from top to bottom.
        effect: What the horizontal axis holds.
    """
    rows = plain(frame, "label", "estimate", "low", "high", "verdict")
    for i, row in enumerate(rows):
        row |= {"row": i, "head": row["label"]}
        row["kind"] = row["verdict"] if row["verdict"] in VERDICTS else NONE
    domain, (shapes, colours) = list(VERDICTS), zip(*VERDICTS.values(), strict=True)
    colour = alt.Color("kind:N", legend=None, scale=alt.Scale(domain=domain, range=list(colours)))
    shape = alt.Shape("kind:N", legend=None, scale=alt.Scale(domain=domain, range=list(shapes)))
    scale, y = alt.Scale(zero=True, padding=12), row_axis(len(rows))
    x = alt.X("estimate:Q", title=effect, scale=scale, axis=alt.Axis(tickCount=5, grid=False))
    tips = [alt.Tooltip(name) for name in ("label:N", "verdict:N")]
    tips += [alt.Tooltip(f"{name}:Q", format=".4g") for name in ("estimate", "low", "high")]
    base = marks(rows)
    layers: list[alt.Chart | Layers] = [
        marks([{"zero": 0}])
        .mark_rule(strokeDash=[4, 4], aria=False)
        .encode(x=alt.X("zero:Q", scale=scale), color=alt.value(SOFT)),
        base.mark_rule(strokeWidth=STRONG, aria=False).encode(
            x=alt.X("low:Q", scale=scale), x2="high:Q", y=y, color=colour
        ),
        base.mark_point(size=120, filled=True, opacity=1, aria=False).encode(
            x=x, y=y, color=colour, shape=shape, tooltip=tips
        ),
    ]
    said = base.encode(x=alt.value("width"), y=y, text="verdict:N")
    layers.append(haloed(said, align="right", dy=-16, colour=SOFT, limit="140"))
    told = "; ".join(f"{row['label']}: {row['verdict']}, {_interval(row)}" for row in rows)
    words = f"{effect[:1].upper()}{effect[1:]}, with intervals. {told}."
    return styled(alt.layer(*layers, heads(rows, limit="width - 150")), words, height=ROW * max(1, len(rows)))


def critical_difference(frame: pd.DataFrame, *, cliques: Sequence[Sequence[str]], cd: float) -> alt.LayerChart:
    """Mean ranks on a line, the best at the left; a bar joins those that are not shown to differ.

    Source: Demsar, Statistical comparisons of classifiers over multiple data sets, 2006, figure 1.

    Args:
        frame: `name`, `rank`.
        cliques: The names under each bar.
        cd: The difference between mean ranks from which two are shown to differ.
    """
    rows = sorted(plain(frame, "name", "rank"), key=lambda row: float(row["rank"]))
    n, ranks = len(rows), {row["name"]: row["rank"] for row in rows}
    end = max(n, 1 + cd)
    room = 0.04 * (end - 1)
    low, high, line = 1 - room, end + room, 58
    rules = [_rule(1, 1 + cd, 22, 22, 2), _rule(1, 1, 17, 27), _rule(1 + cd, 1 + cd, 17, 27), _rule(1, n, line, line)]
    rules += [_rule(rank, rank, line - 5, line) for rank in range(1, n + 1)]
    for i, clique in enumerate(cliques):
        spread, y = [ranks[name] for name in clique], line + 11 + CLIQUE_ROW * i
        rules.append(_rule(min(spread) - room / 4, max(spread) + room / 4, y, y, 5))
    first, half = line + 11 + CLIQUE_ROW * len(cliques) + 18, (n + 1) // 2
    names: dict[str, Rows] = {"left": [], "right": []}
    for i, row in enumerate(rows):
        side, y = ("left", first + NAME_ROW * i) if i < half else ("right", first + NAME_ROW * (n - 1 - i))
        edge = low if side == "left" else high
        rules += [_rule(row["rank"], row["rank"], line, y), _rule(row["rank"], edge, y, y)]
        names[side].append({"x": edge, "y": y, "text": f"{row['name']} {row['rank']:.2f}"})
    height = first + NAME_ROW * (half - 1) + 8
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[low, high], nice=False, zero=False))
    place = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[0, height], reverse=True, nice=False))
    thick = alt.Size("size:Q", scale=None)
    drawn = marks(rules).mark_rule(aria=False).encode(x=x, x2="x2:Q", y=place, y2="y2:Q", size=thick)
    texts = [
        ([{"x": rank, "y": line - 13, "text": str(rank)} for rank in range(1, n + 1)], "center", 0),
        ([{"x": 1, "y": 6, "text": f"critical difference {cd:.2f}"}], "left", 0),
        (names["left"], "left", -9),
        (names["right"], "right", -9),
    ]
    layers: list[alt.Chart | Layers] = [
        haloed(marks(found).encode(x=x, y=place, text="text:N"), align=align, dy=dy, limit="width / 2")
        for found, align, dy in texts
    ]
    told = ", ".join(f"{row['name']} {row['rank']:.2f}" for row in rows)
    joined = "; ".join(", ".join(clique) for clique in cliques) or "none"
    words = f"Mean ranks, 1 is best: {told}. Critical difference: {cd:.2f}. Not shown to differ: {joined}."
    return styled(alt.layer(drawn.encode(color=alt.value(INK)), *layers), words, height=height)


def _rule(x: float, x2: float, y: float, y2: float, size: float = 1) -> dict[str, Any]:
    return {"x": x, "x2": x2, "y": y, "y2": y2, "size": size}


def _interval(row: dict[str, Any]) -> str:
    return f"{number(row['estimate'])} ({number(row['low'])} to {number(row['high'])})"
