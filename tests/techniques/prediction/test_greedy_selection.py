"""Against the procedure as the paper tells it, with scikit-learn's losses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, mean_squared_error

from wellposed.techniques import GreedySelection
from wellposed.techniques.prediction.greedy_selection import select_greedily


def chosen_by_hand(outputs: np.ndarray, y: np.ndarray, steps: int) -> list[float]:
    """Add one model at a time, measure the mean of all chosen so far; the best of all these ensembles."""
    k, _, c = outputs.shape

    def loss(bag: list[int]) -> float:
        mean = outputs[bag].mean(axis=0)
        return float(mean_squared_error(y, mean) if c == 1 else log_loss(y, mean, labels=np.arange(c)))

    bag: list[int] = []
    best, lowest = bag, math.inf
    for _ in range(steps):
        bag = [*bag, min(range(k), key=lambda i: loss([*bag, i]))]
        if loss(bag) < lowest - 1e-12:
            best, lowest = bag, loss(bag)
    return [best.count(i) / len(best) for i in range(k)]


@given(st.integers(1, 5), st.integers(1, 6), st.integers(2, 4), st.integers(1, 8), st.integers(0, 1000))
def test_classes_are_selected_as_in_the_paper(k: int, n: int, c: int, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p = (2 * torch.randn(k, n, c, generator=generator, dtype=torch.float64)).softmax(-1)
    y = torch.randint(0, c, (n,), generator=generator)
    found = select_greedily(p, y, steps=steps)
    assert found.tolist() == pytest.approx(chosen_by_hand(p.numpy(), y.numpy(), steps))


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 8), st.integers(0, 1000))
def test_numbers_are_selected_as_in_the_paper(k: int, n: int, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs, y = (torch.randn(*shape, 1, generator=generator, dtype=torch.float64) for shape in ((k, n), (n,)))
    found = select_greedily(outputs, y, steps=steps)
    assert found.tolist() == pytest.approx(chosen_by_hand(outputs.numpy(), y.numpy(), steps))


def test_the_ensemble_is_no_worse_than_its_best_member_where_it_was_chosen() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(6, 40, 3, generator=generator, dtype=torch.float64).softmax(-1)
    y = torch.arange(40) % 3
    rule = GreedySelection(steps=20)
    fitted = rule.fit(p, y)
    together = -rule.predict(p, fitted)[torch.arange(40), y].log().mean()
    assert together <= -p[:, torch.arange(40), y].log().mean(1).amin()
    torch.testing.assert_close(rule.predict(p, fitted).sum(-1), torch.ones(40, dtype=torch.float64))


def test_a_member_of_nan_is_left_out_and_not_heard() -> None:
    p = torch.tensor([[[0.9, 0.1]], [[torch.nan, torch.nan]], [[0.4, 0.6]]])
    rule = GreedySelection(steps=3)
    fitted = rule.fit(p, torch.tensor([0]))
    assert fitted["share"].tolist() == [1.0, 0.0, 0.0]
    assert torch.equal(rule.predict(p, fitted), p[0])


def test_without_rows_all_share_alike() -> None:
    rule = GreedySelection()
    fitted = rule.fit(torch.zeros(4, 0, 3), torch.zeros(0, dtype=torch.int64))
    assert fitted["share"].tolist() == [0.25] * 4
    assert fitted["share"].dtype == torch.float32
