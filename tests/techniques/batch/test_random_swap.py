"""A swap exchanges two words and keeps the rest; pairs are drawn evenly; the number of swaps has the right parity."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.techniques.batch.vocabulary import TEXTS, batch_of, texts_of, tokens_of

from wellposed.random import make_key
from wellposed.techniques import RandomSwap
from wellposed.techniques.batch.random_swap import swap_words

KEYS = make_key(torch.arange(3), step=1, place="swap")


@given(texts=TEXTS, percent=st.integers(0, 100), seed=st.integers(0, 9999))
@settings(max_examples=30, deadline=None)
def test_words_stay_and_few_move(texts: list[list[int]], percent: int, seed: int) -> None:
    found = texts_of(swap_words(tokens_of(texts), percent / 100, key=torch.tensor([seed])))
    for text, other in zip(texts, found, strict=True):
        assert sorted(other) == sorted(text)
        swaps = max(1, len(text) * percent // 100) if percent else 0
        assert sum(old != new for old, new in zip(text, other, strict=True)) <= 2 * swaps


def test_one_swap_takes_each_pair_evenly() -> None:
    """By SciPy's chi-squared test at 1e-6 for each member; six pairs, and never a word with itself."""
    tokens = tokens_of([[2, 3, 4, 5]] * 6000, members=3)
    for row, old in zip(swap_words(tokens, 0.1, key=KEYS), tokens, strict=True):
        pairs, counts = (row != old).unique(dim=0, return_counts=True)
        assert (len(pairs), pairs.sum(-1).unique().tolist()) == (6, [2])
        assert stats.chisquare(counts.numpy()).pvalue > 1e-6


def test_an_odd_number_of_swaps_is_an_odd_permutation() -> None:
    """So the number of swaps has the parity that the rule says: of eight words, 1 to 8 swaps."""
    tokens = tokens_of([list(range(2, 10))] * 20)
    for n in range(1, 9):
        for row in texts_of(swap_words(tokens, n / 8, key=KEYS[:1])):
            inversions = sum(row[j] < row[i] for i in range(8) for j in range(i + 1, 8))
            assert inversions % 2 == n % 2


def test_nothing_else_changes_and_what_was_given_stays() -> None:
    batch = batch_of(tokens_of([[2, 3, 4], [5]], members=3))
    before = batch.codes.clone()
    changed = RandomSwap(amount=0.9).batch(batch, KEYS)
    assert torch.equal(batch.codes, before)
    assert not torch.equal(changed.codes[:, 0], before[:, 0]) and torch.equal(changed.codes[:, 1], before[:, 1])
    assert (changed.x is batch.x, changed.y is batch.y) == (True, True)
