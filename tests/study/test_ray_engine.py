"""The Ray engine: to the bit what the local one gives, whatever happens to workers; one cluster serves all tests.

What happens to a worker is done by techniques that are made here: they go along with a recipe, and act where it trains.
"""

import importlib
import math
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Bool, Float
from sklearn.datasets import load_iris
from tests.study.test_engine import WIDE, ended, two_shards, with_rungs
from tests.study.test_shard import EPOCHS, SMALL, assert_same, digits, frame, shard_of
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Part
from wellposed.nets.mlp import MLP
from wellposed.population.population import Progress
from wellposed.recipe import Recipe
from wellposed.study import ray_engine
from wellposed.study.engine import LocalEngine
from wellposed.study.ray_cluster import Cluster
from wellposed.study.ray_engine import RayEngine, train_legs
from wellposed.study.shard import Leg, Setting, Shard
from wellposed.techniques import He, Technique
from wellposed.techniques.places import Curves, EndTechnique, Key, WeightTechnique

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster on this machine, which the engines of the tests join."""
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def engine(cluster: Cluster) -> Iterator[RayEngine]:
    """An engine on it."""
    made = RayEngine(digits())
    yield made
    made.close()
    assert cluster.open


def killer(folder: Path, *, times: int, epoch: int = 3) -> Technique:
    """A rule of the end that kills the process which asks it after this epoch, so many times; it ends nothing."""

    @dataclass(frozen=True, kw_only=True)
    class Killer(EndTechnique):
        folder: str
        times: int
        epoch: int

        def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
            marks = len(os.listdir(self.folder))
            if curves.validation.shape[1] == self.epoch and marks < self.times:
                Path(self.folder, str(marks)).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return torch.zeros(len(curves.validation), dtype=torch.bool)

    return Killer(folder=str(folder), times=times, epoch=epoch)


def narrow(members: int, error: type[Exception]) -> Technique:
    """Starting weights for which there is memory for so many networks only."""

    @dataclass(frozen=True, kw_only=True)
    class Narrow(WeightTechnique):
        members: int

        def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
            if len(key) > self.members:
                raise error("out of memory")
            return He().weights(shape, key, dtype=dtype)

    return Narrow(members=members)


def lost(cluster: Cluster) -> object:
    """A reference to something that nobody holds any more."""

    class Holder:
        """Puts something into the cluster, which goes with it."""

        def hold(self) -> list[object]:
            return [importlib.import_module("ray").put({"large": bytes(10**6)})]

    holder = cluster.ray.remote(Holder).options(num_cpus=0).remote()
    (reference,) = cluster.ray.get(holder.hold.remote(), timeout=60)
    cluster.ray.kill(holder)
    for _ in range(300):
        try:
            cluster.ray.get(reference, timeout=60)
        except cluster.ray.exceptions.ObjectLostError:
            return reference
        time.sleep(0.1)
    raise TimeoutError("it is still there")


def using(technique: Technique, recipe: Recipe = SMALL) -> Recipe:
    return replace(recipe, techniques=(*recipe.techniques, technique))


def test_it_gives_what_the_local_engine_gives(engine: RayEngine) -> None:
    shards = two_shards()
    local, found = with_rungs(LocalEngine(digits()), shards), with_rungs(engine, shards)
    for shard in shards:
        assert_same(found[shard.index], local[shard.index])
        engine.release(shard)


def test_of_another_setting_too(cluster: Cluster) -> None:
    x, y = load_iris(return_X_y=True)
    setting = Setting("classification", Part(frame(x[::2]), y[::2]), Part(frame(x[1::2]), y[1::2]), metric="error")
    shard = shard_of(3, recipe=Recipe(net=MLP(widths=(8,)), epochs=EPOCHS))
    engine = RayEngine(setting, threads=1)
    legs = [(shard, Leg(EPOCHS))]
    assert_same(ended(engine, legs)[0], ended(LocalEngine(setting), legs)[0])
    engine.close()


def test_a_worker_killed_in_the_middle_is_made_up_for(engine: RayEngine, tmp_path: Path) -> None:
    victim = shard_of(4, recipe=using(killer(tmp_path, times=2)))
    shards = [victim, shard_of(3, first=4, recipe=WIDE, index=1)]
    found = with_rungs(engine, shards)
    assert len(list(tmp_path.iterdir())) == 2
    local = with_rungs(LocalEngine(digits()), shards)  # enough have been killed
    for shard in shards:
        assert_same(found[shard.index], local[shard.index])


def test_lost_too_often_its_trials_fail_and_the_others_go_on(engine: RayEngine, tmp_path: Path) -> None:
    victim = shard_of(3, recipe=using(killer(tmp_path, times=99)))
    shards = [victim, shard_of(3, first=4, recipe=WIDE, index=1)]
    ended(engine, [(shard, Leg(2, (), last=False)) for shard in shards])
    found = ended(engine, [(shard, Leg(4, (), last=False)) for shard in shards])
    for leg in (found, ended(engine, [(shard, Leg(EPOCHS)) for shard in shards])):
        assert [r.number for r in leg[0]] == [0, 1, 2]
        for reached in leg[0]:
            assert reached.failure.startswith("its worker was lost 3 times: WorkerCrashedError")
            assert not reached.living and len(reached.curve) == 2 and reached.answers is None
        assert all(r.failure == "" for r in leg[1])
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_a_shard_is_halved(engine: RayEngine, error: type[Exception]) -> None:
    shards = [shard_of(8, recipe=using(narrow(4, error))), shard_of(3, first=8, recipe=WIDE, index=1)]
    roomy = [replace(shards[0], recipes=shard_of(8, recipe=using(narrow(8, error))).recipes), shards[1]]
    found, local = with_rungs(engine, shards), with_rungs(LocalEngine(digits()), roomy)
    for shard in shards:
        assert_same(found[shard.index], local[shard.index])


def test_a_single_network_that_does_not_fit_is_refused(engine: RayEngine) -> None:
    with pytest.raises(BadInput, match=r"One network of MLP.* must fit into memory\. Got MemoryError\."):
        ended(engine, [(shard_of(2, recipe=using(narrow(0, MemoryError))), Leg(EPOCHS))])


def test_a_training_that_was_lost_is_done_again(engine: RayEngine, cluster: Cluster) -> None:
    shard = shard_of(4)
    ended(engine, [(shard, Leg(2, (), False))])
    ended(engine, [(shard, Leg(4, (1,), False))])
    (part,) = engine._parts[0, 0]
    part.saved = lost(cluster)  # as with the machine that held it
    found = ended(engine, [(shard, Leg(EPOCHS, (1, 2)))])
    local = LocalEngine(digits())
    for leg in (Leg(2, (), False), Leg(4, (1,), False), Leg(EPOCHS, (1, 2))):
        expected = ended(local, [(shard, leg)])
    assert_same(found[0], expected[0])


def test_it_may_be_left_at_any_moment_and_gone_on_with(engine: RayEngine) -> None:
    shards = two_shards()
    local = with_rungs(LocalEngine(digits()), shards)
    for _ in engine.advance(deque((shard, Leg(2, (), last=False)) for shard in shards)):
        break
    found = with_rungs(engine, shards)
    for shard in shards:
        assert_same(found[shard.index], local[shard.index])


def test_legs_may_be_added_and_taken_away_meanwhile(engine: RayEngine) -> None:
    shards = [replace(shard_of(1, first=n), index=n) for n in range(40)]
    legs, seen = deque((shard, Leg(1, (), False)) for shard in shards), []
    for event in engine.advance(legs):
        if not isinstance(event, Progress):
            seen.append(event[0].index)
            if len(seen) == 1:
                assert legs  # not all have begun
                taken = {shard.index for shard, _ in legs}
                legs.clear()
                legs.append((event[0], Leg(2, (), False)))
    assert sorted(seen) == sorted([*(set(range(40)) - taken), seen[0]])


def test_the_deadline_is_kept_and_signs_of_life_are_given(engine: RayEngine) -> None:
    recipe, began = replace(SMALL, epochs=1_000_000), time.monotonic()
    shards = [shard_of(2, recipe=recipe), shard_of(2, first=2, recipe=replace(recipe, net=WIDE.net), index=1)]
    leg = Leg(recipe.epochs, deadline=began + 4)
    events = list(engine.advance(deque((shard, leg) for shard in shards)))
    assert time.monotonic() - began < 4 + 20
    for _, found in (event for event in events if not isinstance(event, Progress)):
        assert all(r.living and r.failure == "" and len(r.curve) < recipe.epochs for r in found)
    told = [event for event in events if isinstance(event, Progress)]
    assert len(told) > 1 and all(event.living in (2, 4) and event.epochs == recipe.epochs for event in told)


def test_a_task_that_does_not_answer_is_given_up(engine: RayEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "GRACE_SECONDS", 0.0)
    (found,) = ended(engine, [(shard_of(2), Leg(10**9, deadline=time.monotonic() - 1))]).values()
    assert {r.failure for r in found} <= {"no answer in time", ""}


def test_where_no_machine_fits_it_is_said(engine: RayEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "PATIENCE_SECONDS", 0.0)
    engine._threads = 10**6
    with pytest.raises(BadInput, match=r"The Ray cluster must have a machine with 1000000 CPUs\. Got 'none in 0 sec"):
        ended(engine, [(shard_of(2, recipe=replace(SMALL, epochs=10**6)), Leg(10**6))])


def test_bad_input_is_bad_input_here_too(engine: RayEngine) -> None:
    mixed = Shard(0, 0, (0, 1), (SMALL, WIDE), (1, 2))
    with pytest.raises(BadInput, match="structure"):
        ended(engine, [(mixed, Leg(EPOCHS))])


def test_a_fault_of_ours_keeps_its_traceback(engine: RayEngine) -> None:
    with pytest.raises(ZeroDivisionError, match=r"(?s)train_legs.*weights"):
        ended(engine, [(shard_of(2, recipe=using(narrow(0, ZeroDivisionError))), Leg(EPOCHS))])


def test_what_a_machine_runs_must_be_what_this_one_runs() -> None:
    versions = ("0.0.1", torch.__version__.split("+")[0])
    with pytest.raises(BadInput, match=r"Each machine of the Ray cluster must have wellposed 0\.0\.1 with PyTorch"):
        train_legs(digits(), shard_of(1), [Leg(1)], None, 1, versions)


def test_a_task_is_a_function() -> None:
    versions = ray_engine._versions()
    legs = [Leg(2, (), False, math.inf), Leg(EPOCHS, (1,))]
    _, saved = train_legs(digits(), shard_of(3), legs[:1], None, 1, versions)
    assert saved is not None and all(isinstance(content, bytes) for content in saved.values())
    gone_on, end = train_legs(digits(), shard_of(3), legs, saved, 1, versions)
    anew, _ = train_legs(digits(), shard_of(3), legs, None, 1, versions)
    assert end is None
    assert_same(gone_on, anew)


@pytest.mark.parametrize(("argument", "value"), [("attempts", 0), ("attempts", 1.5), ("threads", 0)])
def test_bad_arguments_are_refused(argument: str, value: Any) -> None:
    with pytest.raises(BadInput, match=f"{argument} must be a positive whole number"):
        RayEngine(digits(), **{argument: value})


def test_an_address_where_nobody_is(cluster: Cluster) -> None:
    with pytest.raises(BadInput, match="A process must be connected to one Ray cluster"):
        RayEngine(digits(), address="127.0.0.1:1")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a cluster of several machines, all of them here")
def test_a_machine_that_dies_takes_nothing_with_it(tmp_path: Path) -> None:
    script = """
import threading
from ray.cluster_utils import Cluster
from tests.study.test_engine import ended, two_shards, with_rungs
from tests.study.test_shard import EPOCHS, assert_same, digits
from wellposed.study.engine import LocalEngine
from wellposed.study.ray_engine import RayEngine
from wellposed.study.shard import Leg

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
first, shards = cluster.add_node(num_cpus=1), two_shards()
engine = RayEngine(digits(), address=cluster.address)
ended(engine, [(shard, Leg(2, (), last=False)) for shard in shards])
cluster.add_node(num_cpus=1)
threading.Timer(1, cluster.remove_node, (first, False)).start()
legs = [(shard, Leg(EPOCHS, tuple(n for n in shard.numbers if n % 3 == 0))) for shard in shards]
found, local = ended(engine, legs), with_rungs(LocalEngine(digits()), shards)
for shard in shards:
    assert_same(found[shard.index], local[shard.index])
engine.close()
cluster.shutdown()
print("same")
"""
    quick = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "3"}
    tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "7" * 64, "RAY_USAGE_STATS_ENABLED": "0"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | quick | tokens | {"HOME": str(tmp_path)},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "same"
