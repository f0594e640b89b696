"""The command line: parses, calls, prints. Heavy modules are imported when a command needs them."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from wellposed.errors import BadInput

if TYPE_CHECKING:
    from wellposed.fit import Fit

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
CHECKPOINT_SECONDS = 20.0
PLAIN_SECONDS = 5.0
"""Between two lines of progress where there is no terminal."""


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


@app.command()
def fit(
    data: Annotated[str, typer.Argument(help="A file, a folder of images, or a built-in name such as digits.")],
    target: Annotated[str | None, typer.Option(help="Column to predict; the last one by default.")] = None,
    text: Annotated[str | None, typer.Option(help="Column of texts to learn from, alone.")] = None,
    sequence: Annotated[
        str | None, typer.Option(help="Column that says which sequence a row belongs to; none for a plain table.")
    ] = None,
    step: Annotated[str | None, typer.Option(help="Column that orders the rows of a sequence.")] = None,
    size: Annotated[int | None, typer.Option(help="Make the images of a folder squares of this size.")] = None,
    task: Annotated[str, typer.Option(help="auto, classification or regression.")] = "auto",
    recipe: Annotated[str, typer.Option(help="A preset's name or a TOML file; see `wellposed recipe list`.")] = "sound",
    members: Annotated[int, typer.Option(help="Networks in the bag.")] = 16,
    limit: Annotated[int | None, typer.Option(help="Use the first N training rows only.")] = None,
    test: Annotated[str, typer.Option(help="Share of the rows to test on, or a file of test rows.")] = "0.2",
    seed: Annotated[int, typer.Option(help="The same seed gives the same result.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Result folder; wellposed-NAME by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in --out.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    inf: Annotated[str, typer.Option(help="Infinities in a table: refuse, or missing.")] = "refuse",
    missing: Annotated[
        list[str] | None, typer.Option(help="A further mark of missing values; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print neither progress nor summary.")] = False,
) -> None:
    """Train a bag of networks on DATA, measure it, and write the result folder."""
    from wellposed.files import claim_folder, read_json
    from wellposed.fit import Fit
    from wellposed.inputs.load import load
    from wellposed.population.save import resume_training
    from wellposed.report import page

    share, file = _test_option(test)
    _choice("--inf", inf, ("refuse", "missing"))
    loaded = load(
        data, target=target, task=task, test=file, limit=limit,  # type: ignore[arg-type]  # `load` checks the task
        infinite_is_missing=inf == "missing", missing=tuple(missing or ()),
        text=text, sequence=sequence, step=step, size=size,
    )  # fmt: skip
    folder = _result_folder(data) if out is None and not resume else out or Path(f"wellposed-{_stem(data)}")
    if resume and (folder / "result.json").is_file() and not read_json(folder / "result.json")["interrupted"]:
        raise BadInput(f"--resume must name an unfinished run. Got {str(folder)!r}, which is finished.")
    resumed, new = resume and (folder / "training").is_dir(), not folder.exists()
    fitting = Fit.prepare(
        loaded, recipe=_recipe(recipe), members=members, test_share=share, seed=seed,
        infinite_is_missing=inf == "missing", device=_device(device),
    )  # fmt: skip
    if resumed:
        resume_training(fitting.bag.population, folder / "training")
    else:
        claim_folder(folder)
    try:
        stopped = _train(fitting, folder, Console(stderr=True, quiet=quiet))
        result = fitting.finish()
        fitting.save(folder, result)
    finally:
        if new and not any(folder.iterdir()):
            folder.rmdir()
    page.write(folder)
    if as_json:
        print((folder / "result.json").read_text(encoding="utf-8"))
    elif not quiet:
        _summary(fitting, result, folder)
    if stopped:
        raise typer.Exit(TERMINATED if stopped == signal.SIGTERM else INTERRUPTED)


def _train(fitting: "Fit", folder: Path, console: Console) -> int:
    """Train with progress on standard error, saving now and then; the signal that ended it early, or 0."""
    import shutil

    from wellposed.population.save import save_training

    population, saved = fitting.bag.population, 0.0
    with _flag_on_signals() as signals, _progress(console) as show:
        for progress in fitting.train():
            show(progress)
            if signals:
                break
            if progress.epoch == int(progress.epoch) and progress.seconds - saved > CHECKPOINT_SECONDS:
                save_training(population, folder / "training")
                saved = progress.seconds
    if signals:
        save_training(population, folder / "training")
        console.print("Interrupted: counting what was reached. `--resume` goes on from here.", highlight=False)
    elif (folder / "training").is_dir():
        shutil.rmtree(folder / "training")
    return signals[0] if signals else 0


@contextmanager
def _flag_on_signals() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM are noted, and acted on between two segments; a second one acts at once."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, before[number])

    before: dict[int, Any] = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(console: Console) -> Iterator[Any]:
    """A function that shows how far training is: a bar on a terminal, else a plain line now and then."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from wellposed.population.population import Progress as Reached

    def words(p: Reached) -> str:
        left = p.seconds / max(p.epoch, 1e-9) * (p.epochs - p.epoch)
        best = f"best validation loss {p.best_score:.4f}" if p.best_score < float("inf") else "not evaluated yet"
        return f"epoch {int(p.epoch)}/{p.epochs} · {p.living} training · {best} · at most {left:.0f} s left"

    if console.quiet or not console.is_terminal:
        last = -PLAIN_SECONDS

        def line(p: Reached) -> None:
            nonlocal last
            if p.seconds - last >= PLAIN_SECONDS:
                last = p.seconds
                console.print(words(p), highlight=False)

        yield line
        return
    with Progress(BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("epoch 0")
        yield lambda p: bar.update(task, completed=p.epoch, total=p.epochs, description=words(p))


def _summary(fitting: "Fit", result: dict[str, Any], folder: Path) -> None:
    """What a person wants to know first, on standard output."""
    from rich.table import Table

    from wellposed.report.facts import answering_words, bagging_words

    console = Console(highlight=False, soft_wrap=True)
    data, count, gap = result["data"], result["members"], result["gap"]
    parts = ", ".join(f"{n} {part}" for part, n in result["split"].items())
    rows = {"table": "rows", "sequence": "sequences"}.get(data["kind"], data["kind"].rstrip("s") + "s")
    asked = f"{data['task']} of {escape(repr(data['target']))}"
    console.print(f"[bold]{escape(data['name'])}[/]: {asked}; {rows}: {parts}")
    for note in result["notes"]:
        console.print(f"  note: {escape(note)}")
    net = fitting.bag.population.recipe.net
    console.print(f"{count['count']} networks, {escape(str(net))}")
    if count["snapshots"] > 1 or count["passes"] > 1:
        console.print(f"  networks: {answering_words(result)}")
    for failed in count["failed"]:
        console.print(f"  member {failed['member']} failed at step {failed['step']} in {escape(failed['where'])}")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    names = list(result["metrics"]["test"])
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for part, metrics in result["metrics"].items():
        table.add_row(part, *(f"{metrics[name]:.4f}" for name in names))
    console.print(table)
    console.print(
        f"generalization gap of one network, {gap['metric']}: {gap['estimate']:.4f}"
        f" \\[{gap['low']:.4f}, {gap['high']:.4f}] at {gap['level']:.0%}"
    )
    if told := bagging_words(result):
        console.print(escape(told))
    console.print(f"{result['seconds']:.1f} s. Look at [bold]{escape(str(folder / 'report.html'))}[/]")


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder, or a model folder in it.")],
    data: Annotated[str, typer.Argument(help="Rows to answer for, in the form of the training data.")],
    proba: Annotated[bool, typer.Option("--proba", help="The probability of each class beside the answer.")] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file to write; standard output by default.")] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="A further mark of missing values; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Answer for new rows with a trained bag: one CSV line a row, text, sequence or image."""
    import pandas as pd

    from wellposed.bag import Bag
    from wellposed.files import write_text
    from wellposed.inputs.questions import read_questions

    model = folder / "model" if (folder / "model").is_dir() else folder
    bag = Bag.load(model, device=_device(device))
    questions = read_questions(data, bag.encoder, missing=tuple(missing or ()))
    for note in questions.notes:
        Console(stderr=True).print(f"note: {escape(note)}", highlight=False, soft_wrap=True)
    answer = bag.answer(questions.features)
    columns: list[tuple[str, Any]] = [(questions.column, questions.names)] if len(questions.names) else []
    if bag.task == "regression":
        columns.append(("prediction", answer[:, 0]))
    else:
        columns.append(("prediction", bag.target.decode(answer.argmax(1))))
        columns += [(f"p({label})", answer[:, j]) for j, label in enumerate(bag.target.classes) if proba]
    table = pd.concat([pd.Series(values, name=name) for name, values in columns], axis=1)
    text_out = table.to_csv(index=False)
    if out is None:
        print(text_out, end="")
    else:
        write_text(out, text_out)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder.")]) -> None:
    """Build report.html again from the stored values."""
    from wellposed.report import page

    page.write(folder)
    print(folder / "report.html")


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

    _choice("--kind", kind, ("table", "images", "text", "sequence"))
    _choice("NAME", name, tuple(PRESETS))
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


def _recipe(given: str) -> Any:
    """A preset, or the recipe in a file."""
    from wellposed.presets import PRESETS
    from wellposed.recipe import Recipe

    if given in PRESETS:
        return PRESETS[given]
    if given.endswith(".toml") or Path(given).exists():
        return Recipe.read(Path(given))
    _choice("--recipe", given, tuple(PRESETS), "or be a TOML file")
    return None


def _choice(what: str, given: str, known: tuple[str, ...], more: str = "") -> None:
    from wellposed.checks import nearest, refusal

    if given not in known:
        must = f"be one of {', '.join(known)}" + (f", {more}" if more else "")
        raise refusal(what, must, given, nearest(given, known))


def _test_option(given: str) -> tuple[float, str | None]:
    """The share that `--test` gives, or the file."""
    try:
        return float(given), None
    except ValueError:
        return 0.2, given


def _device(given: str) -> str:
    import torch

    _choice("--device", given, ("auto", "cpu", "cuda"))
    if given == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda must have a GPU. Got none that PyTorch can use. Give --device cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if given == "auto" else given


def _stem(data: str) -> str:
    """A short name for a data set, safe in a path."""
    stem = Path(data.rstrip("/")).name.split(".")[0]
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem)[:60] or "data"


def _result_folder(data: str) -> Path:
    """The first of wellposed-NAME, wellposed-NAME-2, ... that is not there yet."""
    stem, number = f"wellposed-{_stem(data)}", 2
    folder = Path(stem)
    while folder.exists():
        folder, number = Path(f"{stem}-{number}"), number + 1
    return folder
