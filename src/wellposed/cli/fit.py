"""`fit`: the main job."""

import math
import time
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from wellposed.cli.app import INTERRUPTED, TERMINATED, app
from wellposed.cli.augment import find_policy, read_page, with_policy
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
from wellposed.cli.progress import flag_on_signals, search_words, show, training_words
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
TRIALS = 64
UNLIMITED = 100_000
"""Trials of a search that ends by its budget."""


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
    from wellposed.devices import find_device
    from wellposed.files import claim_folder, read_json
    from wellposed.fit import Fit, split_for_test
    from wellposed.presets import sound
    from wellposed.report import page
    from wellposed.study.rungs import Rungs
    from wellposed.study.search import STORE, networks_together, open_search, setting_of, source_of
    from wellposed.study.searching import Plan

    began = time.monotonic()
    ends = math.inf if budget is None else began + seconds_of(budget)
    share, _ = test_option(test)
    check_word("--refit", refit, ("train", "all"))
    check_word("--augment", augment, ("auto", "usual"))
    device = find_device(device, what="--device")
    chosen = None if recipe is None else choose_recipe(recipe)
    n_trials = (0 if recipe else TRIALS if budget is None else UNLIMITED) if trials is None else trials
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
    if resume and (folder / "result.json").is_file() and not read_json(folder / "result.json")["interrupted"]:
        raise BadInput(f"--resume must name an unfinished run. Got {str(folder)!r}, which is finished.")
    resumed, new = resume and folder.is_dir() and any(folder.iterdir()), not folder.exists()
    if not resumed:
        claim_folder(folder)
    console, infinite_is_missing = Console(stderr=True, quiet=quiet), inf == "missing"
    try:
        with ExitStack() as stack:
            if n_trials:
                parts = split_for_test(loaded, test_share=share, seed=seed)
                source = source_of(_around(chosen, loaded.kind, len(parts.train)), loaded, len(parts.train))
                if augment == "auto":
                    policy = find_policy(
                        loaded, source, trials=min(n_trials, TRIALS), seed=seed, test_share=share, ends=ends,
                        device=device, folder=folder, console=console,
                    )  # fmt: skip
                    source = with_policy(source, policy)
                plan = Plan(
                    trials=n_trials, sampler=sampler, seed=seed, rungs=Rungs(halving=halving),  # type: ignore[arg-type]
                    generation=None if n_trials < UNLIMITED else 32, most=networks_together(device),
                )  # fmt: skip
                searching = open_search(
                    stack,
                    setting_of(
                        loaded,
                        parts,
                        metric=metric,  # type: ignore[arg-type]  # checked there
                        device=device,
                        infinite_is_missing=infinite_is_missing,
                    ),
                    source,
                    plan,
                    folder=folder,
                    resume=resumed and (folder / STORE).is_file(),
                    engine=engine,
                    fingerprint=loaded.fingerprint,
                )
                before = searching.seconds
                if stopped := _search(searching, ends, members, console):
                    console.print("Interrupted: what has ended is stored. `--resume` goes on from here.")
                    raise typer.Exit(TERMINATED if stopped == SIGTERM else INTERRUPTED)
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
            stopped = _train(fitting, folder, ends, console, resumed=resumed)
        result = fitting.finish() | {"given": given} | read_page(folder)
        fitting.save(folder, result)
    except BadInput:
        if new:
            _remove(folder)
        raise
    page.write(folder)
    if as_json:
        print((folder / "result.json").read_text(encoding="utf-8"))
    elif not quiet:
        summarize(fitting, result, folder)
    if stopped:
        raise typer.Exit(TERMINATED if stopped == SIGTERM else INTERRUPTED)


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


def _search(searching: "Search", ends: float, members: int, console: Console) -> int:
    """Search with progress on standard error; the signal that ended it early, or 0."""
    began = time.monotonic()
    with flag_on_signals() as signals, show(console) as shown:
        for found in searching.run(deadline=ends, networks=members):
            late = (time.monotonic() - began) / (ends - began)
            shown(search_words(found), max(found.ended / found.trials, late), found.seconds)
            if signals:
                break
    return signals[0] if signals else 0


def _train(fitting: "Fit", folder: Path, ends: float, console: Console, *, resumed: bool) -> int:
    """Train with progress on standard error, saving now and then; the signal that ended it early, or 0."""
    import shutil

    from wellposed.population.save import resume_training, save_training

    bags, place, saved = fitting.committee.bags, folder / "training", time.monotonic()
    for number, bag in enumerate(bags):
        if resumed and (place / str(number)).is_dir():
            resume_training(bag.population, place / str(number))
    with flag_on_signals() as signals, show(console) as shown:
        for number, progress in fitting.train():
            share = (number + progress.epoch / progress.epochs) / len(bags)
            shown(training_words(progress, number, len(bags)), share, progress.seconds)
            if signals or time.monotonic() >= ends:
                break
            if progress.epoch == int(progress.epoch) and time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_training(bags[number].population, place / str(number))
                saved = time.monotonic()
    if signals:
        for number, bag in enumerate(bags):
            save_training(bag.population, place / str(number))
        console.print("Interrupted: counting what was reached. `--resume` goes on from here.", highlight=False)
    elif place.is_dir():
        shutil.rmtree(place)
    return signals[0] if signals else 0


def _remove(folder: Path) -> None:
    """Take away a new folder in which nothing has ended."""
    import shutil

    from wellposed.study.search import STORE
    from wellposed.study.store import Store

    ended = False
    if (folder / STORE).is_file():
        with Store.open(folder / STORE, readonly=True) as store:
            ended = any(trial.state != "queued" for trial in store.trials())
    if not ended and folder.is_dir() and not (folder / "training" / "0").is_dir():
        shutil.rmtree(folder)
