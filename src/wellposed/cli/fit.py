"""`fit`: the main job."""

import math
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from wellposed.cli.app import app
from wellposed.cli.augment import find_policy, read_page, with_policy
from wellposed.cli.folder import TRAINING, held, is_finished
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
    check_word,
    choose_recipe,
    load_data,
    result_folder,
    seconds_of,
    stem_of,
    test_option,
)  # fmt: skip
from wellposed.cli.progress import UNLIMITED, flag_on_signals, leaving, search_words, show, training_words
from wellposed.cli.summary import summarize
from wellposed.errors import BadInput

if TYPE_CHECKING:
    from wellposed.fit import Fit
    from wellposed.inputs.dataset import Kind
    from wellposed.presets import Preset
    from wellposed.recipe import Recipe
    from wellposed.search_space import Space
    from wellposed.study.searching import Search

CHECKPOINT_SECONDS = 20.0
MEASURED_SHARE = 0.93
"""Of a budget, until training ends; the rest is for measuring and for the page."""
TRIALS = 64


@app.command()
def fit(
    data: Name,
    target: Target = None,
    text: Text = None,
    sequence: Sequence = None,
    step: Step = None,
    size: Size = None,
    task: Task = "auto",
    recipe: Annotated[
        str | None,
        typer.Option(help="A preset's name or a TOML file: trained as it is, or searched around with --trials."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Recipes to try; 0 for none. 64 by default, 0 with --recipe.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Time for everything, such as 90s or 10m.")] = None,
    sampler: Annotated[str, typer.Option(help="tpe, random, sobol, gp, cmaes or grid.")] = "tpe",
    halving: Annotated[
        str, typer.Option(help="Losing trials leave early: successive, hyperband, asha; or none.")
    ] = "successive",
    metric: Annotated[str, typer.Option(help="What the search minimizes on validation rows: loss or error.")] = "loss",
    refit: Annotated[
        str, typer.Option(help="Train the bag on train rows, as the search did, or on all but the test rows.")
    ] = "all",
    members: Annotated[int, typer.Option(help="Networks in the bag.")] = 16,
    limit: Limit = None,
    test: Test = "0.2",
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Result folder; wellposed-NAME by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in --out.")] = False,
    augment: Annotated[
        str, typer.Option(help="auto searches a policy of augmentation first; usual leaves it to the space.")
    ] = "usual",
    engine: Annotated[str, typer.Option(help="Who trains trials: local, ray, or ray:ADDRESS.")] = "local",
    device: Device = "auto",
    inf: Infinities = "refuse",
    missing: Missing = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find a recipe for DATA, train a bag of networks, measure it, and write the result folder."""
    began = time.monotonic()
    from wellposed.devices import find_device
    from wellposed.fit import Fit, split_for_test
    from wellposed.presets import sound
    from wellposed.report import page
    from wellposed.study.rungs import HALVINGS, Rungs
    from wellposed.study.samplers import SAMPLERS
    from wellposed.study.search import STORE, networks_together, open_search, setting_of, source_of
    from wellposed.study.searching import Plan

    ends = math.inf if budget is None else began + MEASURED_SHARE * seconds_of(budget)
    share, _ = test_option(test)
    check_word("--sampler", sampler, SAMPLERS)
    check_word("--halving", halving, HALVINGS)
    check_word("--metric", metric, ("loss", "error"))
    check_word("--refit", refit, ("train", "all"))
    check_word("--augment", augment, ("auto", "usual"))
    check_word("--engine", engine.partition(":")[0], ("local", "ray"))
    check_word("--device", device, ("auto", "cpu", "cuda"))
    device = find_device(device, what="--device")
    chosen = None if recipe is None else choose_recipe(recipe)
    n_trials = (0 if recipe else TRIALS if budget is None else UNLIMITED) if trials is None else trials
    if n_trials < 0:
        raise BadInput(f"--trials must be at least 0. Got {trials}.")
    if augment == "auto" and not n_trials:
        raise BadInput("--augment auto must go with a search. Got no trials. Give --trials 64.")
    if members < 1:
        raise BadInput(f"--members must be at least 1. Got {members}.")
    given = as_given(
        data,
        {
            "target": target, "text": text, "sequence": sequence, "step": step, "size": size, "task": task,
            "limit": limit, "test": test, "inf": inf, "missing": missing,
        },
    )  # fmt: skip
    loaded = load_data(given)
    folder = result_folder(data) if out is None and not resume else out or Path(f"wellposed-{stem_of(data)}")
    console, infinite_is_missing = Console(stderr=True, quiet=quiet), inf == "missing"
    with flag_on_signals() as signals, held(folder, resume=resume) as resumed:
        if resumed and is_finished(folder):  # and killed before its page was there
            shutil.rmtree(folder / TRAINING, ignore_errors=True)
            page.write(folder)
            print((folder / "result.json").read_text(encoding="utf-8") if as_json else folder / "report.html")
            return
        with ExitStack() as stack:
            if n_trials:
                parts = split_for_test(loaded, test_share=share, seed=seed)
                source = source_of(_around(chosen, loaded.kind, len(parts.train)), loaded, len(parts.train))
                if augment == "auto":
                    policy = find_policy(
                        loaded, source, trials=min(n_trials, TRIALS), seed=seed, test_share=share, ends=ends,
                        device=device, folder=folder, console=console, signals=signals,
                    )  # fmt: skip
                    source = with_policy(source, policy)
                setting = setting_of(
                    loaded, parts, metric=metric,  # type: ignore[arg-type]  # checked above
                    device=device, infinite_is_missing=infinite_is_missing,
                )  # fmt: skip
                plan = Plan(
                    trials=n_trials, sampler=sampler, seed=seed, rungs=Rungs(halving=halving),  # type: ignore[arg-type]
                    generation=None if n_trials < UNLIMITED else 32, most=networks_together(device),
                )  # fmt: skip
                searching = open_search(
                    stack, setting, source, plan, folder=folder, resume=resumed and (folder / STORE).is_file(),
                    engine=engine, fingerprint=loaded.fingerprint,
                )  # fmt: skip
                before = searching.seconds
                _search(searching, ends, members, console, signals)
                study = searching.study()
                fitting = Fit.of_study(
                    loaded, parts, study, members=members, refit=refit,  # type: ignore[arg-type]  # checked above
                    began=began - before, infinite_is_missing=infinite_is_missing, device=device,
                )  # fmt: skip
            else:
                fitting = Fit.prepare(
                    loaded, recipe=chosen or sound, members=members, test_share=share, seed=seed,
                    infinite_is_missing=infinite_is_missing, device=device,
                )  # fmt: skip
        _train(fitting, folder, ends, console, signals)
        try:
            searched = {"recipe": recipe, "augment": None if augment == "usual" else augment} if n_trials else {}
            given |= {name: word for name, word in searched.items() if word is not None}
            result = (
                fitting.finish()
                | {"given": given, "interrupted": fitting.interrupted and bool(signals)}
                | read_page(folder)
            )
        except BadInput:
            if fitting.interrupted and signals:  # before any network had weights
                raise leaving(signals) from None
            raise
        fitting.save(folder, result)
        if not (fitting.interrupted and signals):
            shutil.rmtree(folder / TRAINING, ignore_errors=True)
        page.write(folder)
    if as_json:
        print((folder / "result.json").read_text(encoding="utf-8"))
    elif not quiet:
        summarize(fitting, result, folder)
    if signals:
        raise leaving(signals)


def _around(chosen: "Recipe | Preset | None", kind: "Kind", rows: int) -> "Space | None":
    """What varies around a recipe that was asked for; None where none was."""
    from wellposed.cocktails import cocktail, cocktail_space
    from wellposed.recipe import Recipe
    from wellposed.search_space import space

    if chosen is cocktail:
        return cocktail_space(kind, rows)
    if chosen is None:
        return None
    recipe = chosen if isinstance(chosen, Recipe) else chosen(kind, rows)
    return space(recipe, fixed=("optimizer.momentum", "optimizer.decay", "*Norm.momentum"))


def _search(searching: "Search", ends: float, members: int, console: Console, signals: list[int]) -> None:
    """Search with progress on standard error, or leave the command where a signal has come."""
    began = time.monotonic()
    with show(console) as shown:
        for found in searching.run(deadline=ends, networks=members):
            late = (time.monotonic() - began) / (ends - began)
            shown(search_words(found), max(found.ended / found.trials, late), found.seconds)
            if signals:
                break
    if signals:
        console.print("Interrupted: what has ended is stored. `--resume` goes on from here.", highlight=False)
        raise leaving(signals)


def _train(fitting: "Fit", folder: Path, ends: float, console: Console, signals: list[int]) -> None:
    """Train with progress on standard error, saving now and then, until the end, the time, or a signal."""
    from wellposed.population.save import resume_training, save_training

    bags, place, saved = fitting.committee.bags, folder / TRAINING, time.monotonic()
    for number, bag in enumerate(bags):
        if (place / str(number) / "training.json").is_file():
            resume_training(bag.population, place / str(number))
    with show(console) as shown:
        for number, progress in fitting.train():
            share = (number + progress.epoch / progress.epochs) / len(bags)
            shown(training_words(progress, number, len(bags)), share, progress.seconds)
            if signals or time.monotonic() >= ends:
                break
            if progress.epoch == int(progress.epoch) and time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_training(bags[number].population, place / str(number))
                saved = time.monotonic()
    if fitting.interrupted and signals:
        for number, bag in enumerate(bags):
            save_training(bag.population, place / str(number))
        console.print("Interrupted: counting what was reached. `--resume` goes on from here.", highlight=False)
