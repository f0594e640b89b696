"""Engines: who trains the shards of a generation. The local one trains them here, one after another."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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
    def advance(self, legs: Sequence[tuple[Shard, Leg]]) -> Iterator[Event]:
        """Train each shard through its leg; the legs end in any order.

        Leaving the iteration early is safe: the shards stand somewhere between two legs then.
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

    def advance(self, legs: Sequence[tuple[Shard, Leg]]) -> Iterator[Event]:
        for shard, leg in legs:
            parts = self._runs.setdefault((shard.generation, shard.index), [shard])
            reached: list[Reached] = []
            place = 0
            while place < len(parts):
                try:
                    part = parts[place]
                    run = part if isinstance(part, Run) else Run(self._setting, part, self._training(part))
                    parts[place] = run
                    yield from run.advance(leg)
                    reached += run.reached(last=leg.last)
                    place += 1
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    part = parts[place]
                    parts[place : place + 1] = halve(part.shard if isinstance(part, Run) else part, leg, error)
                    if torch.cuda.is_available():
                        torch.cuda.empty_cache()
            yield shard, reached

    def release(self, shard: Shard) -> None:
        for part in self._runs.pop((shard.generation, shard.index), []):
            folder = part.folder if isinstance(part, Run) else None
            if folder is not None and folder.is_dir():
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()

    def close(self) -> None:
        self._runs.clear()

    def _training(self, part: Shard) -> Path | None:
        """Where the training of this part is saved."""
        return None if self._folder is None else self._folder / f"{part.numbers[0]}-{part.numbers[-1]}-{len(part)}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this says that memory ran out, on a GPU or here."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def halve(shard: Shard, leg: Leg, error: BaseException) -> list[Run | Shard]:
    """Two halves of those trials that go on, which begin anew.

    Raises:
        BadInput: A single network does not fit into memory.
    """
    staying = [k for k, number in enumerate(shard.numbers) if number not in leg.leaving]
    if len(staying) < 2:
        recipe = shard.recipes[0]
        raise BadInput(
            f"One network of {recipe.net} must fit into memory. Got {type(error).__name__}. Take a smaller one."
        ) from error
    half = len(staying) // 2
    return [shard.part(part) for part in (staying[:half], staying[half:])]
