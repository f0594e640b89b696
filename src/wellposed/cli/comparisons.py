"""`compare` and `ablate`: does it really help?"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from wellposed.cli.app import app
from wellposed.cli.options import (
    Device,
    Infinities,
    Json,
    Limit,
    Missing,
    Name,
    Quiet,
    Seed,
    Sequence,
    Size,
    Step,
    Target,
    Task,
    Test,
    Text,
    as_given,
    choose_recipe,
    load_data,
    test_option,
)  # fmt: skip
from wellposed.cli.progress import flag_on_signals, leaving, show
from wellposed.errors import BadInput

if TYPE_CHECKING:
    from wellposed.ablation import Ablation
    from wellposed.comparison import Comparison

Repeats = Annotated[int, typer.Option(help="How often each recipe is trained, each time on another split.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the page and the numbers; printed alone by default.")]
Metric = Annotated[str | None, typer.Option(help="accuracy or rmse by default; auc, cross_entropy, mae, ...")]


@app.command()
def compare(
    data: Name,
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE RECIPE ...", help="Presets or TOML files.")],
    repeats: Repeats = 20,
    metric: Metric = None,
    target: Target = None,
    text: Text = None,
    sequence: Sequence = None,
    step: Step = None,
    size: Size = None,
    task: Task = "auto",
    limit: Limit = None,
    test: Test = "0.2",
    seed: Seed = 0,
    device: Device = "auto",
    out: Out = None,
    inf: Infinities = "refuse",
    missing: Missing = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare recipes pair by pair: the same splits, seeds, batches and masks; differences with intervals."""
    from wellposed.comparison import compare as judge

    if len(recipes) < 2:
        raise BadInput(f"compare must have two recipes at least. Got {len(recipes)}. Name presets or TOML files.")
    if len(set(recipes)) < len(recipes):
        raise BadInput(f"The recipes must differ from each other. Got {recipes!r}. Give copies names of their own.")
    chosen = {Path(name).stem if name.endswith(".toml") else name: choose_recipe(name) for name in recipes}
    if len(chosen) < len(recipes):
        chosen = {name: choose_recipe(name) for name in recipes}
    given = as_given(
        data,
        {
            "target": target, "text": text, "sequence": sequence, "step": step, "size": size, "task": task,
            "limit": limit, "test": test, "inf": inf, "missing": missing,
        },
    )  # fmt: skip
    loaded = load_data(given)
    with _claimed(out), _shown(Console(stderr=True, quiet=quiet), "comparing") as look:
        found = judge(
            chosen, loaded, repeats=repeats, seed=seed, test_share=test_option(test)[0], metric=metric, device=device,
            progress=look,
        )  # fmt: skip
    _tell(found, out, as_json=as_json, quiet=quiet)


@app.command()
def ablate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder.")],
    repeats: Repeats = 20,
    metric: Metric = None,
    seed: Seed = 0,
    device: Device = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Which part of the found recipe earns its place: each left out, and each added alone."""
    from wellposed.ablation import ablate as judge
    from wellposed.files import read_json
    from wellposed.recipe import Recipe

    result = read_json(folder / "result.json")
    given = result.get("given") if isinstance(result, dict) else None
    if not isinstance(given, dict) or "data" not in given:
        raise BadInput(f"{folder / 'result.json'} must say which data it is of. Got no 'given'. Fit again.")
    loaded = load_data(given)
    if loaded.fingerprint != result["data"]["fingerprint"]:
        raise BadInput(f"{given['data']} must hold the data of {folder}. Got others. Restore them, or fit again.")
    recipe = Recipe.read(folder / "recipe.toml")
    with _claimed(out), _shown(Console(stderr=True, quiet=quiet), "ablating") as look:
        share = test_option(given.get("test", "0.2"))[0]
        found = judge(
            recipe, loaded, repeats=repeats, seed=seed, test_share=share, metric=metric, device=device, progress=look
        )
    _tell(found, out, as_json=as_json, quiet=quiet)


@contextmanager
def _claimed(out: Path | None) -> Iterator[None]:
    """Claim the folder for the page before the work; where nothing comes of that, a new one is taken away."""
    from wellposed.files import claim_folder

    new = out is not None and not out.exists()
    if out is not None:
        claim_folder(out)
    try:
        yield
    except BaseException:
        if out is not None and new:
            with suppress(OSError):  # what somebody has put there stays
                out.rmdir()
        raise


@contextmanager
def _shown(console: Console, doing: str) -> Iterator[Callable[[float], None]]:
    """A function that shows the share done, and leaves the command when a signal has come."""
    began = time.monotonic()
    with flag_on_signals() as signals, show(console) as shown:

        def look(share: float) -> None:
            seconds = time.monotonic() - began
            left = seconds / max(share, 1e-9) * (1 - share)
            shown(f"{doing}: {share:.0%} · about {left:.0f} s left", share, seconds)
            if signals:
                raise leaving(signals)

        yield look


def _tell(found: "Comparison | Ablation", out: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Print what was found, and write it where that is asked for."""
    from wellposed.files import json_text, write_json, write_text

    if out is not None:
        write_json(out / "result.json", found.to_json())
        write_text(out / "report.html", found.page())
    if as_json:
        print(json_text(found.to_json()))
    elif not quiet:
        Console(highlight=False, soft_wrap=True).print(escape(str(found)))
        if out is not None:
            print(f"Look at {out / 'report.html'}")
