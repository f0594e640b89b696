"""Texts to tokens: an oracle of a few lines, and what a stranger's texts do to it."""

import json
import re
import unicodedata
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.inputs import text
from wellposed.inputs.dataset import Texts
from wellposed.inputs.text import PADDING, UNKNOWN, TextEncoder, clean, frequent_words, tokenized, tokenizer


def texts(*values: object) -> Texts:
    return Texts(np.array([*values, None], dtype=object)[:-1], "said")


def split(written: str) -> list[str]:
    """The slow and obvious version: words, and runs of signs, of the normalized text."""
    return re.findall(r"\w+|[^\w\s]+", unicodedata.normalize("NFKC", written).lower())


SMS = ("Free entry! Text 87121 NOW!!", "ok... see u at 5", "FREE £1.50 text 87121", "u ok?", "", "now now")


def test_words_and_signs_of_the_training_texts_have_codes_by_frequency() -> None:
    encoder = TextEncoder.fit(texts(*SMS))
    counts = Counter(word for message in SMS for word in split(message))
    often = sorted((word for word in counts if counts[word] > 1), key=lambda word: (-counts[word], word))
    assert encoder.words == (PADDING, UNKNOWN, *often)
    assert "87121" in encoder.words and "5" not in encoder.words


def test_codes_stand_in_the_order_of_the_text_with_0_behind_and_1_for_the_unknown() -> None:
    encoder = TextEncoder.fit(texts(*SMS))
    x, codes = encoder.encode(texts(*SMS, "87121 is new"), dtype=torch.float64)
    place = {word: code for code, word in enumerate(encoder.words)}
    assert (x.shape, x.dtype, codes.dtype) == ((7, 0), torch.float64, torch.int64)
    for row, message in zip(codes.tolist(), (*SMS, "87121 is new"), strict=True):
        expected = [place.get(word, 1) for word in split(message)][: encoder.length]
        assert row == expected + [0] * (encoder.length - len(expected))


@settings(max_examples=30)
@given(st.lists(st.text("aAbé_1² .,!?'\t\n£½ﬁ…№🦊", max_size=20), min_size=1, max_size=6))
def test_any_text_has_as_many_codes_as_tokens(values: list[str]) -> None:
    words = (PADDING, UNKNOWN, "a")
    for written, ids in zip(values, tokenized(values, words), strict=True):
        tokens = split(written)
        assert ids == [2 if token == "a" else 1 for token in tokens]


def test_letters_in_other_forms_are_the_same_letters() -> None:
    assert list(tokenized(["ＦＲＥＥ ﬁne", "free FINE"], (PADDING, UNKNOWN, "free", "fine"))) == [[2, 3], [2, 3]]


def test_no_text_can_write_the_two_tokens_that_are_no_words() -> None:
    encoder = TextEncoder.fit(texts("a a", "[padding] [unknown] [padding] [unknown]"))
    codes = encoder.encode(texts("[padding] a"))[1]
    assert codes[0, :4].tolist().count(0) == 0
    assert tokenizer(encoder.words).encode("[padding]").tokens == ["[", "padding", "]"]


def test_halves_of_characters_and_other_types_are_taken() -> None:
    assert clean(texts("\ud800x", 3)) == ["?x", "3"]
    assert TextEncoder.fit(texts("a\ud800 a", "\0 a")).words[2] == "a"


def test_the_most_frequent_words_are_kept_and_equals_go_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frequent_words(["c b a", "a b c d d d e"]) == ("d", "a", "b", "c")
    monkeypatch.setattr(text, "MOST_WORDS", 2)
    assert frequent_words(["c b a", "a b c d d d e"]) == ("d", "a")


def test_long_texts_are_cut_and_that_is_told() -> None:
    many = texts(*["a b"] * 198, "a " * 50, "a " * 90)
    encoder = TextEncoder.fit(many)
    assert encoder.length == 3  # 0.01 of the way from 2 words to 50, rounded up
    assert encoder.notes == ("Texts are cut at 3 words and signs; 2 of the 200 training texts are longer.",)
    assert TextEncoder.fit(texts("b " * 1000)).length == text.LONGEST
    assert TextEncoder.fit(texts("a b", "b a")).notes == ()


def test_texts_are_encoded_in_chunks_and_alone_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TextEncoder.fit(texts(*SMS))
    whole = encoder.encode(texts(*SMS))[1]
    monkeypatch.setattr(text, "CHUNK", 2)
    assert torch.equal(encoder.encode(texts(*SMS))[1], whole)
    assert torch.equal(encoder.encode(texts(SMS[2]))[1], whole[2:3])
    assert encoder.encode(texts())[1].shape == (0, encoder.length)


def test_texts_without_a_word_that_comes_back_are_refused() -> None:
    with pytest.raises(BadInput, match=r"column 'said': the training texts must hold a word that occurs at least 2"):
        TextEncoder.fit(texts("a", "b", ""))


def test_it_survives_json() -> None:
    encoder = TextEncoder.fit(texts(*SMS))
    again = TextEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder
    assert torch.equal(again.encode(texts(*SMS))[1], encoder.encode(texts(*SMS))[1])
