"""What is left stands in the old order, as many words as asked for, and never none."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.techniques.batch.vocabulary import TEXTS, batch_of, texts_of, tokens_of

from wellposed.random import make_key
from wellposed.techniques import RandomDeletion
from wellposed.techniques.batch.random_deletion import delete_words

KEYS = make_key(torch.arange(3), step=1, place="deletion")


@given(texts=TEXTS, amount=st.floats(0, 1), seed=st.integers(0, 9999))
@settings(max_examples=30, deadline=None)
def test_a_part_in_the_old_order_is_left(texts: list[list[int]], amount: float, seed: int) -> None:
    found = texts_of(delete_words(tokens_of(texts), amount, key=torch.tensor([seed])))
    for text, other in zip(texts, found, strict=True):
        rest = iter(text)
        assert all(code in rest for code in other)
        assert bool(other) == bool(text)
        assert amount > 0 or other == text
        assert amount < 1 or len(other) == min(1, len(text))


def test_each_word_is_left_out_with_the_probability() -> None:
    """By SciPy's exact test at 1e-6 for each place and member; of nine words one nearly always remains."""
    tokens = tokens_of([list(range(2, 11))] * 5000, members=3)
    rates = torch.tensor([0.1, 0.3, 0.5])
    found = delete_words(tokens, rates, key=KEYS)
    for k in range(3):
        for code in range(2, 11):
            left = int((found[k] == code).any(-1).sum())
            chance = 1 - float(rates[k]) + float(rates[k]) ** 9 / 9  # the one that stays when all would go
            assert stats.binomtest(left, 5000, chance).pvalue > 1e-6


def test_the_one_that_remains_is_any() -> None:
    """By SciPy's chi-squared test at 1e-6 for each member."""
    found = delete_words(tokens_of([[2, 3, 4]] * 6000, members=3), 1.0, key=KEYS)
    for k in range(3):
        assert stats.chisquare(found[k, :, 0].bincount(minlength=5)[2:].numpy()).pvalue > 1e-6


def test_nothing_else_changes() -> None:
    batch = batch_of(tokens_of([[2, 3, 4]], members=3))
    changed = RandomDeletion(amount=0.9).batch(batch, KEYS)
    assert (changed.x is batch.x, changed.y is batch.y) == (True, True)
    assert not torch.equal(changed.codes, batch.codes)
