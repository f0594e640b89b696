"""`recipe`: presets, recipe files, techniques."""

from pathlib import Path
from typing import Annotated

import typer

from wellposed.cli.app import recipes
from wellposed.cli.options import check_word


@recipes.command("list")
def list_recipes() -> None:
    """The presets, a line each."""
    from wellposed.presets import PRESETS

    for name, preset in PRESETS.items():
        print(f"{name:8}{(preset.__doc__ or '').splitlines()[0]}")


@recipes.command("show")
def show_recipe(
    name: Annotated[str, typer.Argument(help="A preset's name.")],
    kind: Annotated[str, typer.Option(help="Of the data: table, images, text or sequence.")] = "table",
    rows: Annotated[int, typer.Option(help="Training rows that it is for.")] = 1000,
) -> None:
    """A preset as TOML, to save, change, and give to --recipe."""
    from wellposed.presets import PRESETS

    check_word("--kind", kind, ("table", "images", "text", "sequence"))
    check_word("NAME", name, tuple(PRESETS))
    print(PRESETS[name](kind, rows).to_toml(), end="")  # type: ignore[arg-type]


@recipes.command("check")
def check_recipe(
    file: Annotated[Path, typer.Argument(help="A TOML file.")],
    data: Annotated[str | None, typer.Argument(help="The data that it is for.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    text: Annotated[str | None, typer.Option(help="Column of texts to learn from, alone.")] = None,
    sequence: Annotated[str | None, typer.Option(help="Column that says which sequence a row belongs to.")] = None,
    step: Annotated[str | None, typer.Option(help="Column that orders the rows of a sequence.")] = None,
) -> None:
    """Say whether a recipe file can be used, and where its parts disagree; exit code 2 if it cannot.

    With data, a network is built for them, and trained for a moment.
    """
    from wellposed.fit import Fit
    from wellposed.inputs.load import load
    from wellposed.recipe import Recipe

    recipe, loaded = Recipe.read(file), None
    if data is not None:
        loaded = load(data, target=target, text=text, sequence=sequence, step=step)
        next(Fit.prepare(loaded, recipe=recipe, members=1).train())
    print(f"{file.name} is a recipe, {recipe.digest()}.")
    for advice in recipe.check(loaded):
        print(f"  {advice}")


@recipes.command("techniques")
def list_techniques() -> None:
    """Every technique by place, a line each: what `kind` may be in a recipe file."""
    from wellposed.techniques import ALL

    folder = ""
    for kind in ALL:
        place = kind.__module__.split(".")[-2]
        if place != folder:
            print(f"{place}:")
            folder = place
        print(f"  {kind.__name__:22}{(kind.__doc__ or '').splitlines()[0]}")
