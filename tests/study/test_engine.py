"""The local engine: legs of many shards, halving where memory runs out, going on from what was saved, leaving."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.study.test_shard import EPOCHS, SMALL, assert_same, digits, shard_of, through

from wellposed.errors import BadInput
from wellposed.nets.mlp import MLP
from wellposed.population.population import Progress
from wellposed.study import shard as shards_of
from wellposed.study.engine import Engine, Event, LocalEngine, halve, is_out_of_memory
from wellposed.study.shard import Leg, Reached, Run, Setting, Shard

WIDE = replace(SMALL, net=MLP(widths=(24,)))


def ended(engine: Engine, legs: Sequence[tuple[Shard, Leg]]) -> dict[int, list[Reached]]:
    """Where trials stand after these legs, by the index of their shard."""
    events = [event for event in engine.advance(deque(legs)) if not isinstance(event, Progress)]
    assert sorted(shard.index for shard, _ in events) == sorted(shard.index for shard, _ in legs)
    return {shard.index: reached for shard, reached in events}


def two_shards() -> list[Shard]:
    return [shard_of(5), shard_of(4, first=5, recipe=WIDE, index=1)]


def with_rungs(engine: Engine, shards: Sequence[Shard]) -> dict[int, list[Reached]]:
    """Two legs; every third trial leaves between them."""
    ended(engine, [(shard, Leg(2, (), last=False)) for shard in shards])
    return ended(engine, [(shard, Leg(EPOCHS, tuple(n for n in shard.numbers if n % 3 == 0))) for shard in shards])


def limit_memory(members: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let there be memory for so many networks at a time; the sizes that are tried."""
    tried: list[int] = []
    train = Run.advance

    def advance(self: Run, leg: Leg) -> Iterator[Progress]:
        tried.append(len(self.shard))
        if len(self.shard) > members:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        yield from train(self, leg)

    monkeypatch.setattr(Run, "advance", advance)
    return tried


@pytest.fixture
def everything_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of each leg is written, however short it was."""
    monkeypatch.setattr(shards_of, "WORTH_SAVING_SECONDS", 0.0)


def test_shards_are_trained_as_if_alone() -> None:
    shards = two_shards()
    found = with_rungs(LocalEngine(digits()), shards)
    for shard in shards:
        leaving = tuple(n for n in shard.numbers if n % 3 == 0)
        assert_same(found[shard.index], through(Run(digits(), shard), Leg(2, (), False), Leg(EPOCHS, leaving)))


def test_legs_may_be_added_and_taken_away_meanwhile() -> None:
    first, second = two_shards()
    third = replace(shard_of(2, first=20), index=2)
    legs = deque([(first, Leg(2, (), False)), (second, Leg(2, (), False))])
    seen = []
    for event in LocalEngine(digits()).advance(legs):
        if not isinstance(event, Progress):
            seen.append((event[0].index, len(event[1][0].curve)))
            if seen == [(0, 2)]:
                legs.clear()
                legs.extend([(third, Leg(1, (), False)), (first, Leg(3, (), False))])
    assert seen == [(0, 2), (2, 1), (0, 3)]


def test_out_of_memory_a_shard_is_halved_and_its_trials_reach_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [shard_of(8), shard_of(4, first=8, recipe=WIDE, index=1)]
    whole = with_rungs(LocalEngine(digits()), shards)
    tried = limit_memory(4, monkeypatch)
    halved = with_rungs(LocalEngine(digits()), shards)
    assert tried == [8, 4, 4, 4, 4, 4, 4]
    for shard in shards:
        assert_same(halved[shard.index], whole[shard.index])


def test_halved_down_to_one_it_reaches_the_same_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = ended(LocalEngine(digits()), [(shard_of(3), Leg(EPOCHS))]).values()
    tried = limit_memory(1, monkeypatch)
    (halved,) = ended(LocalEngine(digits()), [(shard_of(3), Leg(EPOCHS))]).values()
    assert tried == [3, 1, 2, 1, 1]
    for one, among_others in zip(halved, whole, strict=True):
        # one network's products are computed by another kernel; float32 rounding grows over 24 steps
        assert one.curve == pytest.approx(among_others.curve, rel=1e-3)


def test_those_that_have_left_are_not_trained_again_after_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, shard = LocalEngine(digits()), shard_of(6)
    ended(engine, [(shard, Leg(1, (), False))])
    ended(engine, [(shard, Leg(2, (0, 1), False))])
    limit_memory(2, monkeypatch)
    (reached,) = ended(engine, [(shard, Leg(EPOCHS, (5,)))]).values()
    assert sorted(r.number for r in reached) == [2, 3, 4]
    monkeypatch.undo()
    alone = [shard.part([2]), shard.part([3, 4])]
    assert_same(reached, [r for part in alone for r in through(Run(digits(), part), Leg(EPOCHS))])


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("x"), MemoryError()])
def test_a_single_network_that_does_not_fit_is_refused(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def advance(self: Run, leg: Leg) -> Iterator[Progress]:
        raise error
        yield

    monkeypatch.setattr(Run, "advance", advance)
    with pytest.raises(BadInput, match=r"One network of MLP.* must fit into memory\. Got .*Error\. Take a smaller"):
        ended(LocalEngine(digits()), [(shard_of(3), Leg(EPOCHS))])


def test_any_other_error_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def advance(self: Run, leg: Leg) -> Iterator[Progress]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        yield

    monkeypatch.setattr(Run, "advance", advance)
    with pytest.raises(RuntimeError, match="mat1"):
        ended(LocalEngine(digits()), [(shard_of(3), Leg(EPOCHS))])


def test_what_the_allocator_says_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.float64)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("another"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def test_halves_are_of_those_that_go_on() -> None:
    shard = shard_of(6)
    assert [half.numbers for half in halve(shard, {1, 5}, MemoryError())] == [(0, 2), (3, 4)]
    assert [half.numbers for half in halve(shard, {0, 1, 2, 3, 4}, MemoryError())] == [(5,)]
    with pytest.raises(BadInput, match="One network"):
        halve(shard.part([0]), (), MemoryError())


@pytest.mark.usefixtures("everything_saved")
def test_it_goes_on_from_what_was_saved_and_cleans_up(tmp_path: Path) -> None:
    shards = two_shards()
    whole = with_rungs(LocalEngine(digits()), shards)
    ended(LocalEngine(digits(), tmp_path), [(shard, Leg(2, (), last=False)) for shard in shards])
    assert len(list(tmp_path.iterdir())) == 2
    engine = LocalEngine(digits(), tmp_path)  # as after a kill
    found = with_rungs(engine, shards)
    for shard in shards:
        assert_same(found[shard.index], whole[shard.index])
        engine.release(shard)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("everything_saved")
def test_halved_it_cleans_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_memory(2, monkeypatch)
    engine, shard = LocalEngine(digits(), tmp_path), shard_of(4)
    ended(engine, [(shard, Leg(2, (), last=False))])
    assert len(list(tmp_path.iterdir())) == 2
    engine.release(shard)
    assert list(tmp_path.iterdir()) == []
    engine.close()


def test_it_may_be_left_at_any_moment_and_gone_on_with() -> None:
    shards, engine = two_shards(), LocalEngine(digits())
    whole = with_rungs(LocalEngine(digits()), shards)
    for event in engine.advance(deque((shard, Leg(2, (), last=False)) for shard in shards)):
        if isinstance(event, Progress) and event.epoch >= 1:
            break
    found = with_rungs(engine, shards)
    for shard in shards:
        assert_same(found[shard.index], whole[shard.index])


def test_the_deadline_holds_for_all_shards() -> None:
    recipe = replace(SMALL, epochs=100_000)
    shards = [shard_of(2, recipe=recipe), shard_of(2, first=2, recipe=replace(recipe, net=WIDE.net), index=1)]
    began = time.monotonic()
    found = ended(LocalEngine(digits()), [(shard, Leg(recipe.epochs, deadline=began + 1.5)) for shard in shards])
    assert time.monotonic() - began < 15
    assert all(r.living and len(r.curve) > 0 for r in found[0])
    assert all(r.living and r.curve == () for r in found[1])


def test_progress_is_told_meanwhile() -> None:
    events: list[Event] = list(LocalEngine(digits()).advance(deque([(shard_of(2), Leg(EPOCHS))])))
    told = [event for event in events if isinstance(event, Progress)]
    assert [event.living for event in told] == [2] * (len(told) - 1) + [0]
    assert sorted(event.epoch for event in told) == [event.epoch for event in told]


def test_an_engine_of_ones_own_is_one() -> None:
    class Nobody(Engine):
        """Trains nothing."""

        def __init__(self, setting: Setting) -> None:
            self.setting = setting

        def advance(self, legs: deque[tuple[Shard, Leg]]) -> Iterator[Event]:
            while legs:
                yield legs.popleft()[0], []

        def release(self, shard: Shard) -> None: ...

        def close(self) -> None: ...

    assert ended(Nobody(digits()), [(shard_of(1), Leg(1))]) == {0: []}
