"""One process holds a study; the others are told who, and a killed one holds nothing."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wellposed.errors import BadInput
from wellposed.study import lock
from wellposed.study.lock import NAME, hold

HOLDER = """
import sys
from wellposed.study.lock import hold

with hold(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_study_is_held_for_the_block_and_then_free(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "study"
    for _ in range(2):
        with hold(folder):
            assert f'"pid": {os.getpid()}' in (folder / NAME).read_text()
        assert (folder / NAME).read_text() == ""
    with pytest.raises(ZeroDivisionError), hold(folder):
        raise ZeroDivisionError
    with hold(folder):
        pass


def test_a_second_block_of_this_process_is_told_who_holds_it(tmp_path: Path) -> None:
    sentence = (
        rf"^The study in {tmp_path} must be free\. Got 'process {os.getpid()} on host {socket.gethostname()}, which "
        r"holds it since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC'\. Wait for it, or end it\.$"
    )
    with hold(tmp_path), pytest.raises(BadInput, match=sentence), hold(tmp_path):
        pass
    with hold(tmp_path):
        pass


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    for _ in range(3):
        run = [sys.executable, "-c", HOLDER, str(tmp_path)]
        with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            with pytest.raises(BadInput, match=rf"Got 'process {process.pid} on host "), hold(tmp_path):
                pass
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
        with hold(tmp_path):
            assert f'"pid": {os.getpid()}' in (tmp_path / NAME).read_text()


def test_a_process_that_is_forked_within_holds_nothing_afterwards(tmp_path: Path) -> None:
    run = [sys.executable, "-c", FORKS, str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("free\n", "")


FORKS = """
import os, sys
from wellposed.study.lock import hold

ready = os.pipe()
with hold(sys.argv[1]):
    if (child := os.fork()) == 0:
        os.close(ready[1])
        os.read(ready[0], 1)
        os._exit(0)
with hold(sys.argv[1]):
    print("free", flush=True)
os.close(ready[1])
os.waitpid(child, 0)
"""


def test_a_program_that_is_started_within_does_not_hold_it(tmp_path: Path) -> None:
    with hold(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with hold(tmp_path):
            pass
    finally:
        child.communicate(b"\n", timeout=30)


EIGHT = """
import os, sys
from wellposed.errors import BadInput
from wellposed.study.lock import hold

ready, over, children = os.pipe(), os.pipe(), []
for i in range(8):
    if (child := os.fork()) == 0:
        os.close(ready[1])
        os.read(ready[0], 1)  # until the parent lets all go at once
        try:
            with hold(sys.argv[1]):
                os.write(1, b"held\\n")
                os.close(over[1])
                os.read(over[0], 1)  # until all others have tried and ended
        except BadInput as error:
            os.write(1, f"{error}\\n".encode())
        os._exit(0)
    children.append(child)
os.close(ready[1])
os.close(over[1])
for child in children:
    os.waitpid(child, 0)
"""


def test_of_eight_processes_one_holds_a_fresh_study_and_seven_are_told(tmp_path: Path) -> None:
    run = [sys.executable, "-c", EIGHT, str(tmp_path / "study")]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    refused = [line for line in lines if line != "held"]
    assert (len(lines), len(refused), done.stderr) == (8, 7, "")
    who = ("must be free. Got 'process ", "must be free. Got 'another process, which holds it'")
    assert all(who[0] in line or who[1] in line for line in refused)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"pid": 1}', "\0" * 2000, "[" * 900])
def test_what_else_may_stand_in_the_file_does_no_harm(tmp_path: Path, text: str) -> None:
    with hold(tmp_path):
        (tmp_path / NAME).write_text(text)
        with pytest.raises(BadInput, match="Got 'another process, which holds it'"), hold(tmp_path):
            pass


def test_what_a_killed_process_wrote_is_replaced(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("x" * 5000)
    with hold(tmp_path):
        assert (tmp_path / NAME).read_text().startswith('{"pid": ')
        assert len((tmp_path / NAME).read_text()) < 1000


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sentence = r"^The folder .*file of a study must be one that can be written to\. Got "
    with pytest.raises(BadInput, match=sentence), hold(tmp_path / "file"):
        pass


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_lock", refuse)
    sentence = (
        r"must be on a file system that can lock files\. Got 'No locks available'\. Name a folder on a local disk"
    )
    with pytest.raises(BadInput, match=sentence), hold(tmp_path):
        pass


def test_a_full_disk_is_locked_all_the_same(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a small file system")
    try:
        (tmp_path / "ballast").write_bytes(bytes(4096))
        with hold(tmp_path), pytest.raises(BadInput, match="another process, which holds it"), hold(tmp_path):
            pass
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
