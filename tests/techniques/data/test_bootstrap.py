"""Rows with replacement: how many, from where, and how often."""

import torch

from wellposed.random import make_key
from wellposed.techniques import Bootstrap
from wellposed.techniques.data.bootstrap import draw_rows

KEYS = make_key(torch.arange(50), step=0, place="rows")


def test_number_and_range() -> None:
    assert Bootstrap(share=0.3).rows(10, KEYS).shape == (50, 3)
    assert Bootstrap(share=0.001).rows(10, KEYS).shape == (50, 1)
    rows = Bootstrap().rows(10, KEYS)
    assert rows.shape == (50, 10)
    assert set(rows.flatten().tolist()) == set(range(10))


def test_members_own_different_rows_and_each_always_the_same() -> None:
    rows = Bootstrap().rows(100, KEYS)
    assert len({tuple(r) for r in rows.tolist()}) == 50
    assert torch.equal(Bootstrap().rows(100, KEYS[7:8])[0], rows[7])
    assert torch.equal(draw_rows(100, key=KEYS[7]), rows[7])


def test_share_of_distinct_rows_is_that_of_draws_with_replacement() -> None:
    """1 - (1 - 1/n)^n; a member's share has deviation sqrt(0.0972/n), so 6 of the mean's: one false alarm in 5e8."""
    n = 1000
    shares = torch.tensor([len(set(rows)) / n for rows in Bootstrap().rows(n, KEYS).tolist()])
    expected = 1 - (1 - 1 / n) ** n
    assert abs(float(shares.mean()) - expected) < 6 * (0.0972 / n / len(KEYS)) ** 0.5
