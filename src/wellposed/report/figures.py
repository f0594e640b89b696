"""Charts of a result: values in, Vega-Lite through Altair out. Nothing is computed here, only laid out."""

from typing import Any

import altair as alt

from wellposed.charts.style import BLUE, GREEN, INK, LOG_FROM, ORANGE, PAPER, STRONG, log_ticks, marks, styled
from wellposed.report.facts import Epoch, Member, main_metric
from wellposed.words import METRICS, known, number

COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
FAINT = 0.35


def loss_curves(result: dict[str, Any], epochs: list[Epoch], members: list[Member]) -> alt.LayerChart:
    """Every member's losses faint, their mean strong, and a ring where its weights were kept.

    The mean is drawn while at least half of the members that have losses at all are training: further on it would be
    the mean of a few, and jump where one leaves.

    Args:
        result: What `result.json` holds.
        epochs: Its means and ranges.
        members: Its members.
    """
    lines = _lines(result)
    living = max((row.count for row in epochs), default=0)
    means = [
        {"part": row.part, "epoch": row.epoch, "loss": row.mean, "members": row.count}
        for row in epochs
        if 2 * row.count >= living
    ]
    validation = result["curves"]["validation_loss"]
    best = [
        {"part": "validation", "member": m.number, "epoch": epoch, "loss": validation[epoch - 1][k]}
        for k, m in enumerate(members)
        for epoch in m.kept
        if epoch <= len(validation) and known(validation[epoch - 1][k])
    ]
    spread = [(row.low, row.high) for row in epochs]
    low, high = min((a for a, _ in spread), default=0.0), max((b for _, b in spread), default=0.0)
    log = low > 0 and high / low >= LOG_FROM
    x = alt.X(
        "epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, tickCount=8, grid=False), scale=alt.Scale(nice=False)
    )
    y = alt.Y(
        "loss:Q",
        title="loss (logarithmic axis)" if log else "loss",
        scale=alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False),
        axis=alt.Axis(values=log_ticks(low, high), format="~g") if log else alt.Axis(tickCount=5),
    )
    colour = alt.Color(
        "part:N",
        title=None,
        scale=alt.Scale(domain=["train", "validation"], range=[COLOURS["train"], COLOURS["validation"]]),
        legend=alt.Legend(orient="top", symbolType="stroke", symbolStrokeWidth=STRONG, symbolOpacity=1),
    )
    tips = [
        alt.Tooltip("part:N"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("loss:Q", format=".4g"),
    ]
    faint = (
        marks(lines)
        .transform_flatten(["epoch", "loss"])
        .mark_line(strokeWidth=1, opacity=FAINT, aria=False)
        .encode(x=x, y=y, color=colour, detail="member:N")
    )
    mean = (
        marks(means)
        .mark_line(strokeWidth=STRONG, aria=False)
        .encode(x=x, y=y, color=colour, tooltip=[*tips, alt.Tooltip("members:Q", title="members in the mean")])
    )
    rings = (
        marks(best)
        .mark_point(shape="circle", size=46, filled=True, fill=PAPER, strokeWidth=1.6, opacity=1, aria=False)
        .encode(x=x, y=y, stroke=alt.value(COLOURS["validation"]), tooltip=[alt.Tooltip("member:Q"), *tips])
    )
    layers = [faint, mean, rings] if len(members) > 1 else [mean, rings]
    words = (
        f"Training and validation loss by epoch, {len(members)} members; "
        f"losses lie between {number(low)} and {number(high)}. The table below holds the numbers."
    )
    return styled(alt.layer(*layers), words, height=320)


def member_scores(result: dict[str, Any], members: list[Member]) -> alt.LayerChart:
    """Each member's score on training and on test rows as a dot, and the bag's as a bar across them.

    Args:
        result: What `result.json` holds.
        members: Its members.
    """
    name = main_metric(result)
    label, better = METRICS[name]
    parts = [part for part in ("train", "test") if known(result["metrics"][part].get(name))]
    dots = [
        {"part": part, "member": m.number, "score": m.scores[part]}
        for m in members
        for part in parts
        if part in m.scores
    ]
    bags = [{"part": part, "score": result["metrics"][part][name]} for part in parts]
    heads = [
        {"part": part, "text": f"{part}: {_told(result['metrics'][part][name], [m.scores.get(part) for m in members])}"}
        for part in parts
    ]
    scale = alt.Scale(zero=False, nice=False, padding=10)
    x = alt.X("score:Q", title=f"{label} ({better} is better)", scale=scale, axis=alt.Axis(tickCount=5, grid=False))
    y = alt.Y("part:N", sort=parts, axis=None, scale=alt.Scale(paddingInner=0.6, paddingOuter=0.4))
    colour = alt.Color("part:N", scale=alt.Scale(domain=parts, range=[COLOURS[part] for part in parts]), legend=None)
    tips = [alt.Tooltip("part:N"), alt.Tooltip("score:Q", format=".4f" if name == "accuracy" else ".4g", title=name)]
    each = (
        marks(dots)
        .mark_point(shape="circle", filled=True, size=56, opacity=0.6, aria=False)
        .encode(x=x, y=y, yOffset="member:O", color=colour, tooltip=[alt.Tooltip("member:Q"), *tips])
    )
    bag = (
        marks(bags)
        .mark_tick(orient="vertical", thickness=STRONG, size=68, opacity=1, aria=False)
        .encode(x=x, y=y, color=alt.value(INK), tooltip=tips)
    )
    head = (
        marks(heads)
        .mark_text(align="left", dy=-48, fontSize=12.5, aria=False)
        .encode(x=alt.value(0), y=y, text="text:N", color=alt.value(INK))
    )
    told = "; ".join(row["text"] for row in heads)
    words = f"{label.capitalize()} of {result['members']['usable']} members and of the bag on {told}."
    return styled(alt.layer(each, bag, head), words, height=260)


def _told(bag: float, scores: list[float | None]) -> str:
    """The bag's score and the range of its members', in words."""
    own = [score for score in scores if score is not None]
    if len(own) < 2:
        return number(bag)
    low, high = number(min(own)), number(max(own))
    return f"bag {number(bag)}, " + (f"every network {low}" if low == high else f"networks {low} to {high}")


def _lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a member and part, its epochs and finite losses in lists."""
    rows = []
    for part in ("train", "validation"):
        curve = result["curves"][f"{part}_loss"]
        for k in range(result["members"]["count"]):
            points = [(i + 1, losses[k]) for i, losses in enumerate(curve) if known(losses[k])]
            if points:
                at, loss = zip(*points, strict=True)
                rows.append({"part": part, "member": k + 1, "epoch": list(at), "loss": [_short(v) for v in loss]})
    return rows


def _short(value: float) -> float:
    """Six significant digits, which no eye can tell from more."""
    return float(f"{value:.6g}")
