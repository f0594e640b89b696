"""Texts for the tests of their techniques: tokens behind whose last there are zeros."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from wellposed.techniques.places import Batch, Facts

WORDS = ("", "?", "the", "big", "large", "huge", "dog", "hound", "ran", "far", "away", ".", "!")
GROUPS = (("big", "large", "huge"), ("Dog", "hound", "cur"), ("the", "big"), ("small", "tiny"))
SIZE = 9

TEXTS = st.lists(st.lists(st.integers(1, len(WORDS) - 1), max_size=SIZE), min_size=1, max_size=5)
"""Some texts, as lists of codes."""


def tokens_of(texts: list[list[int]], members: int = 1) -> Tensor:
    """`K B T`, the same for each member."""
    padded = [[*text, *[0] * (SIZE - len(text))] for text in texts]
    return torch.tensor(padded).expand(members, len(texts), SIZE).clone()


def batch_of(tokens: Tensor, words: tuple[str, ...] = WORDS) -> Batch:
    """Texts of two classes."""
    y = torch.eye(2)[torch.arange(tokens.shape[1]) % 2].expand(*tokens.shape[:2], 2)
    nothing = torch.zeros(0)
    return Batch(torch.zeros(*tokens.shape[:2], 0), tokens, y, None, Facts(nothing, nothing, words))


def texts_of(tokens: Tensor) -> list[list[int]]:
    """The texts of the first member, without what lies behind them; zeros within are an error."""
    rows = [row[: sum(code != 0 for code in row)] for row in tokens[0].tolist()]
    if any(0 in row for row in rows):
        raise ValueError("padding lies within a text")
    return rows
