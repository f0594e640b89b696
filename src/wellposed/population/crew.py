"""Worker threads that train ranges of members side by side, each with its own copy of the network's program."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

import torch
from torch import nn

from wellposed.nets.stacking import Forward, stack_forward

T = TypeVar("T")


class Crew:
    """Threads whose number of threads inside an operation is their own: the caller's setting stays as it was.

    The network's stacked form is made once for each worker, in training and in answering mode, because a module that
    is called through `functional_call` cannot serve two threads at once.

    Attributes:
        stride: Steps between two looks at the clock; it follows the pace that was seen.
    """

    def __init__(self, template: nn.Module, size: int) -> None:
        self.stride = 8
        self._size = size
        self._restored = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="wellposed")
        self._training = [stack_forward(copy.deepcopy(template).train()) for _ in range(size)]
        self._answering = [stack_forward(copy.deepcopy(template).eval()) for _ in range(size)]

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, work: Callable[[Forward, int], T], *, shares: int, threads: int, training: bool) -> list[T]:
        """Do `work(forward, i)` for `i` in `range(shares)`, side by side, and return the results in order.

        A failure in one share is raised after all have ended.
        """
        forwards = self._training if training else self._answering

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
