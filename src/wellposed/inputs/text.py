"""Texts as tokens: words and punctuation in lower case, by a vocabulary fitted to the training texts alone.

Unicode is brought to one form (NFKC) before, so that full-width letters and ligatures are the letters they stand for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase
from tokenizers.normalizers import Sequence as Both
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.trainers import WordLevelTrainer
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Texts

PADDING, UNKNOWN = "[padding]", "[unknown]"  # no text has these tokens: brackets are tokens of their own
MOST_WORDS = 20_000
FEWEST_OCCURRENCES = 2
LONGEST = 256
SHARE_WHOLE = 0.99
"""Of the training texts, which are not cut, unless they are longer than `LONGEST`."""
CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """How texts are encoded: a code for each token.

    Attributes:
        column: Name of the column of texts.
        words: The token of each code: padding, unknown, and the words of the training texts, frequent ones first.
        length: Tokens that are kept of a text, from its beginning.
        notes: What was told and carried on with.

    >>> encoder = TextEncoder.fit(Texts(np.array(["Go, go!", "Stop, now"], dtype=object), "order"))
    >>> encoder.words, encoder.encode(Texts(np.array(["GO! go on"], dtype=object), "order"))[1].tolist()
    (('[padding]', '[unknown]', ',', 'go'), [[3, 1, 3, 1]])
    """

    column: str
    words: tuple[str, ...]
    length: int
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, features: Texts, *, where: str = "The texts") -> "TextEncoder":
        """Learn the words and the length from training texts.

        Args:
            features: The texts.
            where: What a message calls them.
        """
        texts = clean(features)
        words = frequent_words(texts)
        if not words:
            must = f"hold a word that occurs at least {FEWEST_OCCURRENCES} times"
            raise BadInput(f"{where}, column {features.column!r}: the training texts must {must}. Got none.")
        known = (PADDING, UNKNOWN, *words)
        counts = np.array([len(ids) for ids in tokenized(texts, known)])
        length = int(min(max(np.ceil(np.quantile(counts, SHARE_WHOLE)), 1), LONGEST))
        n_longer = int((counts > length).sum())
        cut = f"{n_longer} of the {len(texts)} training texts are longer"
        notes = (f"Texts are cut at {length} words and signs; {cut}.",) if n_longer else ()
        return cls(column=features.column, words=known, length=length, notes=notes)

    def encode(
        self, features: Texts, *, dtype: torch.dtype = torch.float32, where: str = "The texts"
    ) -> tuple[Float[Tensor, "N 0"], Int64[Tensor, "N T"]]:
        """No numbers, and the codes of the tokens: 0 behind the last, 1 for words not known.

        Args:
            features: The texts.
            dtype: Type of the numbers, of which there are none.
            where: What a message calls the texts; none is refused.
        """
        codes = np.zeros((len(features), self.length), dtype=np.int64)
        for row, ids in zip(codes, tokenized(clean(features), self.words), strict=True):
            row[: len(ids)] = ids[: self.length]
        return torch.empty(len(features), 0, dtype=dtype), torch.from_numpy(codes)

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        return {"column": self.column, "words": list(self.words), "length": self.length, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "TextEncoder":
        """The value that `to_json` wrote."""
        return cls(
            column=plain["column"], words=tuple(plain["words"]), length=plain["length"], notes=tuple(plain["notes"])
        )


def clean(features: Texts) -> list[str]:
    """The texts, without halves of characters, which no tokenizer takes."""
    return [str(text).encode(errors="replace").decode() for text in features.values.tolist()]


def tokenizer(words: tuple[str, ...]) -> Tokenizer:
    """The rule from texts to codes: words, and runs of signs, by their place among `words`.

    >>> tokenizer((PADDING, UNKNOWN, "don", "'", "t")).encode("DON'T stop").ids
    [2, 3, 4, 1]
    """
    rule = Tokenizer(WordLevel({word: code for code, word in enumerate(words)}, unk_token=UNKNOWN))
    rule.normalizer = Both([NFKC(), Lowercase()])
    rule.pre_tokenizer = Whitespace()
    return rule


def frequent_words(texts: list[str]) -> tuple[str, ...]:
    """The words that occur often enough, at most `MOST_WORDS`; the most frequent first, equals by letter."""
    rule = tokenizer((PADDING, UNKNOWN))
    trainer = WordLevelTrainer(
        vocab_size=MOST_WORDS, min_frequency=FEWEST_OCCURRENCES, special_tokens=[], show_progress=False
    )
    rule.train_from_iterator(texts, trainer)
    codes = rule.get_vocab()
    return tuple(sorted(codes, key=codes.__getitem__))


def tokenized(texts: list[str], words: tuple[str, ...]) -> Iterator[list[int]]:
    """The codes of each text's tokens."""
    rule = tokenizer(words)
    for start in range(0, len(texts), CHUNK):
        for encoding in rule.encode_batch_fast(texts[start : start + CHUNK], add_special_tokens=False):
            yield encoding.ids
