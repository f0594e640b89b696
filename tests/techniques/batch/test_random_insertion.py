"""So many synonyms of a text's words are put in, anywhere; without them it is the text."""

from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.techniques.batch.vocabulary import GROUPS, SIZE, TEXTS, WORDS, batch_of, texts_of, tokens_of

from wellposed.random import make_key
from wellposed.techniques import RandomInsertion
from wellposed.techniques.batch.random_insertion import insert_words
from wellposed.techniques.batch.synonyms import synonym_table

KEYS = make_key(torch.arange(3), step=1, place="insertion")
TABLE = synonym_table(WORDS, GROUPS)
SYNONYMS = {code: {s for s in row if s >= 0} for code, row in enumerate(TABLE.tolist())}


def is_within(text: list[int], other: list[int]) -> bool:
    """Whether a text's words stand in the other in their order."""
    rest = iter(other)
    return all(code in rest for code in text)


@given(texts=TEXTS, percent=st.integers(0, 100), seed=st.integers(0, 9999))
@settings(max_examples=30, deadline=None)
def test_so_many_synonyms_come_to_the_text(texts: list[list[int]], percent: int, seed: int) -> None:
    """In a tensor with room for all, and cut where there is none."""
    tokens, key = tokens_of(texts), torch.tensor([seed])
    wide = torch.cat([tokens, torch.zeros_like(tokens)], dim=-1)
    found = texts_of(insert_words(wide, TABLE, percent / 100, key=key))
    for text, other in zip(texts, found, strict=True):
        able = {s for code in text for s in SYNONYMS[code]}
        asked = max(1, len(text) * percent // 100) if percent and able else 0
        assert len(other) == len(text) + asked
        assert is_within(text, other)
        added = sorted(other)
        for code in text:
            added.remove(code)
        assert set(added) <= able
    assert texts_of(insert_words(tokens, TABLE, percent / 100, key=key)) == [other[:SIZE] for other in found]


def test_gaps_words_and_synonyms_are_drawn_evenly() -> None:
    """By SciPy's chi-squared test at 1e-6: four gaps; two words, of which one has two synonyms."""
    text = [WORDS.index(word) for word in ("big", "ran", "dog")]
    tokens = tokens_of([text] * 12_000, members=3)
    for row in insert_words(tokens, TABLE, 0.1, key=KEYS):
        new = torch.stack([row == WORDS.index(word) for word in ("large", "huge", "hound")])
        assert (new.sum((0, -1)) == 1).all()
        assert stats.chisquare(new.any(0).sum(0)[:4].numpy()).pvalue > 1e-6
        assert stats.chisquare(new.sum((1, 2)).numpy(), [3000, 3000, 6000]).pvalue > 1e-6


def test_several_insertions_go_their_own_ways() -> None:
    tokens = tokens_of([[WORDS.index("big")] * 4] * 200, members=1)
    found = insert_words(tokens, TABLE, 0.5, key=KEYS[:1])[0]
    assert len(found.unique(dim=0)) > 30


def test_reads_its_synonyms_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("dog,hound\n", encoding="utf-8")
    changed = RandomInsertion(amount=0.5, synonyms=str(path)).batch(batch_of(tokens_of([[6, 8], [8, 9]])), KEYS[:1])
    assert [sorted(text) for text in texts_of(changed.codes)] == [[6, 7, 8], [8, 9]]
