"""Charts of searches: scores by trial, by dimension and by round, importance, and ranges."""

import math
from typing import Any

import altair as alt
import pandas as pd

from wellposed.charts.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    ROW,
    RULE,
    SOFT,
    STRONG,
    Layers,
    Rows,
    dressed,
    haloed,
    heads,
    legend,
    marks,
    plain,
    row_axis,
    score_axis,
    styled,
)
from wellposed.words import SPACE, known, number, plural

STATES = {"complete": ("circle", BLUE), "pruned": ("triangle-down", SOFT), "failed": ("cross", ORANGE)}
"""The shape and the colour of each state of a trial."""

FIFTHS = {
    "best fifth": ("var(--fifth-1, #174a73)", STRONG),
    "second": ("var(--fifth-2, #4a86b5)", 1.7),
    "third": ("var(--fifth-3, #93b4cd)", 1.3),
    "fourth": ("var(--fifth-4, #bdcad4)", 1.0),
    "worst fifth": ("var(--fifth-5, #d6dade)", 1.0),
}
"""The shade of each fifth of the trials, and the width of its lines."""

DIMENSION = ("name", "kind", "low", "high", "log", "options")


def best_so_far(frame: pd.DataFrame, *, score: str = "score") -> alt.LayerChart:
    """Each trial's score as a point, and the best until then as a line of steps.

    Args:
        frame: `trial`, `score`, `best`, `state`; a trial without a score is marked at the upper edge.
        score: What is minimized.
    """
    rows = plain(frame, "trial", "score", "best", "state")
    states = list(dict.fromkeys(row["state"] for row in rows))
    looks = [STATES.get(state, ("square", SOFT)) for state in states]
    shape = alt.Shape("state:N", title=None, legend=legend(), scale=_scale(states, [look[0] for look in looks]))
    colour = alt.Color("state:N", title=None, legend=legend(), scale=_scale(states, [look[1] for look in looks]))
    x = _counted("trial")
    y, top = (score_axis(name, [r["score"] for r in rows], f"{score}, lower is better") for name in ("score", "best"))
    tips = [alt.Tooltip("trial:Q"), alt.Tooltip("score:Q", format=".4g", title=score), alt.Tooltip("state:N")]
    best = [row for row in rows if known(row["best"])]
    layers = [
        marks([row for row in rows if known(row["score"]) == scored])
        .mark_point(filled=True, size=48, opacity=0.75, aria=False)
        .encode(x=x, y=y if scored else alt.value(5), shape=shape, color=colour, tooltip=tips)
        for scored in (True, False)
    ]
    steps = marks(best).mark_line(interpolate="step-after", strokeWidth=2, aria=False)
    line = steps.encode(x=x, y=top, color=alt.value(INK))
    told = (
        f"the best falls from {number(best[0]['best'])} to {number(best[-1]['best'])}" if best else "none has a score"
    )
    return styled(alt.layer(line, *layers), f"The {score} of {plural(len(rows), 'trial')}; {told}.", height=300)


def parallel_coordinates(frame: pd.DataFrame, *, dimensions: pd.DataFrame, score: str = "score") -> alt.LayerChart:
    """One line a trial, down from dimension to dimension, shaded by how good the trial is.

    A trial's line is interrupted where a dimension does not exist for it; a dot stands where one does.

    Args:
        frame: `trial`, `score`, `name`, `value`: a row for each dimension that exists for the trial.
        dimensions: `name`, `kind`, `low`, `high`, `log`, `options`, from top to bottom.
        score: What is minimized.
    """
    axes = plain(dimensions, *DIMENSION)
    points, n_trials = _paths(plain(frame, "trial", "score", "name", "value"), axes)
    x = alt.X("share:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False, padding=6))
    y = row_axis(len(axes))
    scale = _scale(list(FIFTHS), [shade for shade, _ in FIFTHS.values()])
    shade = alt.Color("fifth:N", title=None, legend=legend(columns=3), scale=scale)
    width = alt.Size("width:Q", scale=None)
    tips = [alt.Tooltip("trial:Q"), alt.Tooltip("name:N"), alt.Tooltip("told:N", title="value")]
    tips.append(alt.Tooltip("score:Q", format=".4g", title=score))
    rails = marks([{"row": i, "share": 0, "end": 1} for i in range(len(axes))]).mark_rule(aria=False)
    base = marks(points)
    layers: list[alt.Chart | Layers] = [
        rails.encode(x=x, x2="end:Q", y=y, color=alt.value(RULE)),
        base.mark_line(orient="horizontal", opacity=0.85, aria=False).encode(
            x=x, y=y, order="row:Q", detail="path:N", color=shade, size=width
        ),
        base.mark_point(shape="circle", filled=True, size=24, opacity=1, aria=False).encode(
            x=x, y=y, color=shade, tooltip=tips
        ),
    ]
    for side, rows in _ends(axes).items():
        text = marks(rows).encode(x=x, y=y, text="text:N")
        layers.append(haloed(text, align=side, dy=14, colour=SOFT, size=11, limit="width / 3"))
    names = [{"row": i, "head": axis["name"]} for i, axis in enumerate(axes)]
    words = f"{plural(n_trials, 'trial')} across {plural(len(axes), 'dimension')}, shaded by {score}."
    return styled(alt.layer(*layers, heads(names, dy=-15)), words, height=66 * max(1, len(axes)))


def strength_scatter(frame: pd.DataFrame, *, dimensions: pd.DataFrame, score: str = "score") -> alt.ConcatChart:
    """The score against each dimension, one small chart each, logarithmic where the dimension is.

    Args:
        frame: `trial`, `score`, `name`, `value`: a row for each dimension that exists for the trial.
        dimensions: `name`, `kind`, `low`, `high`, `log`, `options`.
        score: What is minimized.
    """
    found = [row for row in plain(frame, "trial", "score", "name", "value") if known(row["score"])]
    y, parts = score_axis("score", [row["score"] for row in found], score), []
    tips = [alt.Tooltip("trial:Q"), alt.Tooltip("value:N"), alt.Tooltip("score:Q", format=".4g", title=score)]
    axes = plain(dimensions, *DIMENSION)
    for axis in axes:
        if axis["kind"] == "choice":
            scale, kind, ticks = alt.Scale(domain=list(axis["options"])), "N", alt.Axis(labelLimit=90)
        else:
            scale = alt.Scale(type="log" if axis["log"] else "linear", domain=[axis["low"], axis["high"]], nice=False)
            kind, ticks = "Q", alt.Axis(tickCount=4, grid=False, format="~g")
        x = alt.X(f"value:{kind}", title=axis["name"], scale=scale, axis=ticks)
        dots = marks([row for row in found if row["name"] == axis["name"]])
        dots = dots.mark_point(shape="circle", filled=True, size=30, opacity=0.7, color=BLUE, aria=False)
        parts.append(dots.encode(x=x, y=y, tooltip=tips).properties(width=200, height=170))
    n_trials = len({row["trial"] for row in found})
    words = f"The {score} of {plural(n_trials, 'trial')} against each of {plural(len(axes), 'dimension')}."
    chart: alt.ConcatChart = dressed(alt.concat(*parts, columns=3, spacing=24), words)
    return chart


def importance_bars(frame: pd.DataFrame) -> alt.LayerChart:
    """How much of the score's variation each dimension explains.

    Args:
        frame: `name`, `share`, from top to bottom.
    """
    rows = plain(frame, "name", "share")
    for i, row in enumerate(rows):
        told = f"{100 * row['share']:.0f}{SPACE}%" if known(row["share"]) else number(None)
        row |= {"row": i, "zero": 0, "head": f"{row['name']}: {told}"}
    axis = alt.Axis(format=".0%", tickCount=5, grid=False)
    x = alt.X("zero:Q", title="share of the score's variation that it explains", axis=axis, scale=alt.Scale(nice=False))
    bars = marks(rows).mark_rule(strokeWidth=10, aria=False)
    tips = [alt.Tooltip("name:N"), alt.Tooltip("share:Q", format=".1%")]
    drawn = bars.encode(x=x, x2="share:Q", y=row_axis(len(rows)), color=alt.value(BLUE), tooltip=tips)
    words = f"Importance: {'; '.join(row['head'] for row in rows)}."
    return styled(alt.layer(drawn, heads(rows)), words, height=ROW * max(1, len(rows)))


def ranges(frame: pd.DataFrame) -> alt.LayerChart:
    """How far each dimension was searched, the range around the best, and the best.

    Args:
        frame: `name`, `low`, `high`, `new_low`, `new_high`, `best`, and `log` where equal ratios count the same.
    """
    rows, told = plain(frame, "name", "low", "high", "new_low", "new_high", "best"), ("new_low", "new_high", "best")
    for i, row in enumerate(rows):
        low, high, best = (_told(row[key]) for key in told)
        row |= {f"at_{key}": _share(row[key], row) for key in told}
        row |= {"row": i, "start": 0, "end": 1, "head": f"{row['name']}: {low} to {high}, best {best}"}
        row |= {"before": f"{_told(row['low'])} to {_told(row['high'])}", "after": f"{low} to {high}", "best": best}
    scale, y = alt.Scale(domain=[0, 1], nice=False, padding=6), row_axis(len(rows))
    x, base = [alt.X(f"{name}:Q", axis=None, scale=scale) for name in ("start", "at_new_low", "at_best")], marks(rows)
    tips = [alt.Tooltip(f"{key}:N") for key in ("name", "before", "after", "best")]
    layers = [
        base.mark_rule(strokeWidth=STRONG, aria=False).encode(x=x[0], x2="end:Q", y=y, color=alt.value(RULE)),
        base.mark_rule(strokeWidth=9, aria=False).encode(x=x[1], x2="at_new_high:Q", y=y, color=alt.value(BLUE)),
        base.mark_point(
            shape="diamond", size=120, filled=True, opacity=1, stroke=PAPER, strokeWidth=1.5, aria=False
        ).encode(x=x[2], y=y, color=alt.value(ORANGE), tooltip=tips),
    ]
    words = f"Ranges around the best: {'; '.join(row['head'] for row in rows)}."
    return styled(alt.layer(*layers, heads(rows)), words, height=ROW * max(1, len(rows)))


def rewards(frame: pd.DataFrame, *, reward: str = "validation score") -> alt.LayerChart:
    """Each proposal's reward as a point, and each round's mean as a line, one kind of proposal beside the other.

    Args:
        frame: `round`, `reward`, `kind`.
        reward: What is maximized.
    """
    rows = [row for row in plain(frame, "round", "reward", "kind") if known(row["reward"])]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    shapes, colours = ["circle", "square", "triangle-up", "diamond"], [BLUE, ORANGE, GREEN, SOFT]
    shape = alt.Shape("kind:N", title=None, legend=legend(), scale=_scale(kinds, shapes[: len(kinds)]))
    colour = alt.Color("kind:N", title=None, legend=legend(), scale=_scale(kinds, colours[: len(kinds)]))
    x, scale, title = _counted("round"), alt.Scale(zero=False), f"{reward}, higher is better"
    y = alt.Y("reward:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5))
    mean = alt.Y("mean(reward):Q", title=title, scale=scale)
    tips = [alt.Tooltip("kind:N"), alt.Tooltip("round:Q"), alt.Tooltip("reward:Q", format=".4g", title=reward)]
    dots = marks(rows).mark_point(filled=True, size=40, opacity=0.5, aria=False)
    line = marks(rows).mark_line(strokeWidth=STRONG, aria=False)
    layers = [line.encode(x=x, y=mean, color=colour), dots.encode(x=x, y=y, color=colour, shape=shape, tooltip=tips)]
    words = f"The {reward} of {plural(len(rows), 'proposal')} by round: {', '.join(kinds)}."
    return styled(alt.layer(*layers), words, height=300)


def _counted(name: str) -> alt.X:
    """The horizontal axis of whole numbers."""
    axis = alt.Axis(tickMinStep=1, tickCount=8, grid=False)
    return alt.X(f"{name}:Q", title=name, axis=axis, scale=alt.Scale(nice=False, zero=False, padding=10))


def _scale(domain: list[str], range: list[Any]) -> alt.Scale:
    return alt.Scale(domain=domain, range=range)


def _paths(found: Rows, axes: Rows) -> tuple[Rows, int]:
    """A point for each dimension of each scored trial, the best trials last and so on top; the number of trials."""
    at = {axis["name"]: i for i, axis in enumerate(axes)}
    trials: dict[object, Rows] = {}
    for row in found:
        if known(row["score"]) and row["name"] in at:
            trials.setdefault(row["trial"], []).append(row)
    order = sorted(trials, key=lambda trial: float(trials[trial][0]["score"]), reverse=True)
    points: Rows = []
    for place, trial in enumerate(order):
        path, before = 0, -2
        for row in sorted(trials[trial], key=lambda row: at[row["name"]]):
            i = at[row["name"]]
            path, before = path + (i != before + 1), i
            fifth = list(FIFTHS)[5 * (len(order) - 1 - place) // len(order)]
            where = {"row": i, "share": _share(row["value"], axes[i]), "path": f"{trial}/{path}"}
            points.append({**row, **where, "told": _told(row["value"]), "fifth": fifth, "width": FIFTHS[fifth][1]})
    return points, len(order)


def _ends(axes: Rows) -> dict[str, Rows]:
    """What stands below each dimension, by the side that it is aligned to: its two ends, or its options."""
    ends: dict[str, Rows] = {"left": [], "center": [], "right": []}
    for i, axis in enumerate(axes):
        shown = list(axis["options"]) if axis["kind"] == "choice" else [axis["low"], axis["high"]]
        last = len(shown) - 1
        for j, value in enumerate(shown):
            side = "left" if j == 0 else "right" if j == last else "center"
            ends[side].append({"row": i, "share": j / max(1, last), "text": _told(value)})
    return ends


def _share(value: Any, axis: dict[str, Any]) -> float | None:
    """Where a value lies between the ends of its dimension, from 0 to 1; None where it has no place there."""
    if axis.get("kind") == "choice":
        options = list(axis["options"])
        return options.index(value) / max(1, len(options) - 1) if value in options else None
    low, high = axis["low"], axis["high"]
    if not (known(value) and known(low) and known(high)) or low == high:
        return None
    if axis.get("log"):
        value, low, high = (math.log(max(number, 1e-300)) for number in (value, low, high))
    return float(min(1.0, max(0.0, (value - low) / (high - low))))


def _told(value: Any) -> str:
    """A value of a dimension in few signs: whole numbers whole, others with three digits.

    >>> _told(128), _told(0.1), _told(1e-6), _told("He")
    ('128', '0.1', '1e−06', 'He')
    """
    return f"{value:.3g}".replace("-", "−") if isinstance(value, float) else str(value)
