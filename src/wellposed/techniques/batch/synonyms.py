"""Synonyms: groups of words that mean the same, from a file, and as a table of the words that a network knows.

A file of synonyms is text in UTF-8: one group a line, its words joined by commas; case does not matter, and empty lines
and lines that begin with `#` say nothing. Instead of a file, the folder `dict` of Princeton's WordNet 3 may be named,
whose sets of synonyms (files `data.noun` and so on, format: its manual page wndb(5WN)) are the groups; terms of several
words are left out there.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.techniques.batch.kinds import check_kind, words_of
from wellposed.techniques.places import Batch
from wellposed.techniques.technique import Technique

Groups: TypeAlias = tuple[tuple[str, ...], ...]

WORDNET_FILES = ("data.noun", "data.verb", "data.adj", "data.adv")
RESERVED = 2
"""The first codes of a vocabulary are no words: padding and unknown."""


def read_synonyms(path: str) -> Groups:
    """The groups in a file of synonyms or in WordNet's folder, in lower case.

    Raises:
        BadInput: There is neither, it cannot be read as text, or no group in it has two words.
    """
    place, must = Path(path), "be a file with a group of synonyms a line, or WordNet's folder 'dict'"
    if not path:
        raise refusal("The source of synonyms", must, path, "Name one in the technique's field 'synonyms'.")
    try:
        if place.is_dir():
            lines = (line for name in WORDNET_FILES for line in (place / name).read_text(encoding="utf-8").splitlines())
            groups = tuple(_wordnet_groups(lines))
        else:
            groups = tuple(_line_groups(place.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, IndexError) as error:  # ValueError is also text that is not UTF-8
        raise refusal("The source of synonyms", must, path, f"Cause: {error}.") from None
    if not groups:
        raise refusal("The source of synonyms", must, path, "No line of it has two words or more.")
    return groups


def _line_groups(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.splitlines():
        words = dict.fromkeys(word.strip().lower() for word in line.split(",") if word.strip())
        if len(words) > 1 and not line.startswith("#"):
            yield tuple(words)


def _wordnet_groups(lines: Iterator[str]) -> Iterator[tuple[str, ...]]:
    for line in lines:
        if line.startswith("  "):  # the license
            continue
        fields = line.split(" ")
        terms = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        words = dict.fromkeys(term.split("(")[0].lower() for term in terms if "_" not in term)
        if len(words) > 1:
            yield tuple(words)


def synonym_table(words: tuple[str, ...], groups: Groups) -> Int64[Tensor, "V S"]:
    """The codes of each word's synonyms among `words`, with -1 behind the last; stop words have none.

    Stop words are scikit-learn's for English; the first two codes are padding and unknown, and have none, either.

    >>> synonym_table(("", "?", "dog", "hound", "the"), (("Dog", "hound", "cur"), ("the", "dog"))).tolist()
    [[-1], [-1], [3], [2], [-1]]
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # takes seconds to import, and few recipes need it

    codes: dict[str, list[int]] = {}
    for code, word in enumerate(words):
        if code >= RESERVED and word.lower() not in ENGLISH_STOP_WORDS:
            codes.setdefault(word.lower(), []).append(code)
    found: list[dict[int, None]] = [{} for _ in words]  # keeps the order and drops what comes again
    for group in groups:
        known = [codes[word] for word in dict.fromkeys(word.lower() for word in group) if word in codes]
        for own in known:
            for code in own:
                found[code].update((synonym, None) for other in known if other is not own for synonym in other)
    table = torch.full((len(words), max((len(row) for row in found), default=0) or 1), -1, dtype=torch.int64)
    for row, synonyms in zip(table, found, strict=True):
        row[: len(synonyms)] = torch.tensor(list(synonyms), dtype=torch.int64)
    return table


def check_source(what: str, got: object) -> None:
    """Refuse what cannot be the path of a source of synonyms."""
    if not isinstance(got, str):
        raise refusal(what, "be the path of a file or folder", got)


def table_of(technique: Technique, path: str, batch: Batch) -> Int64[Tensor, "V S"]:
    """The synonyms of the words of a batch of texts, for a technique that was given their source.

    Raises:
        BadInput: The batch is of another kind, or `table_for` finds no synonyms.
    """
    check_kind(technique, batch, "texts")
    return table_for(path, words_of(technique, batch), batch.codes.device)


def table_for(path: str, words: tuple[str, ...], device: torch.device) -> Int64[Tensor, "V S"]:
    """The table of a source of synonyms, read again when its file has changed.

    Raises:
        BadInput: The source cannot be read, or no two of the words are synonyms.
    """
    try:
        seen = Path(path).stat()
    except (OSError, ValueError):
        seen = None
    return _table(path, words, device, None if seen is None else (seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=16)
def _table(
    path: str, words: tuple[str, ...], device: torch.device, version: tuple[int, int] | None
) -> Int64[Tensor, "V S"]:
    table = synonym_table(words, read_synonyms(path))
    if (table < 0).all():
        raise BadInput(
            f"The synonyms in {path!r} must hold two words of a group that the training texts hold. Got none."
        )
    return table.to(device)
