"""Whole numbers are uniform, shares rounded as exact fractions are, groups stay together."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wellposed.random import make_key
from wellposed.techniques.batch.positions import count_share, draw_below, is_real, shuffle_groups, take_rows

KEYS = make_key(torch.arange(3), step=1, place="positions")


def test_rows_are_taken_within_each_member() -> None:
    tensor = torch.arange(12).view(2, 3, 2)
    assert take_rows(tensor, torch.tensor([[2, 0, 0], [1, 1, 2]]))[..., 0].tolist() == [[4, 0, 0], [8, 8, 10]]


def test_draws_are_uniform_below_their_limit() -> None:
    """By SciPy's chi-squared test at 1e-6 for each of nine: one false alarm in 1e5."""
    limits = torch.tensor([1, 2, 7]).repeat(20_000).expand(3, -1)
    drawn = draw_below(KEYS, limits)
    for k in range(3):
        for limit in (1, 2, 7):
            counts = drawn[k][limits[k] == limit].bincount()
            assert len(counts) == limit
            assert limit == 1 or stats.chisquare(counts.numpy()).pvalue > 1e-6


def test_a_limit_of_zero_gives_zero() -> None:
    assert not draw_below(KEYS, torch.zeros(3, 4, dtype=torch.int64)).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_shares_are_rounded_down_as_exact_fractions_are(dtype: torch.dtype) -> None:
    """max(1, int(share * length)) in exact fractions: every hundredth of every length up to 200."""
    length = torch.arange(201).expand(101, 201)
    percent = torch.arange(101)
    expected = [[0 if p * n == 0 else max(1, int(Fraction(p, 100) * n)) for n in range(201)] for p in range(101)]
    assert count_share((percent / 100).to(dtype), length).tolist() == expected
    assert [count_share(p / 100, length[p : p + 1])[0].tolist() for p in range(101)] == expected


def test_positions_before_the_length_are_real() -> None:
    assert is_real(torch.tensor([[0, 2, 3]]), 3).tolist() == [[[False] * 3, [True, True, False], [True] * 3]]


@given(st.lists(st.integers(1, 4), max_size=5), st.integers(0, 3), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_groups_stay_together_and_padding_behind(sizes: list[int], padding: int, seed: int) -> None:
    length = sum(sizes)
    groups = [i for i, size in enumerate(sizes) for _ in range(size)]
    group = torch.tensor([*groups, *[0] * padding], dtype=torch.int64).view(1, 1, -1)
    order = shuffle_groups(group, torch.tensor([[length]]), key=torch.tensor([seed]))[0, 0].tolist()
    assert order[length:] == list(range(length, length + padding))
    found = [groups[i] for i in order[:length]]
    runs = [g for i, g in enumerate(found) if i == 0 or found[i - 1] != g]
    assert sorted(runs) == list(range(len(sizes)))
    assert all(
        [i for i in order[:length] if groups[i] == g] == [i for i in range(length) if groups[i] == g] for g in runs
    )


def test_all_orders_are_equally_likely() -> None:
    """Of three groups: SciPy's chi-squared test at 1e-6."""
    group = torch.tensor([0, 1, 2]).expand(1, 30_000, 3)
    order = shuffle_groups(group, torch.full((1, 30_000), 3), key=KEYS[:1])[0]
    counts = (order * torch.tensor([9, 3, 1])).sum(-1).unique(return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts.numpy()).pvalue > 1e-6
