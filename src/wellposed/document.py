"""One page for people: an HTML file of sections, each a sentence, a chart and the table behind it.

It opens offline and loads nothing: Vega, Vega-Lite and vega-embed stand in it once. Its content security policy allows
the scripts and the style that it holds, by their hashes, and nothing else; Vega interprets its expressions instead of
compiling them, so that no `unsafe-eval` is needed.
"""

import base64
import hashlib
import json
import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import altair
import pandas as pd
import vl_convert
from altair.typing import ChartType
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from wellposed.files import write_text
from wellposed.words import UNKNOWN, known, number, percent, plural

N_TABLE_ROWS = 200
"""Rows that a table shows at most."""

N_LINE_SIGNS = 24
"""Signs of a word in a table that are not broken into lines."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """One part of a page.

    Attributes:
        title: Its heading.
        sentence: What to see in it.
        chart: Drawn below the sentence; its `description` is read to those who do not see it.
        caption: What the marks of the chart mean.
        notes: Paragraphs below the chart.
        table: The numbers: behind the chart, or open where there is none. The first column names the rows.
        label: What the table is called where it is opened.
    """

    title: str
    sentence: str
    chart: ChartType | None = None
    caption: str = ""
    notes: Sequence[str] = ()
    table: pd.DataFrame | None = None
    label: str = "The numbers as a table"


def render(title: str, lead: str, sections: Sequence[Section]) -> str:
    """A page as HTML.

    Args:
        title: Its heading.
        lead: What it says, in a sentence or two.
        sections: Its parts, in order.

    >>> html = render("Two recipes", "No difference is shown.", [Section(title="Differences", sentence="None.")])
    >>> html[:15], "<h1>Two recipes</h1>" in html
    ('<!doctype html>', True)
    """
    return compose('{% extends "document.html" %}', {"title": title, "lead": lead}, sections=sections)


def compose(
    template: str,
    values: Mapping[str, object],
    *,
    charts: Mapping[str, ChartType] | None = None,
    sections: Sequence[Section] = (),
    style: str = "",
) -> str:
    """A page of its own form.

    Args:
        template: Jinja that extends `document.html`; it may ask for `labels`, the description of each of `charts`.
        values: What the template asks for, the title among it.
        charts: By the id of the element that they are drawn in.
        sections: Stand between the template's opening and closing.
        style: CSS beyond the page's own.
    """
    specs = {name: _spec(chart) for name, chart in (charts or {}).items()}
    labels = {name: str(spec.get("description", "")) for name, spec in specs.items()}
    shown = []
    for i, section in enumerate(sections):
        part = {"id": f"part-{i + 1}", "section": section, "description": "", **_cells(section.table)}
        if section.chart is not None:
            spec = specs[f"{part['id']}-chart"] = _spec(section.chart)
            part["description"] = spec.get("description", section.title)
        shown.append(part)
    style, bundle, script = f"{_text('document.css')}\n{style}".strip(), _bundle(), _text("document.js")
    environment = Environment(
        loader=DictLoader({"document.html": _text("document.html")}),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": _number, "percent": percent, "plural": plural}
    return environment.from_string(template).render(
        {
            **values,
            "labels": labels,
            "shown": shown,
            "policy": _policy(scripts=(bundle, script), style=style),
            "style": Markup(style),
            "bundle": Markup(bundle),
            "script": Markup(script),
            "specs": Markup(json_in_html(specs)),
        }
    )


def show(html: str, *, path: str | Path | None = None) -> Path | None:
    """Show a page: within a notebook where one runs, else in a file, which a browser opens where there is a screen.

    Args:
        html: What `render` returns.
        path: The file to write; None for a temporary one, or, in a notebook, for none.

    Returns:
        The file, or None where there is none.

    Raises:
        BadInput: The file cannot be written.
    """
    shell = _notebook()
    if path is not None:
        write_text(path, html)
    if shell is not None:
        _display(html)
        return None if path is None else Path(path)
    if path is None:
        path = Path(tempfile.mkdtemp(prefix="wellposed-")) / "page.html"
        write_text(path, html)
    if _has_screen():
        webbrowser.open(Path(path).resolve().as_uri())
    return Path(path)


def json_in_html(value: object) -> str:
    r"""JSON that can stand in a script element: nothing in it ends the element or opens a comment.

    >>> print(json_in_html("</script>"))
    "\u003c/script\u003e"
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _spec(chart: ChartType) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict(context={"pre_transform": False})
    return spec


def _cells(table: pd.DataFrame | None) -> dict[str, object]:
    """A table as its columns, the cells of its first rows, the number of all rows, and how each column looks."""
    if table is None:
        return {"columns": [], "rows": [], "n_rows": 0, "looks": []}
    shown = table.head(N_TABLE_ROWS)
    columns = [shown.iloc[:, i].tolist() for i in range(shown.shape[1])]
    looks = [_look(column) for column in columns]
    rows = [[_cell(value) for value in row] for row in zip(*columns, strict=True)]
    return {"columns": [str(name) for name in table.columns], "rows": rows, "n_rows": len(table), "looks": looks}


def _look(column: list[object]) -> str:
    """The style of a column: numbers stand to the right, words to the left, and long ones are broken into lines."""
    lengths = [len(value) for value in column if isinstance(value, str)]
    return "" if not lengths else "words long" if max(lengths) > N_LINE_SIGNS else "words"


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float | None) -> Markup:
    """A number as people read it, with the exact one beside it for machines."""
    if value is None or not known(value):
        return Markup('<span title="not defined">{}</span>').format(UNKNOWN)
    return Markup('<data value="{}">{}</data>').format(repr(float(value)), number(value))


def _policy(*, scripts: Iterable[str], style: str) -> str:
    """What the page may do: run these scripts, use this style, and nothing that leaves it."""
    allowed = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed in one script, in the version whose charts Altair writes."""
    version = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    return text.replace("\r", "").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _text(name: str) -> str:
    return (files("wellposed") / name).read_text(encoding="utf-8").strip()


def _notebook() -> Any:
    """The shell of the notebook that runs this; None where there is none (IPython in a terminal has no kernel)."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def _display(html: str) -> None:
    """Put the page into the notebook, in a frame of its own that reaches nothing around it."""
    from IPython.display import display

    frame = (
        f'<iframe srcdoc="{escape(html)}" sandbox="allow-scripts" title="A page of wellposed" '
        'style="width: 100%; height: 40rem; border: 0"></iframe>'
    )
    display({"text/html": frame, "text/plain": "A page of wellposed."}, raw=True)


def _has_screen() -> bool:
    """Whether somebody sits at a terminal with a screen on which a browser can open."""
    if sys.stdout is None or sys.stdout.closed or not sys.stdout.isatty():
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
