"""The plan: work is counted right, memory is bounded, and the same shapes always give the same plan."""

import platform
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.nets.recurrent import Recurrent
from wellposed.population import plan
from wellposed.population.plan import Work, evaluated_rows, kept_pages, measure, threads_each, workers
from wellposed.techniques import BatchNorm, Dropout, LayerNorm


def test_a_linear_layer_costs_two_operations_a_weight() -> None:
    net = MLP(widths=(20, 10)).build(Inputs((7,)), 3, [BatchNorm(), LayerNorm(), Dropout()])
    assert measure(net, Inputs((7,))) == Work(flops=2 * (7 * 20 + 20 * 10 + 10 * 3), width=20)


def test_a_convolution_costs_that_at_each_position() -> None:
    net = CNN(channels=(4, 6), widths=(5,)).build(Inputs((3, 12, 10)), 2, [BatchNorm(), LayerNorm()])
    first, second, dense = 3 * 4 * 25 * 6 * 5, 4 * 6 * 9 * 6 * 5, 6 * 3 * 2 * 5 + 5 * 2
    assert measure(net, Inputs((3, 12, 10))) == Work(flops=2 * (first + second + dense), width=3 * 12 * 10)


def test_groups_strides_and_a_linear_layer_over_positions_are_counted() -> None:
    net = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2, stride=2), nn.Flatten(2), nn.Linear(9, 5, bias=False))
    flops = 2 * 8 * 2 * 9 * 9 + 2 * 9 * 5 * 8
    assert measure(net, Inputs((4, 7, 7))) == Work(flops=flops, width=4 * 49)


def test_a_text_and_a_sequence_are_measured_whole() -> None:
    texts, steps = Inputs((0,), (), 1000), Inputs((9, 3))
    assert measure(BagOfWords(embedding=5, widths=(4,)).build(texts, 2, ()), texts).flops == 2 * (5 * 4 + 4 * 2)
    assert measure(MLP(widths=(4,)).build(steps, 2, ()), steps) == Work(flops=2 * (27 * 4 + 4 * 2), width=27)
    short, long = (measure(Recurrent().build(given, 2, ()), given) for given in (steps, Inputs((90, 3))))
    assert long.flops > 5 * short.flops


def test_looking_up_categories_costs_nothing() -> None:
    net = MLP(widths=(4,)).build(Inputs((2,), (1000,)), 3, ())
    assert measure(net, Inputs((2,), (1000,))) == Work(flops=2 * (52 * 4 + 4 * 3), width=50)


def test_a_users_own_layer_counts_each_weight_once() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(6, 9))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weight

    assert measure(Own(), Inputs((6,))) == Work(flops=2 * 54, width=9)


@pytest.mark.parametrize("training", [True, False])
def test_measuring_changes_nothing(training: bool) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2)).train(training)
    before = {name: t.clone() for name, t in net.state_dict().items()}
    generator = torch.random.get_rng_state()
    measure(net, Inputs((3,)))
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert torch.equal(generator, torch.random.get_rng_state())
    assert all(m.training is training for m in net.modules())
    assert not any(m._forward_hooks for m in net.modules())


FLOPS = st.floats(1, 1e10)
SMALL = st.integers(1, 512)


@given(flops=FLOPS, members=SMALL, batch=SMALL, threads=st.integers(1, 64))
def test_workers_are_at_most_threads_and_members_and_grow_with_the_work(
    flops: float, members: int, batch: int, threads: int
) -> None:
    work = Work(flops, 1)
    n = workers(work, members=members, batch=batch, threads=threads)
    assert 1 <= n <= min(threads, members)
    assert n <= workers(Work(2 * flops, 1), members=members, batch=batch, threads=threads)
    assert n <= workers(work, members=members + 1, batch=batch, threads=threads)
    assert n <= workers(work, members=members, batch=batch + 1, threads=threads)
    assert n <= workers(work, members=members, batch=batch, threads=threads + 1)
    each = threads_each(work, members=members, batch=batch, threads=threads, workers=n)
    assert n * each <= max(n, threads)


def test_small_work_is_not_shared_and_a_single_large_network_has_all_threads() -> None:
    small, large = Work(1e3, 1), Work(1e9, 1)
    assert workers(small, members=8, batch=32, threads=16) == 1
    assert threads_each(small, members=8, batch=32, threads=16, workers=1) == 1
    assert workers(large, members=8, batch=32, threads=16) == 8
    assert workers(large, members=1, batch=32, threads=16) == 1
    assert threads_each(large, members=1, batch=32, threads=16, workers=1) == 16


@given(width=st.integers(1, 10**8), members=SMALL)
def test_an_evaluation_takes_as_many_rows_as_memory_allows(width: int, members: int) -> None:
    rows = evaluated_rows(Work(1.0, width), members=members)
    assert rows >= 1
    assert rows == 1 or rows * members * width <= plan.EVALUATED_NUMBERS
    assert (rows + 1) * members * width > plan.EVALUATED_NUMBERS


def test_kept_pages_may_be_entered_again_and_left_by_an_error() -> None:
    for _ in range(2):
        with kept_pages(), kept_pages():
            assert torch.ones(1 << 16).sum() == 1 << 16
    with pytest.raises(KeyError), kept_pages():
        raise KeyError


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or not sys.platform.startswith("linux"), reason="of glibc alone")
def test_kept_pages_are_kept_inside_and_given_back_outside() -> None:
    """In a process of its own: memory freed inside stays with it (a page is 4 KiB), and leaves with the context."""
    code = """
import ctypes, os
from wellposed.population.plan import kept_pages
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def use():
    pointer = libc.malloc(24 << 20)
    ctypes.memset(pointer, 1, 24 << 20)
    libc.free(pointer)
before = resident()
with kept_pages():
    use()
    inside = resident()
outside = resident()
use()
print(inside - before, outside - before, resident() - before)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    inside, outside, later = map(int, found.stdout.split())
    assert inside > 20 << 20
    assert outside < 8 << 20
    assert later < 8 << 20


def test_elsewhere_kept_pages_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(plan.ctypes, "CDLL", None)
    with kept_pages():
        pass
