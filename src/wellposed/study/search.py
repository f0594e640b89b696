"""`search`: from data to a study, in one call."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

from wellposed.checks import check_choice, check_count, check_number, refusal
from wellposed.devices import find_device
from wellposed.inputs.dataset import Data
from wellposed.inputs.given import Given, read_given
from wellposed.inputs.parts import Split, split
from wellposed.recipe import Recipe
from wellposed.search_space import Space
from wellposed.spaces import default_space
from wellposed.study.engine import Engine, LocalEngine
from wellposed.study.final import Refit, train_committee
from wellposed.study.lock import hold
from wellposed.study.nested import Nested, judge_committee
from wellposed.study.ray_engine import RayEngine
from wellposed.study.rungs import Halving, Rungs
from wellposed.study.samplers import Sampler
from wellposed.study.searching import Found, Plan, Search, Source, facts_of
from wellposed.study.shard import Metric, Setting
from wellposed.study.store import Store
from wellposed.study.study import Study

STORE = "study.db"


def search(
    data: Given,
    *,
    space: Space | Sequence[Recipe] | None = None,
    trials: int = 64,
    budget: float | None = None,
    sampler: Sampler = "tpe",
    seed: int = 0,
    generation: int | None = None,
    halving: Halving = "none",
    eta: int = 3,
    metric: Metric = "loss",
    test_share: float = 0.2,
    engine: str = "local",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    out: str | Path | None = None,
    resume: bool = False,
    nested: int = 0,
    networks: int = 16,
    refit: Refit = "all",
    progress: Callable[[Found], object] | None = None,
) -> Study:
    """Find the recipe that does best on validation rows.

    The test rows, held out as `wellposed fit` with the same seed does, are not looked at.

    >>> from wellposed.search_space import space
    >>> from wellposed.techniques import Dropout
    >>> study = search("iris", space=space(Recipe(epochs=3, techniques=(Dropout(),))), trials=4, sampler="random")
    >>> len(study.trials), sorted(study.best.values)[0]
    (4, 'Dropout.rate')

    Args:
        data: Loaded data, a path, a built-in name, or features and target.
        space: What may vary, from `space`; a list of recipes, tried in order; or the default space for this kind of
            data.
        trials: How many recipes.
        budget: Seconds at most; then what has not ended is left as it stands.
        sampler: "grid", "random", "sobol", "tpe", "gp" or "cmaes".
        seed: The same seed gives the same study, where no budget cuts it.
        generation: Trials asked for at once; see `Plan`.
        halving: "none"; "successive", "hyperband" or "asha" let losing trials leave early.
        eta: Of so many one goes on at a rung.
        metric: What is minimized on the validation rows: "loss" or "error".
        test_share: Share of the rows held out for the test, where the data bring no test rows.
        engine: "local"; "ray" for a cluster on this machine; "ray:ADDRESS" for another.
        device: Where networks train.
        out: A folder for `study.db`, where trials are stored as they end.
        resume: Go on with the study that `out` holds.
        nested: Repeat everything on so many splits of the rows, each with test rows of its own, and judge it there:
            `Study.nested` says what the whole procedure is worth. 0 for none, else 2 at least; True is 5.
        networks: Of the committee that each of these repetitions ends with.
        refit: Which rows its networks are trained on.
        progress: Called now and then with how far the search is.

    Raises:
        BadInput: An argument is not what it must be, or `out` holds another study, or none to resume.
    """
    check_count("nested", int(nested), least=0)
    check_choice("refit", refit, ("train", "all"))
    loaded, splits = read_given(data), 5 if nested is True else nested
    if splits == 1:
        raise refusal("nested", "be 0, or 2 splits at least", nested)
    parts = split(loaded, test_share=test_share, seed=seed)
    setting = setting_of(loaded, parts, metric=metric, device=device)
    source = source_of(space, loaded, len(parts.train))
    plan = Plan(
        trials=trials if not isinstance(source, tuple) else min(trials, len(source)),
        sampler=sampler,
        seed=seed,
        generation=generation,
        rungs=Rungs(halving=halving, eta=eta),
        most=networks_together(setting.device),
    )
    if budget is not None:
        check_number("budget", budget, low=0, open="(")
    deadline = math.inf if budget is None else time.monotonic() + budget
    folder = None if out is None else Path(out)
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(hold(folder))
        searching = open_search(
            stack, setting, source, plan, folder=folder, resume=resume, engine=engine, fingerprint=loaded.fingerprint
        )
        for found in searching.run(deadline=deadline):
            if progress is not None:
                progress(found)
        study = searching.study()
    if not splits:
        return study
    scores, found_by = list[float](), list[float]()
    for i in range(splits):
        own = split(loaded, test_share=test_share, seed=seed + 1 + i)
        place = replace(setting, train=own.train, validation=own.validation)
        again = Search(place, source, plan=replace(plan, seed=seed + 1 + i), engine=LocalEngine(place), store=None)
        for found in again.run():
            if progress is not None:
                progress(found)
        committee = train_committee(again.study(), place, networks=networks, refit=refit)
        scores.append(judge_committee(committee, own.test))
        found_by.append(again.study().best.metric)
    ratio = len(parts.test) / (len(parts.train) + len(parts.validation))
    name = "accuracy" if loaded.task == "classification" else "rmse"
    return replace(study, nested=Nested.of(name, scores, found_by, ratio=ratio))


def setting_of(
    data: Data,
    parts: Split,
    *,
    metric: Metric = "loss",
    device: str = "auto",
    infinite_is_missing: bool = False,
) -> Setting:
    """What all trials have in common; nothing of the test rows is in it."""
    check_choice("metric", metric, ("loss", "error"))
    return Setting(
        task=data.task,
        train=parts.train,
        validation=parts.validation,
        metric=metric,
        infinite_is_missing=infinite_is_missing,
        device=find_device(device),
    )


def source_of(space: Space | Sequence[Recipe] | None, data: Data, rows: int) -> Source:
    """Where recipes come from."""
    if space is None:
        return default_space(data.kind, rows, data.task)
    if isinstance(space, Space):
        if not space.dimensions:
            raise refusal("space", "have something that may vary", "none", "Give a list of recipes to compare.")
        return space
    listed = tuple(space)
    if not listed or not all(isinstance(recipe, Recipe) for recipe in listed):
        raise refusal("space", "be a Space, or a list of recipes", space)
    return listed


def networks_together(device: str) -> int:
    """How many networks train together at most: those of a step keep two cores busy, a GPU needs many more."""
    return 64 if device == "cpu" else 1024


def open_search(
    stack: ExitStack,
    setting: Setting,
    source: Source,
    plan: Plan,
    *,
    folder: Path | None,
    resume: bool,
    engine: str = "local",
    fingerprint: str = "",
) -> Search:
    """A search that is stored in a folder and trained by an engine, until the stack is closed.

    Args:
        stack: What is opened is closed with it.
        setting: The rows, and what is minimized.
        source: Where recipes come from.
        plan: How it is searched.
        folder: Where the study is stored, held by the caller; None for nowhere.
        resume: Go on with what is there.
        engine: "local", "ray" or "ray:ADDRESS".
        fingerprint: Of the data.
    """
    store = None
    if folder is not None:
        path, facts = folder / STORE, facts_of(setting, source, plan, fingerprint)
        if path.exists() and not resume:
            raise refusal(str(folder), "hold no study yet", "one", "Resume it, or name another folder.")
        if resume and not path.exists():
            raise refusal(str(folder), "hold a study to resume", f"no {STORE} in it", "Begin one without resume.")
        store = stack.enter_context(Store.create(path, facts))
    made = make_engine(engine, setting, None if folder is None else folder / "training")
    stack.callback(made.close)
    return Search(setting, source, plan=plan, engine=made, store=store, fingerprint=fingerprint)


def make_engine(name: str, setting: Setting, folder: Path | None) -> Engine:
    """The engine of this name: "local", "ray", or "ray:ADDRESS"."""
    kind, _, address = name.partition(":")
    check_choice("engine", kind, ("local", "ray"))
    if kind == "ray":
        return RayEngine(setting, address=address or None)
    return LocalEngine(setting, folder)
