"""Sentences stay whole, and all orders are equally likely."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.techniques.batch.vocabulary import TEXTS, WORDS, batch_of, texts_of, tokens_of

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import SentenceShuffle
from wellposed.techniques.batch.sentence_shuffle import find_ends, shuffle_sentences

KEYS = make_key(torch.arange(3), step=1, place="sentences")
ENDS = find_ends(WORDS, torch.device("cpu"))
PERIOD, BANG = WORDS.index("."), WORDS.index("!")


def sentences(text: list[int]) -> list[tuple[int, ...]]:
    """The sentences of a text, by hand."""
    found: list[tuple[int, ...]] = [()]
    for code in text:
        found[-1] = (*found[-1], code)
        if code in (PERIOD, BANG):
            found.append(())
    return [sentence for sentence in found if sentence]


def test_the_unknown_word_ends_no_sentence() -> None:
    """Though it is written with a question mark here."""
    assert [WORDS[code] for code in ENDS.nonzero().flatten().tolist()] == [".", "!"]


def is_joined_of(parts: Counter[tuple[int, ...]], text: tuple[int, ...]) -> bool:
    """Whether a text is made of these sentences, each as often as counted, in any order."""
    if not parts:
        return not text
    return any(text[: len(part)] == part and is_joined_of(parts - Counter([part]), text[len(part) :]) for part in parts)


@given(texts=TEXTS, seed=st.integers(0, 9999))
@settings(max_examples=30, deadline=None)
def test_sentences_stay_whole(texts: list[list[int]], seed: int) -> None:
    found = texts_of(shuffle_sentences(tokens_of(texts), ENDS, 1.0, key=torch.tensor([seed])))
    for text, other in zip(texts, found, strict=True):
        assert is_joined_of(Counter(sentences(text)), tuple(other))


def test_orders_are_equally_likely_and_the_rate_says_how_often() -> None:
    """By SciPy's chi-squared and exact tests at 1e-6."""
    text = [2, PERIOD, 3, 4, BANG, 5]
    tokens = tokens_of([text] * 12_000)
    orders, counts = shuffle_sentences(tokens, ENDS, 1.0, key=KEYS[:1])[0].unique(dim=0, return_counts=True)
    assert len(orders) == 6
    assert stats.chisquare(counts.numpy()).pvalue > 1e-6
    some = shuffle_sentences(tokens, ENDS, 0.3, key=KEYS[:1])
    changed = (some != tokens).any(-1)
    assert stats.binomtest(int(changed.sum()), 12_000, 0.3 * 5 / 6).pvalue > 1e-6


def test_texts_without_ends_are_refused() -> None:
    batch = batch_of(tokens_of([[2, 3]]), words=("", "?", "big", "dog"))
    with pytest.raises(BadInput, match="The texts of SentenceShuffle must have a period"):
        SentenceShuffle().batch(batch, KEYS[:1])


def test_nothing_else_changes() -> None:
    batch = batch_of(tokens_of([[2, PERIOD, 3, 4, BANG, 5]] * 9, members=3))
    changed = SentenceShuffle(rate=1.0).batch(batch, KEYS)
    assert (changed.x is batch.x, changed.y is batch.y) == (True, True)
    assert not torch.equal(changed.codes, batch.codes)
