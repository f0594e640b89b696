r"""Random swap: some words of a text change places.

$n = \max(1, \lfloor \alpha l \rfloor)$ times, two different places of the $l$ are drawn, and their words are exchanged;
a place may be drawn again. Each step of training sees other versions; Wei and Zou make some versions of each text once.

Good for classes that hang on words; bad where their order is the answer. A bag of words does not see it.

Source: Wei and Zou, EDA: easy data augmentation techniques, 2019, https://arxiv.org/abs/1901.11196, section 2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from wellposed.random import Key, make_key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.batch.positions import count_share, draw_below
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def swap_words(tokens: Int64[Tensor, "K B T"], amount: Strength, *, key: Key) -> Int64[Tensor, "K B T"]:
    """Exchange two words of each text, as many times as this share of its tokens. Usable alone.

    `key` holds one number a member.

    >>> swap_words(torch.tensor([[[5, 6, 0]]]), 0.5, key=torch.tensor([1]))
    tensor([[[6, 5, 0]]])
    """
    length = (tokens != 0).sum(-1)
    count = torch.where(length > 1, count_share(amount, length), 0)
    tokens = tokens.clone()
    for i in range(int(count.max())):
        first = draw_below(make_key(key, step=i, place="first"), length)
        other = draw_below(make_key(key, step=i, place="other"), (length - 1).clamp(min=0))
        second = (first + 1 + other) % length.clamp(min=1)
        pair = torch.stack((first, torch.where(i < count, second, first)), dim=-1)
        tokens.scatter_(-1, pair, tokens.gather(-1, pair.flip(-1)))
    return tokens


@dataclass(frozen=True, kw_only=True)
class RandomSwap(BatchTechnique):
    """Train on texts of which some words have changed places. For texts only.

    Args:
        amount: How many swaps, as a share of a text's tokens, at least one; 0 changes nothing.
    """

    amount: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.5))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "texts")
        return batch._replace(codes=swap_words(batch.codes, self.amount, key=key))
