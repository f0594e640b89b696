"""Worker threads that train ranges of members side by side, each with its own copy of the network's program."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Literal, TypeAlias, TypeVar

import torch
from torch import nn

from wellposed.nets.stacking import Forward, stack_forward
from wellposed.techniques.stacked import StackedModule

T = TypeVar("T")
Mode: TypeAlias = Literal["train", "answer", "measure", "draw"]
"""How the network is run: to learn; to answer; to measure the norms' statistics, its norms as in training; to answer
with layers that draw as in training."""


class Crew:
    """Threads whose number of threads inside an operation is their own: the caller's setting stays as it was.

    The network's stacked form is made once for each worker and mode, because a module that is called through
    `functional_call` cannot serve two threads at once.

    Attributes:
        stride: Steps between two looks at the clock; it follows the pace that was seen.
    """

    def __init__(self, template: nn.Module, size: int) -> None:
        self.stride = 8
        self._size = size
        self._restored = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="wellposed")
        self._template = template
        self._forwards: dict[Mode, list[Forward]] = {}

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, work: Callable[[Forward, int], T], *, shares: int, threads: int, mode: Mode) -> list[T]:
        """Do `work(forward, i)` for `i` in `range(shares)`, side by side, and return the results in order.

        A failure in one share is raised after all have ended.
        """
        if mode not in self._forwards:
            self._forwards[mode] = [stack_forward(in_mode(self._template, mode)) for _ in range(self._size)]
        forwards = self._forwards[mode]

        def share(i: int) -> T:
            torch.set_num_threads(threads)
            try:
                return work(forwards[i], i)
            finally:
                torch.set_num_threads(self._restored)

        if shares == 1:  # not worth waking a thread for
            return [share(0)]
        futures = [self._pool.submit(share, i) for i in range(shares)]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]


def in_mode(template: nn.Module, mode: Mode) -> nn.Module:
    """A copy of the network whose layers are in training or answering mode as asked."""
    network = copy.deepcopy(template).train(mode == "train")
    for module in network.modules():
        if (mode == "measure" and is_norm_with_statistics(module)) or (mode == "draw" and draws(module)):
            module.train()
        if mode == "measure" and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0  # as this package's layers are told
    return network


def is_norm_with_statistics(module: nn.Module) -> bool:
    """Whether a layer keeps running statistics, whose pace is its momentum."""
    if isinstance(module, StackedModule):
        return "momentum" in module.tensor_names()
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def draws(module: nn.Module) -> bool:
    """Whether a layer draws at random in training."""
    return isinstance(module, StackedModule) and "key" in module._buffers
