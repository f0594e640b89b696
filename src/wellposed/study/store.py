"""The store of a study: what was asked for, and each trial from its asking to its end, in one SQLite file.

A batch of trials is written in one transaction that is on the disk when the call returns. A process that is killed, or
a disk that is full, leaves whole batches: a trial that was stored stays stored, one that was being written is queued.
"""

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from wellposed.bag import own_version
from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.study.database import create_database, network_warning, open_database, told, transaction
from wellposed.study.trial import Trial

ASKED = ("number", "generation", "shard", "chosen", "recipe", "seed")
ENDED = ("state", "epochs", "score", "metric", "best_epoch", "curve", "seconds", "failure")
INSERT = f"INSERT INTO trials ({', '.join(ASKED + ENDED)}) VALUES ({', '.join(f':{c}' for c in ASKED + ENDED)})"
FINISH = f"UPDATE trials SET {', '.join(f'{c} = :{c}' for c in ENDED)} WHERE number = :number AND state = 'queued'"
SELECT = f"SELECT {', '.join(ASKED + ENDED)} FROM trials ORDER BY number"

WORDS = {
    "data": "fingerprint of the data",
    "split": "number of rows",
    "minimized": "score that is minimized",
    "generation": "number of trials asked for at once",
    "points": "number of points of a grid",
    "together": "number of networks that train together",
}
"""How a refusal names a part of the spec; any other part goes by its own name."""

ADVICE = {
    "data": "These are other data: give those that the study began with",
    "versions": "Install those that the study began with",
}
"""What to do about a part of the spec that differs."""


class Store:
    """An open study file; closed at the end of its `with` block.

    Attributes:
        path: The file.
        spec: What the study was asked for: plain values, as JSON gives them back.
        warning: Why this place is unsafe for the file; empty where it is not known to be.
    """

    def __init__(self, path: Path, *, connection: sqlite3.Connection) -> None:
        """For `create` and `open`."""
        self.path = path
        self._connection = connection
        self.spec = self._pairs("spec")
        self.warning = network_warning(path)

    @classmethod
    def create(cls, path: str | Path, spec: Mapping[str, Any]) -> "Store":
        """The store of a new study; where one with an equal spec is there, that one.

        Args:
            path: The file, in a folder that is there.
            spec: What the study is asked for, by name, in what JSON knows; NaN and the infinities too.

        Raises:
            BadInput: The file is something else or cannot be written, or a study with another spec is there.
        """

        def fill(connection: sqlite3.Connection) -> None:
            _put(connection, "spec", spec)
            _put(connection, "facts", {"written_by": own_version()})

        create_database(Path(path), fill=fill)
        store = cls.open(path)
        try:
            store.refuse_other(spec)
            return store
        except BadInput:
            store.close()
            raise

    @classmethod
    def open(cls, path: str | Path, *, readonly: bool = False) -> "Store":
        """The store of a study that exists.

        A file of an earlier version is brought to this one, after a copy of it was put beside it.

        Args:
            path: The file.
            readonly: Whether it is only looked at: it stays as it is, and may lie where nothing can be written.

        Raises:
            BadInput: There is no such file; it is no study, damaged, of a later version or held by another program; or
                it cannot be written to and `readonly` is false.
        """
        connection = open_database(Path(path), readonly=readonly)
        try:
            return cls(Path(path), connection=connection)
        except BaseException:
            connection.close()
            raise

    def queue(self, trials: Sequence[Trial]) -> None:
        """Store proposals, all or none.

        Raises:
            RuntimeError: One is not queued, or its number is taken.
            BadInput: The file cannot be written.
        """
        for trial in trials:
            if trial.state != "queued":
                raise RuntimeError(f"Trial {trial.number} must be queued to be stored first. Got {trial.state!r}.")
        with told(self.path), transaction(self._connection):
            for trial in trials:
                try:
                    self._connection.execute(INSERT, _asked(trial) | _ended(trial))
                except sqlite3.IntegrityError as error:
                    raise RuntimeError(f"Trial {trial.number} must be new in {self.path}. Got {error}.") from error

    def finish(self, trials: Sequence[Trial]) -> None:
        """Store what came of trials that were queued, all or none.

        Raises:
            RuntimeError: One has not ended, was not queued, or has been finished before.
            BadInput: The file cannot be written; the trials are still queued, and may be finished once it can.
        """
        for trial in trials:
            if trial.state == "queued":
                raise RuntimeError(f"Trial {trial.number} must have ended to be finished. Got {trial.state!r}.")
        with told(self.path), transaction(self._connection):
            for trial in trials:
                if self._connection.execute(FINISH, _ended(trial)).rowcount != 1:
                    raise RuntimeError(
                        f"Trial {trial.number} must be queued in {self.path}. It is finished or unknown."
                    )
                if trial.answers is not None:
                    values = trial.answers.detach().cpu().numpy()
                    cells = (trial.number, *values.shape, values.astype("<f4").tobytes())
                    self._connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", cells)

    def record(self, facts: Mapping[str, Any]) -> None:
        """Store facts about the study that become known later, by name, in what JSON knows; a new value replaces."""
        with told(self.path), transaction(self._connection):
            _put(self._connection, "facts", facts)

    @property
    def facts(self) -> dict[str, Any]:
        """What was recorded, and "written_by": the version of this package that made the file."""
        return self._pairs("facts")

    def trials(self, *, answers: bool = False) -> list[Trial]:
        """All trials by number; with `answers`, those that have some hold them."""
        with told(self.path):
            rows = self._connection.execute(SELECT).fetchall()
        found = self.answers([row[0] for row in rows]) if answers else {}
        return [_trial(dict(zip(ASKED + ENDED, row, strict=True)), found.get(row[0]), self.path) for row in rows]

    def answers(self, numbers: Sequence[int]) -> dict[int, Float32[Tensor, "N C"]]:
        """The answers of these trials, by number, where there are any."""
        found = {}
        question = "SELECT n_rows, n_columns, data FROM answers WHERE number = ?"
        for number in numbers:
            with told(self.path):
                row = self._connection.execute(question, (number,)).fetchone()
            if row is not None:
                with _readable(self.path, f"answers of trial {number}"):
                    values = np.frombuffer(row[2], "<f4").astype(np.float32).reshape(row[0], row[1])
                found[number] = torch.from_numpy(values)
        return found

    def refuse_other(self, spec: Mapping[str, Any]) -> None:
        """Refuse a spec that is not that of the study, naming the first difference."""
        found = _difference(self.spec, json.loads(json.dumps(spec)), ())
        if found is None:
            return
        (part, *rest), old, new = found
        inner = f" ({', '.join(rest)})" if rest else ""
        what = f"The {WORDS.get(part, part)}{inner} of the study {self.path}"
        do = f"{ADVICE.get(part, 'Resume with the former')}, or begin a new study in another folder."
        raise refusal(what, f"stay {_short(old)!r}", _short(new), do)

    def close(self) -> None:
        """Let go of the file; doing so twice does no harm."""
        self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _pairs(self, table: str) -> dict[str, Any]:
        with told(self.path):
            rows = self._connection.execute(f"SELECT name, value FROM {table} ORDER BY rowid").fetchall()
        with _readable(self.path, table):
            return {json.loads(name): json.loads(value) for name, value in rows}


@contextmanager
def _readable(path: Path, part: str) -> Iterator[None]:
    """What cannot be read as what it should be is damage; a recipe that is refused says itself why."""
    try:
        yield
    except BadInput:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        found = f"{part}: {error}"
        raise refusal(f"The study {path}", "be whole", found, "It is damaged: restore it from a copy.") from error


def _put(connection: sqlite3.Connection, table: str, pairs: Mapping[str, Any]) -> None:
    """Write pairs, each in place of one of its name."""
    rows = [(json.dumps(name), json.dumps(value)) for name, value in pairs.items()]
    put = f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    connection.executemany(put, rows)


def _difference(old: Any, new: Any, at: tuple[str, ...]) -> tuple[tuple[str, ...], Any, Any] | None:
    """Where two plain values first differ, and what stands there; None where nowhere. NaN equals NaN, None nothing."""
    if json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True):
        return None
    found = None
    if isinstance(old, list) and isinstance(new, list):
        found, old, new = (at, old, new), _named(old), _named(new)
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return at, old, new
    inner = (_difference(old.get(key), new.get(key), (*at, key)) for key in (old | new))
    return next((difference for difference in inner if difference is not None), found)


def _named(values: list[Any]) -> dict[str, Any]:
    """The items of a list by their own name, or by place from 1."""
    return {str(v["name"]) if isinstance(v, dict) and "name" in v else str(i): v for i, v in enumerate(values, 1)}


def _short(value: Any) -> Any:
    """A value that fits into a sentence."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= 100 else f"{text[:99]}…"


def _asked(trial: Trial) -> dict[str, Any]:
    """The cells that are known from the beginning."""
    return {
        **{name: getattr(trial, name) for name in ("number", "generation", "shard", "seed")},
        "chosen": json.dumps(dict(trial.values)),
        "recipe": json.dumps(trial.recipe.to_toml()),
    }


def _ended(trial: Trial) -> dict[str, Any]:
    """The cells that are known at the end, and the number."""
    return {
        **{name: getattr(trial, name) for name in ("number", *ENDED)},
        "curve": np.asarray(trial.curve, "<f8").tobytes(),
        "failure": json.dumps(trial.failure),
    }


def _trial(row: dict[str, Any], answers: Float32[Tensor, "N C"] | None, path: Path) -> Trial:
    """A trial from the cells of its row."""
    number = row["number"]
    with _readable(path, f"trial {number}"):
        reals = {name: math.nan if row[name] is None else row[name] for name in ("score", "metric", "seconds")}
        return Trial(
            values=json.loads(row.pop("chosen")),
            recipe=Recipe.from_toml(json.loads(row.pop("recipe")), file=f"{path}, recipe of trial {number}"),
            curve=tuple(np.frombuffer(row.pop("curve"), "<f8").tolist()),
            failure=json.loads(row.pop("failure")),
            answers=answers,
            **(row | reals),
        )
