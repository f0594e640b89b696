"""How the work is laid on the machine: how many members a worker takes, how many rows an evaluation takes at once.

A small network's step is too short for a thread to be worth waking inside each operation, so workers split the
members, not the operations: each worker is one thread that runs its members' whole steps with single-threaded
operations. The plan follows from shapes alone, never from a clock, so that it is the same in every run.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.nets.net import Inputs
from wellposed.population.build import AFFINE
from wellposed.techniques.stacked import StackedModule

WORTH_A_WORKER = 60e6
"""Floating-point operations of a step that pay for one more worker (they contend for Python's lock)."""
WORTH_A_THREAD = 1e9
"""Floating-point operations of a single network's step from which its operations run on all threads."""
EVALUATED_NUMBERS = 1 << 20
"""Activations that one evaluation pass may hold in its widest layer: 4 MiB in float32."""


@dataclass(frozen=True)
class Work:
    """What one row costs in one network.

    Attributes:
        flops: Floating-point operations of a forward pass, in affine layers; a layer of the user's own counts each of
            its weights once.
        width: Numbers in the widest activation.
    """

    flops: float
    width: int


def measure(template: nn.Module, inputs: Inputs) -> Work:
    """The work of one row, seen by a forward pass of one network over one row of zeros, or one text."""
    like = next(template.parameters())
    flops, width = 0.0, inputs.width

    def look(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        nonlocal flops, width
        if isinstance(output, Tensor):
            width = max(width, output.numel())
            own = 2.0 * sum(p.numel() for p in module.parameters(recurse=False) if p.dim() > 1)
            if isinstance(module, AFFINE):
                flops += own * output.numel() / module.weight.shape[0]
            elif not isinstance(module, (nn.Embedding, nn.LayerNorm, StackedModule)):
                flops += own

    handles = [module.register_forward_hook(look) for module in template.modules() if not list(module.children())]
    training = template.training
    try:
        with torch.no_grad():
            template.eval()(*inputs.example(like))
    finally:
        template.train(training)
        for handle in handles:
            handle.remove()
    return Work(flops, width)


def workers(work: Work, *, members: int, batch: int, threads: int) -> int:
    """How many workers share the members; 1 leaves them together."""
    whole = 3 * work.flops * batch * members
    return max(1, min(threads, members, int(whole / WORTH_A_WORKER)))


def threads_each(work: Work, *, members: int, batch: int, threads: int, workers: int) -> int:
    """Threads inside each worker's operations."""
    whole = 3 * work.flops * batch * members
    return threads if workers == 1 and whole >= WORTH_A_THREAD else 1


def evaluated_rows(work: Work, *, members: int) -> int:
    """Rows that an evaluation takes at once."""
    return max(1, EVALUATED_NUMBERS // (members * work.width))


@contextmanager
def kept_pages() -> Iterator[None]:
    """Let the C library keep freed memory while training runs, and give it back afterwards.

    Each step frees and allocates the same megabytes; by default glibc hands them back to the kernel and faults them in
    again, page by page, which was measured at a quarter of the time of a step. Elsewhere this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    libc.mallopt(mmap_threshold, 32 << 20)
    libc.mallopt(trim_threshold, (1 << 31) - 1)
    libc.mallopt(top_pad, 64 << 20)
    try:
        yield
    finally:
        libc.mallopt(trim_threshold, 128 << 10)
        libc.mallopt(top_pad, 0)
        libc.malloc_trim(0)
