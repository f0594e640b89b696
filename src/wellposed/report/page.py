"""The first page: one HTML file that says what was trained, how well it generalizes, and how that was measured.

It opens offline and loads nothing: Vega, Vega-Lite and vega-embed stand in it once. Its content security policy allows
the scripts and the style that it holds, by their hashes, and nothing else; Vega interprets its expressions instead of
compiling them, so that no `unsafe-eval` is needed.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import altair
import vl_convert
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from wellposed.checks import refusal
from wellposed.files import read_json, write_text
from wellposed.report import facts, figures
from wellposed.toml import parse

SCHEMA = 1
"""Of the results that this page can show."""


def render(result: dict[str, Any], recipe_toml: str) -> str:
    """The page of one result, as HTML.

    Args:
        result: What `Fit.finish` returns, or what `result.json` holds.
        recipe_toml: What `recipe.toml` holds.

    Raises:
        BadInput: The recipe is not TOML, or the result has a schema that this page does not know.
    """
    if result.get("schema") != SCHEMA:
        raise refusal("The schema of a result", f"be {SCHEMA}", result.get("schema"), "Use the version that wrote it.")
    recipe, _ = parse(recipe_toml, "recipe.toml")
    members, epochs = facts.members(result), facts.epochs(result)
    charts = {
        "loss-chart": figures.loss_curves(result, epochs, members),
        "score-chart": figures.member_scores(result, members),
    }
    specs = {name: chart.to_dict(context={"pre_transform": False}) for name, chart in charts.items()}
    style, bundle, script = _text("page.css"), _bundle(), _text("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "percent": facts.percent, "plural": facts.plural}
    return environment.from_string(_text("page.html")).render(
        result=result,
        metric=facts.main_metric(result),
        names=facts.METRICS,
        parts=facts.PARTS,
        interval=facts.score_interval(result),
        structure=facts.structure_words(recipe),
        techniques=facts.technique_names(recipe),
        ending=facts.end_words(members, recipe),
        gap=facts.gap_words(result),
        answering=facts.answering_words(result),
        bagging=facts.bagging_words(result),
        several=result["members"].get("snapshots", 1) > 1,
        members=members,
        epochs=_epoch_table(epochs),
        n_epochs=len({row.epoch for row in epochs}),
        labels={name: spec["description"] for name, spec in specs.items()},
        command=facts.command(result),
        recipe_toml=recipe_toml,
        policy=_policy(scripts=(bundle, script), style=style),
        style=Markup(style),
        bundle=Markup(bundle),
        script=Markup(script),
        specs=Markup(_json_in_html(specs)),
    )


def write(folder: Path) -> Path:
    """Write `report.html` into a result folder, from its `result.json` and `recipe.toml`; where it stands.

    Raises:
        BadInput: One of the files is missing or damaged, or the page cannot be written.
    """
    result, recipe = read_json(folder / "result.json"), folder / "recipe.toml"
    try:
        recipe_toml = recipe.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(str(recipe), "be a file of text that can be read", str(error)) from error
    if not isinstance(result, dict):
        raise refusal(str(folder / "result.json"), "hold a result", type(result).__name__)
    page = folder / "report.html"
    write_text(page, render(result, recipe_toml))
    return page


def _epoch_table(epochs: list[facts.Epoch]) -> list[tuple[int, dict[str, facts.Epoch]]]:
    """The epochs to list, each with its losses by part."""
    found: dict[int, dict[str, facts.Epoch]] = {}
    for row in epochs:
        found.setdefault(row.epoch, {})[row.part] = row
    return [(epoch, found[epoch]) for epoch in facts.thinned(sorted(found))]


def _number(value: float | None) -> Markup:
    """A number as people read it, with the exact one beside it for machines."""
    if not facts.known(value):
        return Markup('<span title="not defined">{}</span>').format(facts.UNKNOWN)
    return Markup('<data value="{}">{}</data>').format(repr(value), facts.number(value))


def _json_in_html(value: object) -> str:
    """JSON that can stand in a script element: nothing in it ends the element or opens a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


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
    return (files("wellposed.report") / name).read_text(encoding="utf-8").strip()
