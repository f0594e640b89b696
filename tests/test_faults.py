"""Whole processes under fire: killed, interrupted, out of disk, many at once, with another's study to go on from."""

import contextlib
import itertools
import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.cli.conftest import run  # noqa: F401
from tests.cli.helpers import SHORT, SMALL, start, wait_for

from wellposed import compare, search
from wellposed.errors import BadInput
from wellposed.files import sha256
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.search_space import space
from wellposed.study import shard
from wellposed.study.store import Store
from wellposed.study.trial import Trial
from wellposed.techniques import Dropout, Standardize

KILLED = Path(__file__).with_name("killed.py")
EQUAL = ("metrics", "gap", "members", "curves", "bagging", "recipe_digest", "split", "trials", "interrupted", "notes")
"""What a result says that no clock has a part in."""
LOOKED_AT = ("study.db-shm", "study.db-wal")
"""What SQLite leaves, empty, where a study was only looked at."""
WRITTEN = ["model", "recipe.toml", "report.html", "result.json", "study.db", "study.lock"]
LONGER = SHORT.replace("epochs = 9", "epochs = 27").replace("= 32", "= 16")
HELD = re.compile(
    r"2: wellposed: (The study in \S+ must be free\. Got '(process \d+ on|another process)"
    r"|--out must be a new or empty folder\. Got \S+ It holds |--resume must .* That run is finished\.)[^\n]*\n"
)
"""What a process is told that comes while another works, or after it."""


@pytest.fixture(scope="module")
def program() -> Iterator[subprocess.Popen[str]]:
    """`killed.py`, which has imported all."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, KILLED], text=True, **pipes) as process:
        yield process
        _, err = process.communicate()
    assert process.returncode == 0, err


@pytest.fixture
def ended_early(program: subprocess.Popen[str], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A function of a plan that gives what came of its runs, which were ended early and gone on with: see `killed.py`.

    They are checked against one that nobody has ended. `said` is what a run may say on being refused; by default none
    may be.
    """
    (tmp_path / "runs").mkdir()
    log = tmp_path / "log"

    def ask(*, said: str = "^$", recipe: str = SHORT, **plan: Any) -> dict[str, Any]:
        (tmp_path / "short.toml").write_text(recipe)
        known = {"what": "fit", "saving": False, "seed": 0, "place": str(tmp_path / "runs"), "log": str(log)}
        if "words" in plan:
            plan["words"] = ["iris", "--recipe", str(tmp_path / "short.toml"), "--members", "3", *plan["words"]]
        print(json.dumps(known | plan), file=program.stdin, flush=True)
        found = json.loads(program.stdout.readline())
        written = log.read_text()
        assert "error" not in found and "Traceback" not in written, f"{found}\n{written}"
        refused = [line for line in written.splitlines() if line.startswith("wellposed: ")]
        assert all(re.search(said, line) for line in refused), refused
        for folder in found["folders"]:
            check = check_same_study if "options" in plan else check_same_result
            check(Path(folder), Path(found["whole"]))
        return found

    return ask


def trials_of(folder: Path) -> list[Trial]:
    """The trials of a whole study file, which is checked."""
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Store.open(folder / "study.db") as store:
        return store.trials(answers=True)


def plain(trial: Trial) -> dict[str, str]:
    """All of a trial but the time it took, NaN being equal to NaN."""
    named = {f.name: getattr(trial, f.name) for f in fields(trial) if f.name != "seconds"}
    answers = None if trial.answers is None else trial.answers.tolist()
    return {name: repr(value) for name, value in (named | {"answers": answers}).items()}


def check_same_study(folder: Path, whole: Path) -> None:
    """No trial is lost or doubled, and each is as in a run that nobody has ended early."""
    found, meant = trials_of(folder), trials_of(whole)
    assert [t.number for t in found] == list(range(len(meant)))
    assert not any(t.state == "queued" for t in found)
    for one, other in zip(found, meant, strict=True):
        assert plain(one) == plain(other), folder


def check_same_result(folder: Path, whole: Path) -> None:
    """The same trials, numbers and weights, and no file beside what there should be."""
    assert sorted(p.name for p in folder.iterdir() if p.name not in LOOKED_AT) == WRITTEN
    check_same_study(folder, whole)
    found, meant = (json.loads((f / "result.json").read_text()) for f in (folder, whole))
    assert {name: found[name] for name in EQUAL} == {name: meant[name] for name in EQUAL}
    assert found["search"]["chosen"] == meant["search"]["chosen"]
    assert digests(folder / "model") == digests(whole / "model")


def contents(folder: Path) -> dict[Path, object]:
    """Of every file; of a study what it says, since SQLite counts how often it was opened."""
    found: dict[Path, object] = dict(digests(folder))
    with closing(sqlite3.connect(folder / "study.db")) as connection, contextlib.suppress(sqlite3.Error):
        found[Path("study.db")] = "\n".join(connection.iterdump())
    return found


def digests(folder: Path) -> dict[Path, str]:
    return {p.relative_to(folder): sha256(p) for p in folder.rglob("*") if p.is_file()}


def test_a_killed_fit_goes_on_as_if_nothing_had_been(ended_early) -> None:
    words = ["--trials", "16", "--metric", "error"]
    found = ended_early(recipe=LONGER, words=words, saving=True, signal=signal.SIGKILL, times=5, share=0.5)
    assert len(found["stages"]) == 5


@pytest.mark.slow
@pytest.mark.parametrize("halving", ["none", "successive", "hyperband", "asha"])
@pytest.mark.parametrize("saving", [False, True])
def test_a_fit_that_is_killed_twenty_times_goes_on(ended_early, halving: str, saving: bool) -> None:
    words = ["--trials", "32", "--halving", halving, "--refit", "train" if saving else "all", "--metric", "error"]
    share = 0.6 if saving else 0.9  # without saving, a generation must come to its end
    found = ended_early(recipe=LONGER, words=words, saving=saving, signal=signal.SIGKILL, times=20, share=share, seed=1)
    assert len(found["stages"]) == 20 and len(found["count"]) >= 2


def test_a_fit_that_is_killed_before_an_operation_on_a_file_goes_on(ended_early) -> None:
    found = ended_early(words=["--trials", "4"], operations=[3, 9, 11, 25, 40])
    assert len(found["count"]) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("saving", [False, True])
def test_a_fit_that_is_killed_before_any_operation_on_a_file_goes_on(ended_early, saving: bool) -> None:
    operations = list(range(0, 1000, 5 if saving else 1))
    found = ended_early(words=["--trials", "12"], saving=saving, operations=operations)
    assert len(found["stages"]) > 30 and {"study.db", "model", "result.json"} <= found["count"].keys()


def test_a_killed_search_of_several_structures_goes_on(ended_early) -> None:
    options = {"trials": 24, "halving": "asha", "seed": 3, "metric": "error"}
    ended_early(what="search", options=options, saving=True, signal=signal.SIGKILL, times=5, share=0.5)


NETS = (MLP(widths=(8,)), MLP(widths=(4, 4)))


@pytest.mark.parametrize(("halving", "saving"), [("successive", False), ("successive", True), ("asha", True)])
def test_a_search_that_is_left_anywhere_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halving: str, saving: bool
) -> None:
    """By their error many trials are equal, and one that has trained on is not what it was at a rung."""
    for name in ("SAVED_SECONDS", "WORTH_SAVING_SECONDS"):
        monkeypatch.setattr(shard, name, 0.0 if saving else 20.0)
    recipe = Recipe(net=NETS[0], epochs=27, batch_size=32, techniques=(Standardize(), Dropout()))
    options: Any = {
        "space": space(recipe, choices={"net": NETS}, fixed=("optimizer.momentum", "optimizer.decay")),
        "trials": 24, "generation": 24, "sampler": "random", "seed": 5, "halving": halving, "metric": "error",
    }  # fmt: skip
    looks = itertools.count()
    whole = search("iris", **options, progress=lambda _: next(looks))
    n_looks = next(looks)

    def leave(at: int) -> Callable[[object], None]:
        left = itertools.count()

        def look(_: object) -> None:
            if next(left) == at:
                raise KeyboardInterrupt

        return look

    for at in range(5, n_looks, n_looks // 6):
        folder = tmp_path / str(at)
        with pytest.raises(KeyboardInterrupt):
            search("iris", **options, out=folder, progress=leave(at))
        with contextlib.suppress(KeyboardInterrupt):
            search("iris", **options, out=folder, resume=True, progress=leave(at // 2))
        found = search("iris", **options, out=folder, resume=True)
        assert [plain(t) for t in found.trials] == [plain(t) for t in whole.trials]


@pytest.mark.slow
@pytest.mark.parametrize("saving", [False, True])
@pytest.mark.parametrize(
    ("halving", "sampler"),
    [(h, "tpe") for h in ("none", "successive", "hyperband", "asha")] + [("asha", s) for s in ("gp", "cmaes", "grid")],
)
def test_a_search_that_is_killed_twenty_times_goes_on(ended_early, halving: str, saving: bool, sampler: str) -> None:
    options = {"trials": 32, "halving": halving, "sampler": sampler, "seed": 5, "generation": 16, "metric": "error"}
    ended_early(what="search", options=options, saving=saving, signal=signal.SIGKILL, times=20, share=0.9)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_fit_says_so_once_and_goes_on(ended_early, tmp_path: Path, number: int) -> None:
    found = ended_early(recipe=LONGER, words=["--trials", "16"], signal=number, times=3, share=0.9, seed=2)
    said = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("Interrupted")]
    assert all("`--resume` goes on from here." in line for line in said) and 1 <= len(said) <= len(found["stages"])


def test_ctrl_c_counts_what_was_reached_and_another_ends_at_once(tmp_path: Path) -> None:
    """A process of its own: the first Ctrl-C gives a result, resuming trains on, and two leave without one."""
    (tmp_path / "long.toml").write_text(SMALL.replace("epochs = 60", "epochs = 100000").replace("= 15", "= 99999"))
    words = ("fit", "digits", "--recipe", "long.toml", "--members", 2, "--out", "run")
    process = start(tmp_path, *words)
    while re.search(r"epoch 0/", wait_for(process, "epoch ")):
        pass  # on a busy machine the first epoch takes its time
    process.send_signal(signal.SIGINT)
    wait_for(process, "Interrupted: counting what was reached. `--resume` goes on from here.")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ""
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    step = json.loads((tmp_path / "run" / "training" / "0" / "training.json").read_text())["step"]
    assert result["interrupted"] and len(result["curves"]["train_loss"]) >= 1
    assert (tmp_path / "run" / "report.html").is_file()
    process = start(tmp_path, *words, "--resume")
    first = wait_for(process, "epoch ")
    assert int(re.search(r"epoch (\d+)/", first)[1]) >= len(result["curves"]["train_loss"])  # type: ignore[index]
    process.send_signal(signal.SIGINT)
    wait_for(process, "Interrupted")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ""
    assert json.loads((tmp_path / "run" / "training" / "0" / "training.json").read_text())["step"] > step


def test_a_full_disk_loses_nothing_that_was_stored(ended_early) -> None:
    sizes = [10_000, 100_000, 500_000]  # too small for the study's tables, for all of its trials, and for the page
    said = r"^wellposed: .*(must be on a disk that works and has room|must be a place that can be written to)\. Got "
    found = ended_early(words=["--trials", "32", "--halving", "none"], sizes=sizes, said=said)
    assert found["stages"] == ["study.db", "study.db", "result.json"]
    assert 0 < found["ended"]["100000"] < 32 and found["ended"]["500000"] == 32


@pytest.mark.parametrize("resume", [False, True])
def test_of_eight_processes_one_works_and_seven_are_told(ended_early, resume: bool) -> None:
    found = ended_early(words=["--trials", "4"], processes=8, resume=resume)
    works = [said for said in found["stages"] if said.startswith("0: ")]
    told = [said for said in found["stages"] if HELD.fullmatch(said)]
    assert len(works) == 1 and len(told) == 7, found["stages"]


@pytest.mark.slow
def test_of_eight_programs_one_works_and_seven_are_told(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(SHORT)
    words = ("fit", "iris", "--recipe", "short.toml", "--trials", 4, "--members", 3, "--out", "run")
    processes = [start(tmp_path, *words) for _ in range(8)]
    said = [f"{p.communicate(timeout=300)[1]}" for p in processes]
    codes = [p.returncode for p in processes]
    assert sorted(codes) == [0, *[2] * 7]
    assert all(HELD.fullmatch(f"2: {words}") for words, code in zip(said, codes, strict=True) if code)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == WRITTEN and len(trials_of(tmp_path / "run")) == 4


FIT = ("--recipe", "short.toml", "--members", 2, "--out", "run", "--quiet")


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE trials (number INTEGER PRIMARY KEY, mine TEXT)")
        connection.execute("INSERT INTO trials VALUES (1, 'precious')")


def garbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : len(data) // 2] = random.Random(0).randbytes(len(data) // 2 - 4096)
    path.write_bytes(data)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


WRONG: dict[str, tuple[Any, list[object], str]] = {
    "another program's": (foreign, [], "It is no study: name another."),
    "no database": (lambda path: path.write_bytes(b"mine" * 5000), [], "It is no study but some other file"),
    "damaged": (garbled, [], "It is damaged: restore it from a copy."),
    "cut short": (
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        [],
        "It is damaged: restore it from a copy.",
    ),
    "of a later version": (newer, [], "Upgrade wellposed."),
    "of other data": (None, ["wine"], "The fingerprint of the data of the study"),
    "of fewer rows": (None, ["--limit", 60], "The fingerprint of the data of the study"),
    "of another split": (None, ["--test", 0.4], "The number of rows"),
    "of another seed": (None, ["--seed", 1], "The seed of the study run/study.db must stay 0. Got 1."),
    "of another sampler": (None, ["--sampler", "random"], "The sampler of the study run/study.db must stay 'tpe'."),
    "of other halving": (None, ["--halving", "none"], "The halving (kind) of the study run/study.db must stay"),
    "of another metric": (None, ["--metric", "error"], "The score that is minimized of the study"),
    "of another space": (None, ["--recipe", "other.toml"], "The space"),
    "of other generations": (None, ["--trials", 64], "The number of trials asked for at once of the study"),
}


@pytest.mark.parametrize("case", WRONG)
def test_no_other_study_is_gone_on_with_or_touched(run, case: str) -> None:  # noqa: F811
    Path("other.toml").write_text(SHORT.replace("[8]", "[9]"))
    assert run("fit", "iris", *FIT, "--trials", 4).code == 0
    for name in ("result.json", "report.html"):  # as if it had been killed while it wrote them
        Path("run", name).unlink()
    change, words, said = WRONG[case]
    if change is not None:
        change(Path("run/study.db"))
    look = contents if change is None else digests
    before = look(Path("run"))
    data = "wine" if words == ["wine"] else "iris"
    done = run("fit", data, *FIT, "--trials", 4, *(words if data == "iris" else []), "--resume")
    assert done.refused(said), done.err
    assert look(Path("run")) == before


def test_the_right_study_is_gone_on_with(run) -> None:  # noqa: F811
    """The other side of the refusals: nothing is refused that should not be, and more trials may be asked for."""
    assert run("fit", "iris", *FIT, "--trials", 8).code == 0
    known = json.loads(Path("run/result.json").read_text())
    for trials in (8, 12):
        for name in ("result.json", "report.html"):
            Path("run", name).unlink()
        assert run("fit", "iris", *FIT, "--trials", trials, "--resume").code == 0
        found = json.loads(Path("run/result.json").read_text())
        assert found["trials"] == trials and found["search"]["trials"][:8] == known["search"]["trials"]
        assert trials > 8 or found["metrics"] == known["metrics"]


SPACE = space(Recipe(net=MLP(widths=(8,)), epochs=4, batch_size=48, techniques=(Standardize(), Dropout())))


def around_us() -> dict[str, Any]:
    """What a library must leave alone."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": (kind, np.asarray(keys).tolist(), rest),
        "python": random.getstate(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "modes": (torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(), torch.is_autocast_enabled()),
        "filters": list(warnings.filters),
        "numpy errors": np.geterr(),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
    }


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "sobol"])
def test_a_search_leaves_no_trace_in_the_process(tmp_path: Path, sampler: str) -> None:
    options: Any = {"space": SPACE, "trials": 12, "sampler": sampler, "generation": 4, "halving": "successive"}
    first = search("iris", **options)
    torch.manual_seed(7), np.random.seed(7), random.seed(7)  # noqa: NPY002
    torch.set_default_dtype(torch.float64)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="mine")
            before = around_us()
            again = search("iris", **options, out=tmp_path)
            str(again), again.importances(), again.optimism(), again.summary(), again.show(path=tmp_path / "page.html")
            with contextlib.suppress(BadInput):
                search("iris", space=SPACE, trials=0)
            after = around_us()
    finally:
        torch.set_default_dtype(torch.float32)
    assert after == before
    assert [plain(t) for t in again.trials] == [plain(t) for t in first.trials]


def test_a_comparison_leaves_no_trace_in_the_process(tmp_path: Path) -> None:
    recipes = {"one": SPACE.recipe({d.name: d.high for d in SPACE.dimensions}), "other": Recipe(epochs=2)}
    first = compare(recipes, "iris", repeats=3)
    torch.manual_seed(8), np.random.seed(8), random.seed(8)  # noqa: NPY002
    before = around_us()
    again = compare(recipes, "iris", repeats=3)
    str(again), again.show(path=tmp_path / "page.html")
    assert around_us() == before
    assert again.scores().equals(first.scores())
