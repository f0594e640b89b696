"""Options that several commands have, and what they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from wellposed.inputs.dataset import Data

Name: TypeAlias = Annotated[str, typer.Argument(help="A file, a folder of images, or a built-in name such as digits.")]
Target: TypeAlias = Annotated[str | None, typer.Option(help="Column to predict; the last one by default.")]
Text: TypeAlias = Annotated[str | None, typer.Option(help="Column of texts to learn from, alone.")]
Sequence: TypeAlias = Annotated[
    str | None, typer.Option(help="Column that says which sequence a row belongs to; none for a plain table.")
]
Step: TypeAlias = Annotated[str | None, typer.Option(help="Column that orders the rows of a sequence.")]
Size: TypeAlias = Annotated[int | None, typer.Option(help="Make the images of a folder squares of this size.")]
Task: TypeAlias = Annotated[str, typer.Option(help="auto, classification or regression.")]
Limit: TypeAlias = Annotated[int | None, typer.Option(help="Use the first N training rows only.")]
Test: TypeAlias = Annotated[str, typer.Option(help="Share of the rows to test on, or a file of test rows.")]
Seed: TypeAlias = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Device: TypeAlias = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Infinities: TypeAlias = Annotated[str, typer.Option("--inf", help="Infinities in a table: refuse, or missing.")]
Missing: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="A further mark of missing values; may be repeated.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Print neither progress nor summary.")]


def choose_recipe(given: str) -> Any:
    """A preset, or the recipe in a file."""
    from wellposed.presets import PRESETS
    from wellposed.recipe import Recipe

    if given in PRESETS:
        return PRESETS[given]
    if given.endswith(".toml") or Path(given).exists():
        return Recipe.read(Path(given))
    check_word("--recipe", given, tuple(PRESETS), "or be a TOML file")
    return None


def check_word(what: str, given: str, known: tuple[str, ...], more: str = "") -> None:
    """Refuse what is none of the known words."""
    from wellposed.checks import nearest, refusal

    if given not in known:
        must = f"be one of {', '.join(known)}" + (f", {more}" if more else "")
        raise refusal(what, must, given, nearest(given, known))


def test_option(given: str) -> tuple[float, str | None]:
    """The share that `--test` gives, or the file."""
    try:
        return float(given), None
    except ValueError:
        return 0.2, given


def stem_of(data: str) -> str:
    """A short name for a data set, safe in a path."""
    stem = Path(data.rstrip("/")).name.split(".")[0]
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem)[:60] or "data"


def result_folder(data: str) -> Path:
    """The first of wellposed-NAME, wellposed-NAME-2, ... that is not there yet."""
    stem, number = f"wellposed-{stem_of(data)}", 2
    folder = Path(stem)
    while folder.exists():
        folder, number = Path(f"{stem}-{number}"), number + 1
    return folder


def seconds_of(given: str) -> float:
    """The seconds that "90s", "10m" or "2h" are; a bare number is seconds.

    >>> seconds_of("10m"), seconds_of("1.5h"), seconds_of("20")
    (600.0, 5400.0, 20.0)
    """
    from wellposed.checks import refusal

    number, unit = (given[:-1], given[-1]) if given.endswith(("s", "m", "h")) else (given, "s")
    try:
        seconds = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except (ValueError, KeyError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise refusal("--budget", "be a time such as 90s, 10m or 2h", given)
    return seconds


def load_data(given: dict[str, Any]) -> "Data":
    """The data that options name: `data` and, where they are not as by default, `target`, `text` and so on."""
    from wellposed.inputs.load import load

    check_word("--inf", given.get("inf", "refuse"), ("refuse", "missing"))
    own = {key: given[key] for key in ("target", "text", "sequence", "step", "size", "limit", "task") if key in given}
    return load(
        given["data"],
        test=test_option(given.get("test", "0.2"))[1],
        infinite_is_missing=given.get("inf") == "missing",
        missing=tuple(given.get("missing", ())),
        **own,
    )


def as_given(data: str, options: dict[str, Any]) -> dict[str, Any]:
    """What was said of the data: its name, and those options that are not as by default."""
    usual = {"task": "auto", "test": "0.2", "inf": "refuse"}
    return {"data": data} | {k: v for k, v in options.items() if v is not None and v != usual.get(k) and v != []}
