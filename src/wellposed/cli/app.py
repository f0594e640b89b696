"""The program: its commands are registered where they stand; what all have in common is how they end."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from wellposed.errors import BadInput

app = typer.Typer(
    name="wellposed",
    help="Train networks that generalize, and see why they do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
recipes = typer.Typer(help="Presets and recipe files.", no_args_is_help=True)
app.add_typer(recipes, name="recipe")

INTERRUPTED, TERMINATED, BAD_INPUT = 130, 143, 2


def main() -> None:
    """Run the command line; bad input is one sentence on standard error and exit code 2."""
    try:
        app()
    except BadInput as error:
        Console(stderr=True).print(f"[bold red]wellposed:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
