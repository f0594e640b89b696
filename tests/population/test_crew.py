"""Workers: results in order, errors after all have ended, the caller's threads as they were."""

import threading
import time

import pytest
import torch
from torch import nn

from wellposed.nets.stacking import Forward
from wellposed.population.crew import Crew

TEMPLATE = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def test_results_come_in_order_whoever_is_first() -> None:
    def work(forward: Forward, i: int) -> int:
        time.sleep(0.02 * (3 - i))
        return i

    with Crew(TEMPLATE, 3) as crew:
        assert crew.run(work, shares=3, threads=1, mode="train") == [0, 1, 2]
        assert crew.run(work, shares=1, threads=1, mode="train") == [0]


def test_shares_run_side_by_side() -> None:
    """Each waits for the other: one after the other they would never end."""
    barrier = threading.Barrier(2, timeout=10)
    with Crew(TEMPLATE, 2) as crew:
        assert len(set(crew.run(lambda forward, i: barrier.wait(), shares=2, threads=1, mode="train"))) == 2


def test_an_error_is_raised_after_all_have_ended() -> None:
    ended = []

    def work(forward: Forward, i: int) -> None:
        if i == 0:
            raise KeyError("first")
        time.sleep(0.1)
        ended.append(i)

    with Crew(TEMPLATE, 3) as crew:
        with pytest.raises(KeyError, match="first"):
            crew.run(work, shares=3, threads=1, mode="train")
        assert sorted(ended) == [1, 2]
        assert crew.run(lambda forward, i: i, shares=3, threads=1, mode="train") == [0, 1, 2]


def test_threads_are_the_workers_own() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with Crew(TEMPLATE, 2) as crew:
            found = crew.run(lambda forward, i: torch.get_num_threads(), shares=2, threads=1, mode="answer")
            assert found == [1, 1]
            assert torch.get_num_threads() == 2
            with pytest.raises(ZeroDivisionError):
                crew.run(lambda forward, i: 1 // 0, shares=1, threads=1, mode="answer")
        assert torch.get_num_threads() == 2
        heard: list[int] = []
        thread = threading.Thread(target=lambda: heard.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert heard == [2]
    finally:
        torch.set_num_threads(before)


def test_each_worker_has_the_network_in_both_modes_and_the_template_keeps_its_own() -> None:
    template = nn.Sequential(nn.Dropout(1.0)).train()
    ones = torch.ones(1, 2, 3)
    with Crew(template, 2) as crew:
        trained = crew.run(lambda forward, i: forward({}, ones), shares=2, threads=1, mode="train")
        answered = crew.run(lambda forward, i: forward({}, ones), shares=2, threads=1, mode="answer")
        forwards = crew.run(lambda forward, i: forward, shares=2, threads=1, mode="train")
    assert all(torch.equal(x, torch.zeros(1, 2, 3)) for x in trained)
    assert all(torch.equal(x, ones) for x in answered)
    assert forwards[0] is not forwards[1]
    assert template.training
    assert template[0].training
