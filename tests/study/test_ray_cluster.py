"""The cluster on this machine: what it listens on, what it leaves behind, and what is said where there is none.

Each test that starts one does so in a process of its own, all of whose descendants carry a mark in their environment.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wellposed.errors import BadInput
from wellposed.study.ray_cluster import Cluster, import_ray, unchanged

pytest.importorskip("ray")
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found under /proc")
MARK = "WELLPOSED_TEST_OF_CLUSTER"
START = """
import logging, os, random, signal, sys, threading, time, warnings
import numpy
from wellposed.study.ray_cluster import Cluster

def seen():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return dict(os.environ), handlers, sys.excepthook, list(warnings.filters), random.getstate()

def crash():
    os.kill(os.getpid(), signal.SIGKILL)

before = seen()
cluster = Cluster()
assert seen() == before
"""


def marked(mark: str) -> dict[int, str]:
    """Living processes with this mark, and the commands they run."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
        except OSError:  # it has ended
            continue
    return found


def gone(mark: str, *, seconds: float) -> dict[int, str]:
    """The marked processes that are still there after so long."""
    until = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def listening(pids: set[int]) -> set[str]:
    """The addresses, in hexadecimal, at which these processes take TCP connections."""
    inodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.add(os.readlink(handle).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    return {fields[1].partition(":")[0] for fields in lines if fields[3] == "0A" and fields[9] in inodes}


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    """A mark for one test's processes; those that it leaves behind are ended by their numbers."""
    yield str(tmp_path)
    for pid in marked(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)


def start(script: str, mark: str, home: Path) -> "subprocess.Popen[str]":
    """A process that runs a script behind `START`, with a mark and a home of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {MARK: mark, "HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-c", START + script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_line(process: "subprocess.Popen[str]", *, expected: str) -> None:
    """Wait for a line; anything else before it is shown."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.strip() == expected, line + process.stdout.read()


@linux
def test_a_cluster_of_this_machine_is_unseen_from_outside_and_leaves_nothing(mark: str, tmp_path: Path) -> None:
    script = """
task = cluster.ray.remote(crash).options(max_retries=0)
try:
    cluster.ray.get(task.remote(), timeout=60)
except cluster.ray.exceptions.WorkerCrashedError:
    print("open", flush=True)
sys.stdin.readline()
assert cluster.slots(cpus=1, gpus=0) >= 1
assert cluster.slots(cpus=10**6, gpus=0) == cluster.slots(cpus=1, gpus=1) == 0
assert cluster.cpus() >= 1
folder = cluster.ray._private.worker.global_worker.node.temp_dir
assert os.path.isdir(folder) and os.path.basename(folder).startswith("wellposed-")
cluster.close()
cluster.close()
assert seen() == before
assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
assert not os.path.exists(folder)
print("closed", flush=True)
sys.stdin.readline()
"""
    home = tmp_path / "home"
    home.mkdir()
    with start(script, mark, home) as process:
        assert process.stdin is not None
        read_line(process, expected="open")  # and nothing of the worker that crashed
        addresses = listening(set(marked(mark)))
        assert addresses
        loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
        assert addresses <= loopback
        process.stdin.write("\n")
        process.stdin.flush()
        read_line(process, expected="closed")
        assert set(marked(mark)) == {process.pid}
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    assert list(home.iterdir()) == []


@linux
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_cluster_ends_with_the_process_that_started_it(number: signal.Signals, mark: str, tmp_path: Path) -> None:
    script = """
folder = cluster.ray._private.worker.global_worker.node.temp_dir
open(os.path.join(os.environ["HOME"], "folder"), "w").write(folder)
print("open", flush=True)
task = cluster.ray.remote(lambda: time.sleep(600)).options(max_retries=0)
cluster.ray.wait([task.remote()], timeout=600)
"""
    with start(script, mark, tmp_path) as process:
        read_line(process, expected="open")
        assert len(marked(mark)) > 3
        os.killpg(process.pid, number)  # as the terminal does for Ctrl-C: to the whole group
        process.wait(timeout=30)
        assert gone(mark, seconds=30) == {}
    folder = Path((tmp_path / "folder").read_text())
    assert folder.name.startswith("wellposed-")
    if number == signal.SIGKILL:
        shutil.rmtree(folder)
    assert not folder.exists()


@linux
@pytest.mark.slow
def test_two_clusters_one_after_the_other_and_the_users_own(mark: str, tmp_path: Path) -> None:
    script = """
cluster.close()
second = Cluster()
assert second.ray.get(second.ray.remote(lambda: 1).remote(), timeout=60) == 1
second.close()
import ray
ray.init("local", num_cpus=1, include_dashboard=False, logging_level=logging.ERROR)
shared = Cluster()
assert not shared.local
try:
    Cluster("127.0.0.1:1")
except ValueError as refused:
    assert "one Ray cluster" in str(refused)
shared.close()
assert ray.get(ray.remote(lambda: 1).remote(), timeout=60) == 1
ray.shutdown()
print("done", flush=True)
"""
    with start(script, mark, tmp_path) as process:
        read_line(process, expected="done")
        assert process.wait(timeout=30) == 0
        assert gone(mark, seconds=10) == {}


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r'--engine ray needs Ray\. Got none\. Do: pip install "wellposed\[ray\]"\.'):
        Cluster()


def test_an_old_ray_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with unchanged():
        ray = import_ray()
    monkeypatch.setattr(ray, "__version__", "2.58.1")
    with pytest.raises(BadInput, match=r"Ray must be 2\.59 or newer\. Got '2\.58\.1'"):
        import_ray()


def test_what_was_changed_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_LOG_TO_STDERR", "0")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    handler = signal.getsignal(signal.SIGTERM)
    with unchanged():
        os.environ["RAY_LOG_TO_STDERR"] = "1"
        os.environ["RAY_AUTH_MODE"] = "token"
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert os.environ["RAY_LOG_TO_STDERR"] == "0"
    assert "RAY_AUTH_MODE" not in os.environ
    assert signal.getsignal(signal.SIGTERM) == handler
