r"""Sentence shuffle: the sentences of a text come in another order.

A sentence ends with a token of signs that holds a period, an exclamation mark, a question mark or an ellipsis (also
that of an abbreviation: a token is all that is known); what is behind the last such token is a sentence, too. (The
order drawn may be the old one: once in $n!$ draws of $n$ sentences.)

Good for topics of longer texts; bad for stories and arguments, and without effect on single sentences and on networks
that do not see order.

Source: Lewis et al., BART: denoising sequence-to-sequence pre-training, 2020, https://arxiv.org/abs/1910.13461, section
2.2 ("sentence permutation").
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import refusal
from wellposed.random import Key, make_key
from wellposed.techniques.batch.kinds import check_kind, words_of
from wellposed.techniques.batch.positions import shuffle_groups
from wellposed.techniques.batch.synonyms import RESERVED
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


@lru_cache(maxsize=16)
def find_ends(words: tuple[str, ...], device: torch.device) -> Bool[Tensor, " V"]:
    """Which words end a sentence.

    >>> find_ends(("", "?", "no", "?!", '."', "3.0"), torch.device("cpu"))
    tensor([False, False, False,  True,  True, False])
    """
    ends = [not any(c.isalnum() for c in word) and any(c in ".!?…" for c in word) for word in words]
    return torch.tensor([False] * RESERVED + ends[RESERVED:], device=device)


def shuffle_sentences(
    tokens: Int64[Tensor, "K B T"], ends: Bool[Tensor, " V"], rate: Strength, *, key: Key
) -> Int64[Tensor, "K B T"]:
    """With probability `rate`, shuffle the sentences of a text; `ends` says which tokens end one. Usable alone.

    `key` holds one number a member.

    >>> ends = torch.tensor([False, False, True, False, False])
    >>> shuffle_sentences(torch.tensor([[[3, 2, 4, 2, 0]]]), ends, 1.0, key=torch.tensor([2]))
    tensor([[[4, 2, 3, 2, 0]]])
    """
    rows, size = tokens.shape[1:]
    end = ends[tokens].to(torch.int64)
    sentence = end.cumsum(-1) - end
    order = shuffle_groups(sentence, (tokens != 0).sum(-1), key=make_key(key, step=0, place="order"))
    moved = random.bernoulli(make_key(key, step=0, place="moved"), (rows,), rate)
    return tokens.gather(-1, torch.where(moved.unsqueeze(-1), order, torch.arange(size, device=tokens.device)))


@dataclass(frozen=True, kw_only=True)
class SentenceShuffle(BatchTechnique):
    """Train on texts whose sentences were shuffled. For texts only.

    Args:
        rate: Share of texts that are shuffled; 0 changes nothing.
    """

    rate: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.0, 1.0))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "texts")
        ends = find_ends(words_of(self, batch), batch.codes.device)
        if not ends.any():
            must = "have a period, an exclamation mark or a question mark among their words"
            raise refusal("The texts of SentenceShuffle", must, "none", "Take it out of the recipe.")
        return batch._replace(codes=shuffle_sentences(batch.codes, ends, self.rate, key=key))
