"""Trials come back as they were stored, once each, whatever kills the process, fills the disk or is in the names."""

import json
import math
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.study.store import Store
from wellposed.study.trial import Trial
from wellposed.techniques import L2, Dropout

ASSETS = Path(__file__).resolve().parents[1] / "assets"
HOSTILE = (
    "[/b]",
    "<script>alert(1)</script>",
    '"; DROP TABLE trials; --',
    "=cmd()",
    "a\nb\0c",
    "../../x",
    "שלום 🙂",
    "\udc80",
)
SPEC = {
    "data": "ab12",
    "seed": 0,
    "space": {"ranges": [{"name": "rate", "high": 0.5}]},
    "versions": {"torch": "2.13.0"},
}


def queued(number: int = 0, **values: float | int | str) -> Trial:
    """A proposal."""
    recipe = Recipe(net=MLP(widths=(4,)), techniques=(Dropout(rate=0.1),))
    return Trial(number=number, generation=number // 4, shard=number % 2, values=values, recipe=recipe, seed=-(2**63))


def complete(trial: Trial, score: float = 0.5) -> Trial:
    """What came of it."""
    known: dict[str, Any] = {"epochs": 2, "metric": 0.9, "best_epoch": 2, "curve": (0.75, score), "seconds": 0.1}
    answers = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.1, 0.9]])
    return replace(trial, state="complete", score=score, answers=answers, **known)


def plain(trial: Trial) -> dict[str, Any]:
    """A trial as values that compare equal where NaN stands in both."""
    named = {f.name: getattr(trial, f.name) for f in fields(trial)}
    named["answers"] = None if trial.answers is None else (trial.answers.dtype, trial.answers.tolist())
    return named | {name: repr(value) for name, value in named.items() if name != "recipe"}


def check_same(found: list[Trial], meant: list[Trial]) -> None:
    assert [plain(t) for t in found] == [plain(t) for t in meant]


def test_a_study_comes_back_as_it_was(tmp_path: Path) -> None:
    asked = [queued(i, net="mlp", rate=0.1 * i, units=2**i) for i in range(6)]
    failure = {"failure": "the loss of epoch 1", "curve": (math.inf, math.nan), "epochs": 2}
    ended = [
        complete(asked[3]),
        replace(complete(asked[1], math.inf), state="pruned", answers=None),
        replace(asked[0], state="failed", **failure),  # type: ignore[arg-type]
    ]
    with Store.create(tmp_path / "study.db", SPEC) as store:
        store.queue(asked[:4])
        store.finish(ended)
        store.queue(asked[4:])
        store.record({"finished": False, "found": [1, 2]})
        store.record({"finished": True})
        check_same(store.trials(answers=True), [ended[2], ended[1], asked[2], ended[0], *asked[4:]])
    with Store.open(tmp_path / "study.db", readonly=True) as store:
        assert store.spec == SPEC
        assert store.warning == ""
        assert {**store.facts, "written_by": ""} == {"written_by": "", "finished": True, "found": [1, 2]}
        check_same(store.trials(answers=True), [ended[2], ended[1], asked[2], ended[0], *asked[4:]])
        assert all(t.answers is None for t in store.trials())
        assert list(store.answers([0, 3, 77])) == [3]


TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(HOSTILE)  # surrogates too
REAL = st.floats(width=64)


@given(
    values=st.dictionaries(TEXT, REAL | st.integers() | TEXT),
    reals=st.tuples(REAL, REAL, REAL),
    curve=st.lists(REAL, max_size=5),
    failure=TEXT,
    rows=st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), max_size=4),
)
def test_any_numbers_and_names_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    values: dict[str, float | int | str],
    reals: tuple[float, float, float],
    curve: list[float],
    failure: str,
    rows: list[tuple[float, float]],
) -> None:
    path = tmp_path_factory.mktemp("study") / "study.db"
    asked = queued(5, **values)
    score, metric, seconds = reals
    ended = replace(
        asked,
        state="complete",
        score=score + 0.0,  # SQLite knows no negative zero
        metric=metric + 0.0,
        seconds=seconds + 0.0,
        curve=tuple(curve),
        failure=failure,
        answers=torch.tensor(rows, dtype=torch.float32).reshape(len(rows), 2),
    )
    with Store.create(path, {failure: values, "n": score}) as store:
        store.queue([asked])
        check_same(store.trials(), [asked])
        store.finish([ended])
        check_same(store.trials(answers=True), [ended])
        store.refuse_other({failure: values, "n": score})
    path.unlink()


def test_hostile_names_stand_in_files_and_folders_too(tmp_path: Path) -> None:
    for name in (*HOSTILE[:4], "a?mode=memory&cache=shared#%00", "x" * 200, "größe 🙂", os.fsdecode(b"\xff")):
        folder = tmp_path / name.replace("/", "_")
        folder.mkdir()
        with Store.create(folder / "study.db", {name: name}) as store:
            store.queue([queued()])
            assert "study.db" in os.listdir(folder)
        with Store.open(folder / "study.db") as store:
            assert store.spec == {name: name}
            assert len(store.trials()) == 1


def test_nothing_is_stored_twice_or_unasked(tmp_path: Path) -> None:
    asked = [queued(i) for i in range(4)]
    with Store.create(tmp_path / "study.db", SPEC) as store:
        store.queue(asked)
        store.finish([complete(asked[0], 0.25)])
        before = [plain(t) for t in store.trials(answers=True)]
        for batch in ([asked[1], asked[0]], [asked[1], queued(9)], [asked[1], asked[1]]):
            with pytest.raises(RuntimeError, match=r"^Trial [019] must be queued in .* It is finished or unknown\.$"):
                store.finish([complete(t) for t in batch])
        with pytest.raises(RuntimeError, match=r"^Trial 1 must have ended to be finished\. Got 'queued'\.$"):
            store.finish([asked[1]])
        with pytest.raises(RuntimeError, match=r"^Trial 3 must be new in .* Got UNIQUE"):
            store.queue([queued(4), asked[3]])
        with pytest.raises(RuntimeError, match=r"^Trial 5 must be queued to be stored first\. Got 'complete'\.$"):
            store.queue([queued(4), complete(queued(5))])
        assert [plain(t) for t in store.trials(answers=True)] == before
        store.finish([complete(t) for t in asked[1:]])
        assert [t.state for t in store.trials()] == ["complete"] * 4


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "data": (
        {"data": "cd34"},
        "The fingerprint of the data of the study {} must stay 'ab12'. Got 'cd34'. These are other data: give those "
        "that the study began with, or begin a new study in another folder.",
    ),
    "versions": (
        {"versions": {"torch": "2.14.0"}},
        "The versions (torch) of the study {} must stay '2.13.0'. Got '2.14.0'. Install those that the study began "
        "with, or begin a new study in another folder.",
    ),
    "seed": (
        {"seed": 1},
        "The seed of the study {} must stay 0. Got 1. Resume with the former, or begin a new study in another folder.",
    ),
    "space": (
        {"space": {"ranges": [{"name": "rate", "high": 0.7}]}},
        "The space (ranges, rate, high) of the study {} must stay 0.5. Got 0.7. Resume with the former, or begin a new "
        "study in another folder.",
    ),
    "longer": (
        {"space": {"ranges": [{"name": "rate", "high": 0.5}, {"name": "units"}]}},
        "The space (ranges, units) of the study {} must stay None. Got {{'name': 'units'}}. Resume with the former, or "
        "begin a new study in another folder.",
    ),
    "order": (
        {"space": {"ranges": [{"high": 0.5, "name": "rate"}, {"high": 0.5, "name": "rate"}]}},
        "The space (ranges) of the study {} must stay",
    ),
    "more": ({"halving": "x" * 500}, "The halving of the study {} must stay None. Got '" + "x" * 99 + "…'. Resume"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_spec_is_refused_and_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "study.db"
    part, words = OTHERS[kind]
    with Store.create(path, SPEC) as store:
        store.refuse_other({**SPEC, "extra": None})
        with pytest.raises(BadInput) as refused:
            store.refuse_other({**SPEC, **part})
    assert str(refused.value).startswith(words.format(path))
    assert "\n" not in str(refused.value)
    with pytest.raises(BadInput, match="must stay"):
        Store.create(path, {**SPEC, **part})


def test_tuples_and_names_that_are_numbers_are_those_of_json(tmp_path: Path) -> None:
    spec: dict[str, Any] = {"widths": (3, 4), "by": {1: math.nan}, "version": torch.__version__}
    with Store.create(tmp_path / "study.db", spec) as store:
        store.refuse_other(spec)
        assert store.spec["widths"] == [3, 4] and math.isnan(store.spec["by"]["1"])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trials SET chosen = '{'",
        "UPDATE trials SET recipe = '7'",
        "UPDATE trials SET failure = ''",
        "UPDATE trials SET curve = x'00'",
        "UPDATE answers SET n_rows = 7",
        "UPDATE answers SET data = x'00'",
    ],
)
def test_cells_that_cannot_be_read_are_damage(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "study.db"
    with Store.create(path, SPEC) as store:
        store.queue([queued()])
        store.finish([complete(queued())])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(damage)
    with (
        Store.open(path) as store,
        pytest.raises(BadInput, match=r"must be whole\. Got .*trial 0: .*It is damaged: restore it from a copy\.$"),
    ):
        store.trials(answers=True)


def test_a_recipe_that_this_version_does_not_know_says_so(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with Store.create(path, SPEC) as store:
        store.queue([queued()])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE trials SET recipe = replace(recipe, 'Dropout', 'Dropin')")
    with (
        Store.open(path) as store,
        pytest.raises(BadInput, match=r"study\.db, recipe of trial 0, line \d+: .* Got 'Dropin'"),
    ):
        store.trials()


def test_a_spec_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    Store.create(path, SPEC).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE spec SET value = '{'")
    with pytest.raises(BadInput, match=r"must be whole\. Got 'spec: "):
        Store.open(path)


def check_full_disk(store: Store, *, n: int, fill: Any) -> None:
    """Batches until the disk is full; what was stored is there, the batch is queued, and with room it is stored."""
    asked = [queued(i) for i in range(n)]
    ended = [replace(complete(t), answers=torch.rand(500, 10)) for t in asked]
    store.queue(asked)
    n_stored = 0
    with fill() as room:
        with pytest.raises(BadInput) as refused:
            for trial in ended:
                store.finish([trial])
                n_stored += 1
        sentence = str(refused.value)
        assert sentence.startswith(f"The study {store.path} must ") and "\n" not in sentence
        assert sentence.endswith("resume: all that was stored before is still there.")
        check_same(store.trials(answers=True), ended[:n_stored] + asked[n_stored:])
        room()
        store.finish(ended[n_stored:])
    check_same(store.trials(answers=True), ended)
    assert 0 < n_stored < n
    store.close()
    with Store.open(store.path) as again:
        check_same(again.trials(answers=True), ended)


def test_a_file_that_may_not_grow_loses_nothing(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "study.db", SPEC)

    @contextmanager
    def fill() -> Iterator[Any]:
        set_pages = "PRAGMA max_page_count = {}"
        store._connection.execute(set_pages.format(100))
        yield lambda: store._connection.execute(set_pages.format(2**30))

    check_full_disk(store, n=40, fill=fill)


def test_a_log_that_the_system_cuts_short_loses_nothing(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "study.db", SPEC)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def fill() -> Iterator[Any]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
        try:
            yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    check_full_disk(store, n=40, fill=fill)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a small file system")
    try:
        ballast = tmp_path / "ballast"
        ballast.write_bytes(bytes(1_200_000))
        store = Store.create(tmp_path / "study.db", SPEC)

        @contextmanager
        def fill() -> Iterator[Any]:
            yield ballast.unlink

        check_full_disk(store, n=40, fill=fill)
        ballast.write_bytes(bytes(2**20 // 4))
        with pytest.raises(BadInput, match=r"must have room on its disk|must be on a disk that works and has room"):
            fill_up(tmp_path / "more", tmp_path / "other.db")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def fill_up(ballast: Path, path: Path) -> None:
    """Begin a study where there is no room at all."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            pass
    Store.create(path, SPEC)


KILLED = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
import torch
from wellposed.recipe import Recipe
from wellposed.study.store import Store
from wellposed.study.trial import Trial

SIZE = 16
folder, recipe, answers = Path(sys.argv[1]), Recipe(), torch.rand(2000, 10)

def batch(i):
    return [Trial(number=i * SIZE + j, generation=i, shard=0, values={}, recipe=recipe, seed=i) for j in range(SIZE)]

def ended(i):
    return [replace(t, state="complete", score=float(i), curve=(1.0,) * 5000, answers=answers) for t in batch(i)]

def work(path, out):
    with Store.open(path) as store:
        for i in range(1000):
            store.queue(batch(i))
            made = ended(i)
            os.write(out, b"<")  # the write begins
            store.finish(made)
            os.write(out, b">")  # and is acknowledged

n_cut = 0
for attempt in range(20):
    rng = random.Random(attempt)
    path = folder / f"{attempt}.db"
    Store.create(path, {"attempt": attempt}).close()
    there, out = os.pipe()
    if (child := os.fork()) == 0:
        work(path, out)
    os.close(out)
    seen = os.read(there, 1)
    began = time.monotonic()
    seen += os.read(there, 1)
    took = time.monotonic() - began
    for _ in range(2 * rng.randrange(3) + 1):
        seen += os.read(there, 1)
    time.sleep(rng.uniform(0, 1.5 * took))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(there, 1000):
        seen += more
    os.close(there)
    acknowledged, n_cut = seen.count(b">"), n_cut + seen.endswith(b"<")
    with Store.open(path) as store:
        ask = store._connection.execute
        states = [state for (state,) in ask("SELECT state FROM trials ORDER BY number")]
        done = states.count("complete")
        print(len(states) % SIZE, done % SIZE, done - acknowledged * SIZE in (0, SIZE), end=" ")
        print(states == ["complete"] * done + ["queued"] * (len(states) - done), end=" ")
        print(*ask("PRAGMA integrity_check").fetchone(), ask("SELECT count(*) FROM answers").fetchone() == (done,))
        if done < len(states):
            store.finish(ended(done // SIZE))
        if {t.state for t in store.trials()} != {"complete"}:
            sys.exit("what was queued cannot be finished")
    path.unlink()
print(n_cut > 0)
"""


def test_a_kill_at_any_moment_leaves_whole_batches(tmp_path: Path) -> None:
    run = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (["0 0 True True ok True"] * 20 + ["True"], "")


EIGHT = """
import os, sys
from pathlib import Path
from dataclasses import replace
from wellposed.recipe import Recipe
from wellposed.study.store import Store
from wellposed.study.trial import Trial

path, ready, children = Path(sys.argv[1]), os.pipe(), []
for i in range(8):
    if (child := os.fork()) == 0:
        os.close(ready[1])
        os.read(ready[0], 1)  # until the parent lets all go at once
        with Store.create(path, {"seed": 0}) as store:
            for number in range(i, 32, 8):
                trial = Trial(number=number, generation=0, shard=0, values={}, recipe=Recipe(), seed=0)
                store.queue([trial])
                store.finish([replace(trial, state="complete", score=float(i))])
        os._exit(0)
    children.append(child)
os.close(ready[1])
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_eight_processes_create_one_study_and_store_in_it(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    done = subprocess.run([sys.executable, "-c", EIGHT, path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (f"{[0] * 8}\n", "")
    with Store.open(path) as store:
        assert [(t.number, t.state, t.score) for t in store.trials()] == [(i, "complete", i % 8) for i in range(32)]


V1_SPEC = {"data": "0123456789abcdef", "seed": 7, "space": {"ranges": [{"name": "L2.amount"}]}}
V1_RECIPE = Recipe(net=MLP(widths=(4,)), epochs=3, techniques=(L2(amount=0.25),))


def v1_trials() -> list[Trial]:
    """The trials of `study_v1.db`: one of each state."""
    asked = [
        Trial(number=i, generation=i // 2, shard=i % 2, values=v, recipe=V1_RECIPE, seed=100 + i)
        for i, v in enumerate([{"net": "mlp", "L2.amount": 0.25, "units": 4}, {"größe": "🙂"}, {}, {}])
    ]
    answers = torch.tensor([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    known: dict[str, Any] = {"metric": 0.875, "seconds": 1.5, "best_epoch": 2}
    return [
        replace(asked[0], state="complete", epochs=3, score=0.5, curve=(1.0, 0.5, 0.75), answers=answers, **known),
        replace(asked[1], state="pruned", epochs=1, score=0.875, curve=(0.875,), best_epoch=1),
        replace(asked[2], state="failed", epochs=2, curve=(math.inf, math.nan), failure="the loss of epoch 1"),
        asked[3],
    ]


def write_v1(path: Path) -> None:
    """How `study_v1.db` was made, by the version of this package whose tables are of version 1.

    When the tables change, this function makes files of the new version: then it is renamed for that, the file it
    makes is put beside the others, and the test below reads all of them for ever.
    """
    trials = v1_trials()
    asked = [
        Trial(number=t.number, generation=t.generation, shard=t.shard, values=t.values, recipe=t.recipe, seed=t.seed)
        for t in trials
    ]
    with Store.create(path, V1_SPEC) as store:
        store.queue(asked)
        store.finish(trials[:3])
        store.record({"written_by": "0.1.0", "seconds": 12.5})


@pytest.mark.parametrize("readonly", [True, False])
def test_a_file_of_every_version_is_read(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "study.db"
    shutil.copyfile(ASSETS / "study_v1.db", path)
    with Store.open(path, readonly=readonly) as store:
        assert store.spec == V1_SPEC
        assert store.facts == {"written_by": "0.1.0", "seconds": 12.5}
        check_same(store.trials(answers=True), v1_trials())


def test_the_tables_of_this_version_have_not_changed(tmp_path: Path) -> None:
    write_v1(tmp_path / "study.db")
    with (
        closing(sqlite3.connect(tmp_path / "study.db")) as new,
        closing(sqlite3.connect(ASSETS / "study_v1.db")) as old,
    ):
        question = "SELECT name, sql, (SELECT user_version FROM pragma_user_version) FROM sqlite_master ORDER BY name"
        assert new.execute(question).fetchall() == old.execute(question).fetchall()


QUESTION = """SELECT recipe ->> '$', chosen ->> '$."L2.amount"' FROM trials"""


def test_a_person_can_read_it_with_sqlite_alone(tmp_path: Path) -> None:
    write_v1(tmp_path / "study.db")
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        if sqlite3.sqlite_version_info >= (3, 38):
            recipe, rate = connection.execute(QUESTION).fetchone()
            assert (Recipe.from_toml(recipe), rate) == (V1_RECIPE, 0.25)
        values = [json.loads(row[0]) for row in connection.execute("SELECT value FROM spec")]
    assert values == list(V1_SPEC.values())
