"""As many words become synonyms as Wei and Zou's rule says; which words and which synonyms, evenly."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.techniques.batch.vocabulary import GROUPS, TEXTS, WORDS, batch_of, texts_of, tokens_of

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import SynonymReplacement
from wellposed.techniques.batch.synonym_replacement import replace_words
from wellposed.techniques.batch.synonyms import synonym_table

KEYS = make_key(torch.arange(3), step=1, place="synonyms")
TABLE = synonym_table(WORDS, GROUPS)
SYNONYMS = {code: {s for s in row if s >= 0} for code, row in enumerate(TABLE.tolist())}


@given(texts=TEXTS, percent=st.integers(0, 100), seed=st.integers(0, 9999))
@settings(max_examples=30, deadline=None)
def test_so_many_words_become_synonyms_of_their_own(texts: list[list[int]], percent: int, seed: int) -> None:
    found = texts_of(replace_words(tokens_of(texts), TABLE, percent / 100, key=torch.tensor([seed])))
    for text, other in zip(texts, found, strict=True):
        changed = [(old, new) for old, new in zip(text, other, strict=True) if old != new]
        assert all(new in SYNONYMS[old] for old, new in changed)
        able = sum(bool(SYNONYMS[code]) for code in text)
        asked = max(1, len(text) * percent // 100) if percent else 0
        assert len(changed) == min(able, asked)


def test_places_and_synonyms_are_drawn_evenly() -> None:
    """By SciPy's chi-squared test at 1e-6: one of three words, which has one or two synonyms."""
    texts = tokens_of([[WORDS.index(word) for word in ("big", "ran", "dog", "huge")]] * 12_000, members=3)
    for row, old in zip(replace_words(texts, TABLE, 0.1, key=KEYS), texts, strict=True):
        changed = row != old
        assert (changed.sum(-1) == 1).all()
        assert stats.chisquare(changed.sum(0)[[0, 2, 3]].numpy()).pvalue > 1e-6
        new = row[:, 0][changed[:, 0]]
        counts = torch.stack([(new == WORDS.index(word)).sum() for word in ("large", "huge")])
        assert stats.chisquare(counts.numpy()).pvalue > 1e-6


def test_reads_its_synonyms_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("dog,hound\n", encoding="utf-8")
    batch = batch_of(tokens_of([[6, 3, 7, 8]]))
    changed = SynonymReplacement(amount=1.0, synonyms=str(path)).batch(batch, KEYS[:1])
    assert texts_of(changed.codes) == [[7, 3, 6, 8]]
    assert (changed.x is batch.x, changed.y is batch.y) == (True, True)
    with pytest.raises(BadInput, match="must be a file"):
        SynonymReplacement(synonyms="").batch(batch, KEYS[:1])
