"""A program for `test_faults`: fits and searches as processes that are ended at chosen moments and gone on with.

They are forked and so have all imported already: one lives for a second and not for five. Each line of standard input
is a plan as JSON, each of standard output what came of it.
"""

import json
import os
import random
import resource
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeAlias

import optuna  # noqa: F401  # here, and not in each child

from wellposed import search
from wellposed.cli import fit, main
from wellposed.document import render
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.search_space import space
from wellposed.study import shard
from wellposed.techniques import Dropout, Standardize

SPACE = space(
    Recipe(net=MLP(widths=(8,)), epochs=27, batch_size=32, techniques=(Standardize(), Dropout())),
    choices={"net": (MLP(widths=(8,)), MLP(widths=(4, 4)))},
    fixed=("optimizer.momentum", "optimizer.decay"),
)
"""Two structures, so that a generation has several shards."""
FOLDER_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect")
STAGES = ("report.html", "result.json", "model", "training/0", "training", "study.db", "study.lock")
WITHIN = 120.0
"""Seconds in which a run must end by itself."""
CODES = {signal.SIGKILL: {-9}, signal.SIGTERM: {143, -15}, signal.SIGINT: {130}}
"""How a run may end that was sent a signal; one that is killed by SIGTERM had not begun."""

Plan: TypeAlias = dict[str, Any]
Outcome: TypeAlias = tuple[list[Path], list[str]]
"""The folders of runs that were ended early, and at what stages that was, or what they said."""


def begin(plan: Plan, folder: Path, before: Callable[[], None] = lambda: None, *, log: str | None = None) -> int:
    """Start a run, or go on with one; the process."""
    resume = folder.exists() and log is None
    if child := os.fork():
        return child
    code = 70
    try:
        written = os.open(log or plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(written, 1)
        os.dup2(written, 2)
        before()
        if plan["what"] == "search":
            search("iris", **plan["options"], space=SPACE, out=folder, resume=(folder / "study.db").exists())
            code = 0
        else:
            sys.argv = ["wellposed", "fit", *plan["words"], "--out", str(folder), *["--resume"] * resume]
            main()
            code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(child: int, *, within: float = WITHIN) -> int | None:
    """The exit code of a process that ends by itself in time, negative for a signal; else None."""
    last = time.monotonic() + within
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= last:
            return None
        time.sleep(0.001)


def stage(folder: Path) -> str:
    """How far a run had come, by what lies there."""
    found = (name for name in STAGES if (folder / name).exists())
    return next(found, "folder" if folder.exists() else "nothing")


def trials_ended(folder: Path) -> int:
    """How many trials can be read that have come to their end."""
    if not (folder / "study.db").exists():
        return 0
    with closing(sqlite3.connect(folder / "study.db")) as connection, suppress(sqlite3.OperationalError):
        return int(connection.execute("SELECT count(*) FROM trials WHERE state != 'queued'").fetchone()[0])
    return 0  # there are no tables yet


def is_done(plan: Plan, folder: Path) -> bool:
    """Whether a run has a whole result."""
    path = folder / "result.json"
    return plan["what"] == "fit" and path.exists() and not json.loads(path.read_text())["interrupted"]


def at_random(plan: Plan, place: Path, seconds: float) -> Outcome:
    """Signal at random moments, and let each run go on until it has a result; then begin another, until all is done.

    Args:
        plan: What to run, which signal and how often, and the seed of the moments.
        place: For the folders.
        seconds: That a run takes to its result when nobody ends it.
    """
    draw, stages, folders = random.Random(plan["seed"]), list[str](), [place / "0"]
    while len(stages) < plan["times"]:
        child = begin(plan, folders[-1])
        code = ended(child, within=draw.uniform(0, plan["share"] * seconds))
        if code is None:
            os.kill(child, plan["signal"])
            code = ended(child)
            stages.append(stage(folders[-1]))
            if code not in CODES[plan["signal"]] | {0}:
                raise RuntimeError(f"A run must end by its signal. Got {code} in {folders[-1]}.")
        elif code != 0:
            raise RuntimeError(f"A run must go on. Got exit code {code} in {folders[-1]}.")
        if code == 0 or is_done(plan, folders[-1]):
            folders.append(place / str(len(folders)))
    return folders, stages


def killing_at(number: int, folder: Path) -> Callable[[], None]:
    """Before the process's own operation of this number on a file in the folder, counted from 0, kill it."""

    def arm() -> None:
        count = 0

        def look(event: str, details: tuple[Any, ...]) -> None:
            nonlocal count
            if event in FOLDER_EVENTS and str(details[0]).removeprefix("file://").startswith(str(folder)):
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        sys.addaudithook(look)

    return arm


def at_operations(plan: Plan, place: Path) -> Outcome:
    """A run for each of these operations on files, by number, killed before that; until a run has not so many."""
    folders, stages = list[Path](), list[str]()
    for number in plan["operations"]:
        folder = place / str(number)
        code = ended(begin(plan, folder, killing_at(number, folder)))
        if code == 0:
            break
        if code != -signal.SIGKILL:
            raise RuntimeError(f"A run must be killed. Got exit code {code} in {folder}.")
        folders.append(folder)
        stages.append(stage(folder))
    return folders, stages


def with_small_files(plan: Plan, place: Path) -> Outcome:
    """A run for each size beyond which no file may grow, as on a disk that is full."""
    folders, stages = list[Path](), list[str]()
    for size in plan["sizes"]:
        folder = place / str(size)
        code = ended(begin(plan, folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))))  # noqa: B023
        if code != 2:
            raise RuntimeError(f"A run must be refused. Got exit code {code} in {folder}.")
        folders.append(folder)
        stages.append(stage(folder))
    return folders, stages


def together(plan: Plan, place: Path) -> Outcome:
    """So many processes that begin, or go on with, one run at the same moment; what they said, by exit code."""
    folder, start = place / "0", time.time() + 1.0
    if plan["resume"]:
        ended(begin(plan, folder, killing_at(12, folder)))
        plan = plan | {"words": [*plan["words"], "--resume"]}

    def wait() -> None:
        time.sleep(max(0.0, start - time.time()))

    logs = [place / f"{i}.log" for i in range(plan["processes"])]
    codes = [ended(child) for child in [begin(plan, folder, wait, log=str(log)) for log in logs]]
    return [folder], [f"{code}: {log.read_text()}" for code, log in zip(codes, logs, strict=True)]


def work(plan: Plan, place: Path) -> dict[str, Any]:
    """All runs of a plan, each to its end, and one that nobody has ended."""
    every = 0.0 if plan["saving"] else 20.0
    shard.SAVED_SECONDS = shard.WORTH_SAVING_SECONDS = fit.CHECKPOINT_SECONDS = every
    whole, began = place / "whole", time.time()
    if (code := ended(begin(plan, whole))) != 0:
        raise RuntimeError(f"A run must end well. Got exit code {code}.")
    result = whole / ("study.db" if plan["what"] == "search" else "result.json")
    seconds = result.stat().st_mtime - began
    if "signal" in plan:
        folders, stages = at_random(plan, place, seconds)
    elif "operations" in plan:
        folders, stages = at_operations(plan, place)
    elif "sizes" in plan:
        folders, stages = with_small_files(plan, place)
    else:
        folders, stages = together(plan, place)
    counts = {folder.name: trials_ended(folder) for folder in folders}
    for folder in folders:
        code = 0 if is_done(plan, folder) and (folder / "report.html").exists() else ended(begin(plan, folder))
        if code != 0:
            raise RuntimeError(f"What was ended early must go on. Got exit code {code} in {folder}.")
    named = {"whole": str(whole), "folders": [str(f) for f in folders]}
    return {**named, "stages": stages, "count": Counter(stages), "ended": counts}


if __name__ == "__main__":
    render("", "", ())  # the script of pages, once for all
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = work(asked, Path(asked["place"]))
        except RuntimeError as error:
            told = {"error": str(error)}
        print(json.dumps(told), flush=True)
