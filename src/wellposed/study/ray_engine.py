"""The Ray engine: each leg of a shard is a task of a Ray cluster, on this machine or on many.

A task is a pure function of what all trials have in common (sent to each machine once), the shard, its legs so far, and
the training as it stood after the leg before: bytes of the files of `wellposed.population.save`, which stay in the
cluster. It gives back where the trials stand, and the training as it stands now. So a task whose worker was lost is run
again; where the training was lost with a machine, the shard is run again from its first leg, and reaches the same. A
shard that does not fit into memory is halved. This process alone hears what came of it, and stores it.

Members are split among as many threads as the caller's own, so the results are those of the local engine to the bit on
machines of one kind. What crosses is plain values: arrays, tensors, bytes and dataclasses. Ray itself carries them by
pickle within its cluster, so whoever may join a cluster may run code on it: hence its tokens. Nothing of that kind is
ever written to a file or read from one here.
"""

import copy
import math
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from wellposed.bag import own_version
from wellposed.checks import check_count, refusal
from wellposed.errors import BadInput
from wellposed.population.population import Progress
from wellposed.population.save import resume_training, save_training
from wellposed.study.engine import Engine, Event, halve, is_out_of_memory
from wellposed.study.ray_cluster import Cluster
from wellposed.study.shard import Leg, Reached, Run, Setting, Shard

BEAT_SECONDS = 0.5
"""Between two signs of life while tasks run."""
PATIENCE_SECONDS = 600.0
"""How long a cluster may have no machine that could run a task: one that grows may start some meanwhile."""
FETCH_SECONDS = 300.0
"""How long a result that is ready may take to come here."""
GRACE_SECONDS = 60.0
"""How long after its deadline a task may answer."""


@dataclass(eq=False)
class _Part:
    """A shard, or what is left of it after halving.

    Attributes:
        whole: The shard as it was given.
        shard: The part of it that trains together.
        legs: Those so far, the present one last.
        saved: The training after the leg before, in the cluster; None where there is none.
        stands: Where its trials stood after the last leg that ended.
        lost: How often a worker was lost in the present leg.
        over: Whether the present leg has ended.
        failed: Whether it is given up.
    """

    whole: Shard
    shard: Shard
    legs: list[Leg] = field(default_factory=list)
    saved: Any = None
    stands: list[Reached] = field(default_factory=list)
    lost: int = 0
    over: bool = False
    failed: bool = False

    def fail(self, failure: str) -> None:
        """Give all its trials up."""
        known = {reached.number: reached for reached in self.stands}
        blank = Reached(number=-1, curve=(), best_epoch=0, living=False, failure="", seconds=0.0)
        self.stands = [
            replace(known.get(n, blank), number=n, living=False, failure=failure, answers=None)
            for n in self.shard.numbers
        ]
        self.over = self.failed = True


class RayEngine(Engine):
    """Trains on a Ray cluster; lost workers' shards are run again, and a shard that does not fit is halved.

    Args:
        setting: What all trials have in common.
        address: "auto", "host:port" or "ray://host:port" of a cluster that is there; None starts one on this machine,
            which ends with the engine.
        attempts: How often a leg of a shard is run, at most, when its worker is lost; then its trials fail.
        threads: Of each task on CPUs, and so the CPUs that it asks for; None for as many as PyTorch has here, and no
            more than the largest machine has.

    Raises:
        BadInput: Ray is not installed, does not start, is not at the address, or has no machine for the tasks.
    """

    def __init__(
        self, setting: Setting, *, address: str | None = None, attempts: int = 3, threads: int | None = None
    ) -> None:
        check_count("attempts", attempts)
        if threads is not None:
            check_count("threads", threads)
        self._attempts, self._gpus = attempts, int(setting.device.startswith("cuda"))
        self._parts: dict[tuple[int, int], list[_Part]] = {}
        self._best, self._equipped, self._counted, self._offered = math.inf, 0.0, -math.inf, 1
        self._cluster = Cluster(address, gpus=bool(self._gpus))
        try:
            wanted = 1 if self._gpus else threads or torch.get_num_threads()
            self._threads = min(wanted, self._cluster.cpus() or wanted)
            ray = self._cluster.ray
            needs = {"num_cpus": self._threads, "num_gpus": self._gpus}
            self._task = ray.remote(train_legs).options(num_returns=2, max_retries=0, **needs)
            self._setting = ray.put(setting)
            if self._cluster.local and not self._slots():
                raise refusal("--device", "be one that this machine has", setting.device, "Give cpu.")
        except BaseException:
            self._cluster.close()
            raise

    def advance(self, legs: deque[tuple[Shard, Leg]]) -> Iterator[Event]:
        ray, began = self._cluster.ray, time.monotonic()
        self._equipped, self._counted = began, -math.inf
        flights: dict[Any, tuple[_Part, Any]] = {}
        todo: deque[_Part] = deque()
        try:
            while legs or todo or flights:
                room = self._room()
                while len(flights) < room and (todo or legs):
                    if not todo:
                        shard, leg = legs.popleft()
                        todo += self._begin(shard, leg)
                        if not todo:  # its workers were lost before
                            yield self._reached(shard)
                            continue
                    part = todo.popleft()
                    ref, saved = self._submit(part)
                    flights[ref] = part, saved
                if not flights:
                    continue
                ended: list[Any] = ray.wait(list(flights), timeout=BEAT_SECONDS)[0]
                for ref in ended:
                    part, saved = flights.pop(ref)
                    todo.extendleft(self._land(part, ref, saved))
                    if self._is_over(part.whole):
                        yield self._reached(part.whole)
                if ended:
                    continue
                self._refuse_bare()
                for ref in [ref for ref, (part, _) in flights.items() if _is_overdue(part)]:
                    part, _ = flights.pop(ref)
                    ray.cancel(ref)
                    part.fail("no answer in time")
                    if self._is_over(part.whole):
                        yield self._reached(part.whole)
                yield self._progress([part for part, _ in flights.values()], time.monotonic() - began)
        finally:
            for ref in flights if self._cluster.open else ():
                with suppress(ray.exceptions.RayError):
                    ray.cancel(ref)

    def release(self, shard: Shard) -> None:
        self._parts.pop(_key(shard), None)

    def close(self) -> None:
        self._parts.clear()
        self._setting = self._task = None
        self._cluster.close()

    def _slots(self) -> int:
        """How many tasks the machines that are there can run at once."""
        return self._cluster.slots(cpus=self._threads, gpus=self._gpus)

    def _room(self) -> int:
        """How many tasks may be under way: more than fit where the cluster may be one that grows with what waits."""
        now = time.monotonic()
        if now >= self._counted + BEAT_SECONDS:
            self._counted, slots = now, self._slots()
            self._offered = max(1, slots) if self._cluster.local else 2 * slots + 1
            if slots:
                self._equipped = now
        return self._offered

    def _refuse_bare(self) -> None:
        """Refuse to wait any longer for a machine that could run a task."""
        if time.monotonic() - self._equipped > PATIENCE_SECONDS:
            what = f"a machine with {self._threads} CPUs{' and a GPU' if self._gpus else ''}"
            got = f"none in {PATIENCE_SECONDS:.0f} seconds"
            raise refusal("The Ray cluster", f"have {what}", got, "Look at `ray status`.")

    def _begin(self, shard: Shard, leg: Leg) -> list[_Part]:
        """The parts of a shard that a leg has work for."""
        parts = self._parts.setdefault(_key(shard), [_Part(shard, shard)])
        for part in parts:
            part.legs.append(leg)
            part.lost, part.over = 0, part.failed
        return [part for part in parts if not part.over]

    def _is_over(self, shard: Shard) -> bool:
        return all(part.over for part in self._parts[_key(shard)])

    def _reached(self, shard: Shard) -> tuple[Shard, list[Reached]]:
        """The end of a leg, and where its trials stand."""
        return shard, [reached for part in self._parts[_key(shard)] for reached in part.stands]

    def _submit(self, part: _Part) -> tuple[Any, Any]:
        """Send a task off; where its trials stand, and the training, as they will be."""
        legs = tuple(_shifted(part.legs, time.time() - time.monotonic()))
        reached, saved = self._task.remote(self._setting, part.shard, legs, part.saved, self._threads, _versions())
        return reached, saved

    def _land(self, part: _Part, ref: Any, saved: Any) -> list[_Part]:
        """Take what a task has given back; the parts that have to be sent off again."""
        errors = self._cluster.ray.exceptions
        try:
            part.stands, part.saved, part.over = self._cluster.ray.get(ref, timeout=FETCH_SECONDS), saved, True
        except errors.RayError as error:
            cause = error.cause if isinstance(error, errors.RayTaskError) else error
            if is_out_of_memory(cause) or (isinstance(cause, errors.OutOfMemoryError) and len(part.shard) > 1):
                return self._halve(part, cause)
            if isinstance(cause, BadInput):
                raise BadInput(str(cause)) from error
            if isinstance(cause, ModuleNotFoundError):
                must, do = "have what this one has installed", "Install the same there."
                raise refusal("Each machine of the Ray cluster", must, str(cause), do) from error
            if not isinstance(cause, errors.RayError):
                raise
            return self._again(part, cause)
        finite = [loss for reached in part.stands for loss in reached.curve if math.isfinite(loss)]
        self._best = min(self._best, *finite, math.inf)
        return []

    def _again(self, part: _Part, error: Exception) -> list[_Part]:
        """What is sent off again after a worker, or what it had to go on from, was lost."""
        if part.saved is not None and isinstance(error, self._cluster.ray.exceptions.ObjectLostError):
            part.saved = None  # not this task's fault: from the first leg then
            return [part]
        part.lost += 1
        if part.lost < self._attempts:
            return [part]
        said = (str(error).strip().splitlines() or [""])[0]
        part.fail(f"its worker was lost {part.lost} times: {type(error).__name__}, {said}")
        return []

    def _halve(self, part: _Part, error: Exception) -> list[_Part]:
        """Two halves in place of a part that did not fit into memory."""
        left = {number for leg in part.legs for number in leg.leaving}
        halves = [_Part(part.whole, half, list(part.legs)) for half in halve(part.shard, left, error)]
        parts = self._parts[_key(part.whole)]
        place = parts.index(part)
        parts[place : place + 1] = halves
        return halves

    def _progress(self, parts: Sequence[_Part], seconds: float) -> Progress:
        """What this process knows of tasks that run: where they began, and how many networks they train."""
        began = [part.legs[-2].until if len(part.legs) > 1 else 0 for part in parts]
        return Progress(
            epoch=sum(began) / max(1, len(began)),
            epochs=max((part.shard.recipes[0].epochs for part in parts), default=0),
            living=sum(len(part.shard) for part in parts),
            best_score=self._best,
            seconds=seconds,
        )


def train_legs(
    setting: Setting,
    shard: Shard,
    legs: Sequence[Leg],
    saved: Mapping[str, bytes] | None,
    threads: int,
    versions: tuple[str, str],
) -> tuple[list[Reached], dict[str, bytes] | None]:
    """Train a shard through its legs, on a machine of the cluster.

    Args:
        setting: What all trials have in common.
        shard: The trials.
        legs: All so far; those that `saved` has behind it already cost nothing. Deadlines are in seconds since 1970.
        saved: The training to go on from: the content of its files by name; None to begin.
        threads: Of this process.
        versions: Of this package and PyTorch, as the caller has them.

    Returns:
        Where the trials stand, and the training; None for it at its end.
    """
    if _versions() != versions:
        do = "Install the same versions on all machines: others give other results."
        must = f"have wellposed {versions[0]} with PyTorch {versions[1]}"
        raise refusal("Each machine of the Ray cluster", must, " with ".join(_versions()), do)
    torch.set_num_threads(threads)
    run = Run(copy.deepcopy(setting), shard)  # Ray's arrays are in memory that all tasks share, and must not change
    if saved is not None:
        with tempfile.TemporaryDirectory(prefix="wellposed-") as name:
            for file, content in saved.items():
                Path(name, file).write_bytes(content)
            resume_training(run.bag.population, Path(name))
    for leg in _shifted(legs, time.monotonic() - time.time()):
        for _ in run.advance(leg):
            pass
    reached = run.reached(last=legs[-1].last)
    if legs[-1].until >= shard.recipes[0].epochs:
        return reached, None
    with tempfile.TemporaryDirectory(prefix="wellposed-") as name:
        save_training(run.bag.population, Path(name))
        return reached, {file.name: file.read_bytes() for file in Path(name).iterdir()}


def _versions() -> tuple[str, str]:
    """What decides a result beside the machine: this package's version and PyTorch's, without its build."""
    return own_version(), torch.__version__.split("+")[0]


def _shifted(legs: Sequence[Leg], seconds: float) -> list[Leg]:
    """The legs with their deadlines by another clock."""
    return [leg._replace(deadline=leg.deadline + seconds) for leg in legs]


def _key(shard: Shard) -> tuple[int, int]:
    return shard.generation, shard.index


def _is_overdue(part: _Part) -> bool:
    """Whether it is too late for an answer: the machine hangs, or others have it."""
    return time.monotonic() > part.legs[-1].deadline + GRACE_SECONDS
