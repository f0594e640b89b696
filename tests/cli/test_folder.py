"""The result folder: claimed by one, taken up again where something is left, and as it was where nothing came of it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from wellposed.cli.folder import check_unfinished, held, is_finished, sweep
from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.study.lock import NAME, hold
from wellposed.study.store import Store
from wellposed.study.trial import Trial


def listed(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_new_folder_is_made_and_held(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with held(folder, resume=False) as resumed:
        assert not resumed and listed(folder) == [NAME]
        with pytest.raises(BadInput, match=r"It holds 'study\.lock'\. Name another\."), held(folder, resume=False):
            pass
        with pytest.raises(BadInput, match=rf"must be free\. Got 'process {os.getpid()} on"), held(folder, resume=True):
            pass
    assert listed(folder) == [NAME]


@pytest.mark.parametrize("before", ["new", "empty"])
def test_what_is_refused_leaves_all_as_it_was(tmp_path: Path, before: str) -> None:
    folder = tmp_path / "run"
    if before == "empty":
        folder.mkdir()
    with pytest.raises(BadInput, match="so"), held(folder, resume=False):
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_text("half")
        (folder / "policy.json").write_text("{}")
        raise BadInput("so")
    assert not folder.exists() if before == "new" else listed(folder) == []


def test_what_fails_by_our_fault_stays_to_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), held(tmp_path / "run", resume=False):
        raise RuntimeError
    assert listed(tmp_path / "run") == [NAME]


@pytest.mark.parametrize("kept", ["nothing", "queued", "ended", "training"])
def test_what_has_ended_or_was_saved_stays(tmp_path: Path, kept: str) -> None:
    folder, trial = tmp_path / "run", Trial(number=0, generation=0, shard=0, values={}, recipe=Recipe(), seed=0)
    with pytest.raises(BadInput), held(folder, resume=False):
        if kept in ("queued", "ended"):
            with Store.create(folder / "study.db", {}) as store:
                store.queue([trial])
                if kept == "ended":
                    store.finish([replace(trial, state="failed")])
        if kept == "training":
            (folder / "training" / "0").mkdir(parents=True)
            (folder / "training" / "0" / "training.json").write_text("{}")
        raise BadInput("a full disk")
    assert folder.exists() == (kept in ("ended", "training"))


@pytest.mark.parametrize("name", ["study.db", "policy.json", "result.json", "model", "training", "recipe.toml"])
def test_what_a_killed_run_left_is_taken_up(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"interrupted": true}')
    (tmp_path / ".tmp-0123456789abcdef.json").write_text("{")
    for _ in range(2):
        with pytest.raises(BadInput, match="so"), held(tmp_path, resume=True) as resumed:
            assert resumed and listed(tmp_path) == sorted([name, NAME])  # what was being written is swept
            raise BadInput("so")
    assert listed(tmp_path) == sorted([name, NAME])


@pytest.mark.parametrize("left", [[], [NAME], [".tmp-claim"], [NAME, ".tmp-0123456789abcdef"]])
def test_a_run_that_was_killed_at_once_begins_anew(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).write_text("")
    with held(tmp_path, resume=True) as resumed:
        assert not resumed and listed(tmp_path) == [NAME]


def test_what_is_no_run_is_not_touched(tmp_path: Path) -> None:
    for name in ("mine.txt", "model", "training"):
        (tmp_path / name).write_text("precious")
    with pytest.raises(BadInput, match=r"It holds 'mine\.txt' and no run\."), held(tmp_path, resume=True):
        pass
    assert listed(tmp_path) == ["mine.txt", "model", "training"]
    with pytest.raises(BadInput, match="There is none: begin without --resume"), held(tmp_path / "x", resume=True):
        pass
    with pytest.raises(BadInput, match="must be a folder that can be read"), held(tmp_path / "model", resume=True):
        pass
    assert listed(tmp_path) == ["mine.txt", "model", "training"]


def test_a_folder_that_another_run_has_finished_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"interrupted": false}')
    check_unfinished(tmp_path)  # its page is missing
    (tmp_path / "report.html").write_text("")
    with pytest.raises(BadInput, match=r"--resume must name .* That run is finished\."):
        check_unfinished(tmp_path)
    with hold(tmp_path), pytest.raises(BadInput), held(tmp_path, resume=False):
        pass
    assert "report.html" in listed(tmp_path)


@pytest.mark.parametrize(
    ("content", "finished"),
    [
        ({"interrupted": False}, True),
        ({"interrupted": True}, False),
        ({"interrupted": 1}, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_result_says_whether_it_is_whole(tmp_path: Path, content: object, finished: bool | None) -> None:
    assert not is_finished(tmp_path)
    (tmp_path / "result.json").write_text(json.dumps(content))
    if finished is None:
        with pytest.raises(BadInput, match="must be the result of a run"):
            is_finished(tmp_path)
    else:
        assert is_finished(tmp_path) is finished


def test_only_what_was_being_written_is_swept(tmp_path: Path) -> None:
    (tmp_path / "model" / "0").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "model", tmp_path / "model" / "0"):
        for name in (".tmp-1.json", ".hidden", "tmp-2", "weights.safetensors"):
            (place / name).write_text("")
    sweep(tmp_path)
    assert not list(tmp_path.rglob(".tmp-*")) and len([p for p in tmp_path.rglob("*") if p.is_file()]) == 9
