"""Engines: who trains the shards of a generation. The local one trains them here, one after another."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import TypeAlias

import torch

from wellposed.errors import BadInput
from wellposed.population.population import Progress
from wellposed.study.shard import Leg, Reached, Run, Setting, Shard

Event: TypeAlias = Progress | tuple[Shard, list[Reached]]
"""How far the training of a shard is; or that its leg has ended, and where its trials stand."""


class Engine(ABC):
    """Trains shards leg by leg."""

    @abstractmethod
    def advance(self, legs: deque[tuple[Shard, Leg]]) -> Iterator[Event]:
        """Train each shard through its leg, until none is left; the legs end in any order.

        Leaving the iteration early is safe: the shards stand somewhere between two legs then.

        Args:
            legs: Taken from as they begin. The caller may add some, or take some away, while it iterates.
        """

    @abstractmethod
    def release(self, shard: Shard) -> None:
        """Forget a shard whose last leg is stored."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""


class LocalEngine(Engine):
    """Trains in this process; a shard that does not fit into memory is halved.

    Args:
        setting: What all trials have in common.
        folder: Where trainings are saved now and then, so that a kill costs seconds; None for nowhere.
    """

    def __init__(self, setting: Setting, folder: Path | None = None) -> None:
        self._setting, self._folder = setting, folder
        self._runs: dict[tuple[int, int], list[Run | Shard]] = {}
        self._left: dict[tuple[int, int], set[int]] = {}

    def advance(self, legs: deque[tuple[Shard, Leg]]) -> Iterator[Event]:
        while legs:
            shard, leg = legs.popleft()
            key = shard.generation, shard.index
            parts, left = self._runs.setdefault(key, [shard]), self._left.setdefault(key, set())
            left.update(leg.leaving)
            reached: list[Reached] = []
            place = 0
            while place < len(parts):
                found = yield from self._train(parts, place, leg)
                if isinstance(found, list):
                    reached += found
                    place += 1
                    continue
                part = parts[place]
                parts[place : place + 1] = halve(part.shard if isinstance(part, Run) else part, left, found)
                self._discard(part)
                del part  # and with it the memory of its training, before its halves begin
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
            yield shard, reached

    def _train(
        self, parts: list[Run | Shard], place: int, leg: Leg
    ) -> Generator[Progress, None, list[Reached] | Exception]:
        """Train one part of a shard through a leg; where its trials stand then, or that there was not enough memory."""
        part = parts[place]
        try:
            run = part if isinstance(part, Run) else Run(self._setting, part, self._training(part))
            parts[place] = run
            yield from run.advance(leg)
            return run.reached(last=leg.last)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return error.with_traceback(None)  # which holds what was allocated

    def release(self, shard: Shard) -> None:
        self._left.pop((shard.generation, shard.index), None)
        for part in self._runs.pop((shard.generation, shard.index), []):
            self._discard(part)

    def close(self) -> None:
        self._runs.clear()
        self._left.clear()

    def _discard(self, part: Run | Shard) -> None:
        """Remove what was saved of a training."""
        folder = part.folder if isinstance(part, Run) else None
        if folder is not None and folder.is_dir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()

    def _training(self, part: Shard) -> Path | None:
        """Where the training of this part is saved."""
        return None if self._folder is None else self._folder / f"{part.numbers[0]}-{part.numbers[-1]}-{len(part)}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this says that memory ran out, on a GPU or here."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def halve(shard: Shard, left: Collection[int], error: BaseException) -> list[Shard]:
    """Two halves of those trials that go on, which begin anew; the one that goes on, where the others have left.

    Args:
        shard: What did not fit into memory.
        left: Numbers of the trials that have left.
        error: What said so.

    Raises:
        BadInput: A single network does not fit into memory.
    """
    if len(shard) < 2:
        net, got = shard.recipes[0].net, type(error).__name__
        raise BadInput(f"One network of {net} must fit into memory. Got {got}. Take a smaller one.") from error
    staying = [k for k, number in enumerate(shard.numbers) if number not in left]
    half = len(staying) // 2
    return [shard.part(part) for part in (staying[:half], staying[half:]) if part]
