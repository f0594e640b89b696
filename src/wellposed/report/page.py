"""The first page: one HTML file that says what was trained, how well it generalizes, and how that was measured."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from wellposed import document
from wellposed.checks import refusal
from wellposed.files import read_json, write_text
from wellposed.report import facts, figures
from wellposed.study.pages import sections
from wellposed.toml import parse
from wellposed.words import METRICS

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
    values = {
        "title": result["data"]["name"],
        "result": result,
        "metric": facts.main_metric(result),
        "names": METRICS,
        "parts": facts.PARTS,
        "interval": facts.score_interval(result),
        "structure": facts.structure_words(recipe),
        "techniques": facts.technique_names(recipe),
        "ending": facts.end_words(members, recipe),
        "gap": facts.gap_words(result),
        "answering": facts.answering_words(result),
        "bagging": facts.bagging_words(result),
        "several": result["members"].get("snapshots", 1) > 1,
        "members": members,
        "epochs": _epoch_table(epochs),
        "n_epochs": len({row.epoch for row in epochs}),
        "command": facts.command(result),
        "recipe_toml": recipe_toml,
    }
    return document.compose(
        _text("page.html"), values, charts=charts, sections=sections(result), style=_text("page.css")
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


def _text(name: str) -> str:
    return (files("wellposed.report") / name).read_text(encoding="utf-8").strip()
