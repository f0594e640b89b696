"""How far a long run is, and how it is ended early."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from wellposed.cli.app import INTERRUPTED, TERMINATED

if TYPE_CHECKING:
    from wellposed.population.population import Progress
    from wellposed.study.searching import Found

PLAIN_SECONDS = 5.0
"""Between two lines of progress where there is no terminal."""
UNLIMITED = 100_000
"""Trials of a search that ends by its budget."""


@contextmanager
def flag_on_signals() -> Iterator[list[int]]:
    """The first Ctrl-C or SIGTERM is noted, and acted on between two segments; a second one acts at once."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before: dict[int, Any] = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        restore()


def leaving(signals: Sequence[int]) -> typer.Exit:
    """What ends a command that was asked to end: 143 for SIGTERM, 130 for Ctrl-C."""
    return typer.Exit(TERMINATED if signals[0] == signal.SIGTERM else INTERRUPTED)


@contextmanager
def show(console: Console) -> Iterator[Callable[[str, float, float], None]]:
    """A function of words, the share done and the seconds since the beginning, which shows them.

    A bar on a terminal, else a plain line now and then.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    if console.quiet or not console.is_terminal:
        last = -PLAIN_SECONDS

        def line(words: str, share: float, seconds: float) -> None:
            nonlocal last
            if seconds - last >= PLAIN_SECONDS:
                last = seconds
                console.print(words, highlight=False, markup=False)

        yield line
        return
    with Progress(
        BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), console=console
    ) as bar:
        task = bar.add_task("epoch 0", total=1.0)
        yield lambda words, share, seconds: bar.update(task, completed=share, description=words)


def training_words(p: "Progress", number: int = 0, of: int = 1) -> str:
    """Where the training of a bag stands, the first of so many being number 0."""
    left = p.seconds / max(p.epoch, 1e-9) * (p.epochs - p.epoch)
    best = f"best validation loss {p.best_score:.4f}" if p.best_score < float("inf") else "not evaluated"
    bag = f"bag {number + 1} of {of} · " if of > 1 else ""
    return f"{bag}epoch {int(p.epoch)}/{p.epochs} · {p.living} training · {best} · at most {left:.0f} s left"


def search_words(f: "Found") -> str:
    """Where a search stands."""
    best = f"best score {f.best:.4f}" if f.best < float("inf") else "none to its end yet"
    now = f" · {f.living} training, epoch {int(f.epoch)}" if f.living else ""
    of = "" if f.trials >= UNLIMITED else f"/{f.trials}"
    return f"search: {f.ended}{of} trials · {best}{now}"
