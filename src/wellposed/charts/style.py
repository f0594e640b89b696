"""What all charts have in common: colours, type, width, and rows that plain JSON can hold.

Nothing is computed by a chart that a table could hold, only laid out. Names that users gave are values in the data,
never names of fields or parts of expressions. Colours are CSS variables, which the page sets for light, dark and print,
with a fallback for places that set none; they need Vega's SVG renderer.
"""

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import altair as alt
import numpy as np
import pandas as pd

from wellposed.checks import refusal
from wellposed.words import known

Rows: TypeAlias = list[dict[str, Any]]
Layers: TypeAlias = alt.LayerChart | alt.FacetChart

INK, SOFT, RULE, PAPER = "var(--ink, #222)", "var(--soft, #666)", "var(--rule, #ddd)", "var(--paper, #fff)"
BLUE, ORANGE, GREEN = "var(--train, #2f6690)", "var(--validation, #c0561c)", "var(--test, #2e7d5b)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STRONG = 2.6
ROW = 48
"""Pixels of a row that holds a line of text and marks below it."""
LOG_FROM = 20
"""A range of numbers, greatest over least, from which an axis is logarithmic."""


def styled(chart: Layers, words: str, *, height: int) -> alt.LayerChart:
    """The chart as wide as its place, in the page's colours, with a text for those who do not see it."""
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    sized: alt.LayerChart = dressed(chart.properties(width="container", height=height), words, autosize=fit)
    return sized


def dressed(chart: Any, words: str, *, autosize: Any = alt.Undefined) -> Any:
    """Any chart in the page's colours and type, with a text for those who do not see it."""
    return (
        chart.properties(description=words, background="transparent")
        .configure(font=FONT, autosize=autosize)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=SOFT, titleColor=SOFT, gridColor=RULE, domainColor=RULE, tickColor=RULE, labelFontSize=11.5,
            titleFontSize=12, titleFontWeight="normal", titlePadding=10, labelPadding=6, labelOverlap=True,
        )
        .configure_legend(labelColor=INK, labelFontSize=12.5, symbolSize=240, offset=8, columnPadding=18)
    )  # fmt: skip


def marks(rows: Rows) -> alt.Chart:
    """A chart of these rows, whatever the limits and transformers that Altair is set to."""
    return alt.Chart(alt.InlineData(values=rows))


def plain(frame: pd.DataFrame, *columns: str) -> Rows:
    """The rows of a frame as plain values, its columns in any order; what is not finite becomes None.

    Raises:
        BadInput: A column is missing.
    """
    for column in columns:
        if column not in frame.columns:
            raise refusal("The frame of a chart", f"have the columns {', '.join(columns)}", list(frame.columns))
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def row_axis(n: int) -> alt.Y:
    """The vertical axis of `n` rows, the first on top, each `row` in the middle of its room."""
    return alt.Y("row:Q", axis=None, scale=alt.Scale(domain=[-0.5, max(n, 1) - 0.5], reverse=True, nice=False))


def heads(rows: Rows, *, dy: float = -16, limit: str = "width") -> Layers:
    """What each row says, in its field `head`, above its marks from the left edge on."""
    text = marks([{"row": row["row"], "text": row["head"]} for row in rows])
    return haloed(text.encode(x=alt.value(0), y=row_axis(len(rows)), text="text:N"), dy=dy, limit=limit)


def haloed(
    chart: alt.Chart, *, align: str = "left", dy: float = 0, colour: str = INK, size: float = 12.5, limit: str = "width"
) -> Layers:
    """Text that stays legible over lines; `limit` is an expression in the chart's `width` that it is cut at."""
    text: dict[str, Any] = {"align": align, "dy": dy, "fontSize": size, "limit": alt.ExprRef(limit), "aria": False}
    behind = chart.mark_text(**text, baseline="middle", stroke=PAPER, strokeWidth=4, strokeJoin="round")
    return alt.layer(behind, chart.mark_text(**text, baseline="middle", color=colour))


def legend(*, columns: int | None = None) -> alt.Legend:
    """A legend above the chart."""
    found = alt.Legend(orient="top", symbolOpacity=1)
    return found if columns is None else alt.Legend(orient="top", symbolOpacity=1, columns=columns)


def score_axis(name: str, scores: Iterable[float | None], title: str) -> alt.Y:
    """The vertical axis of scores, logarithmic where they are positive and lie far apart."""
    found = [score for score in scores if score is not None and known(score)]
    low, high = min(found, default=0.0), max(found, default=0.0)
    if low > 0 and high / low >= LOG_FROM:
        axis = alt.Axis(values=log_ticks(low, high), format="~g")
        return alt.Y(
            f"{name}:Q", title=f"{title} (logarithmic axis)", scale=alt.Scale(type="log", nice=False), axis=axis
        )
    return alt.Y(f"{name}:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))


def log_ticks(low: float, high: float) -> list[float]:
    """Where a logarithmic axis has its lines: 1, 2 and 5 of each decade, or of many decades the 1 alone."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = math.ceil((last - first) / 8)
    digits = (1, 2, 5) if last - first <= 4 else (1,)
    ticks = [float(f"{digit}e{decade}") for decade in range(first, last + 1, stride) for digit in digits]
    return [tick for tick in ticks if low <= tick <= high]


def _plain(value: Any) -> Any:
    """One cell, as Python knows it."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
