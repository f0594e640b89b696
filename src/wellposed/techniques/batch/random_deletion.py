r"""Random deletion: some words of a text are left out.

Each of the tokens is left out with probability $\alpha$; where none would remain, one of them, drawn evenly, does.
Those behind close up. Each step of training sees other versions; Wei and Zou make some versions of each text once.

Good for classes that many words tell; bad where one word decides, such as a negation.

Source: Wei and Zou, EDA: easy data augmentation techniques, 2019, https://arxiv.org/abs/1901.11196, section 2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.batch.positions import draw_below
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def delete_words(tokens: Int64[Tensor, "K B T"], amount: Strength, *, key: Key) -> Int64[Tensor, "K B T"]:
    """Leave out each word with probability `amount`, but one. Usable alone.

    `key` holds one number a member.

    >>> delete_words(torch.tensor([[[5, 5, 0]]]), 1.0, key=torch.tensor([1]))
    tensor([[[5, 0, 0]]])
    """
    real, size = tokens != 0, tokens.shape[-1]
    kept = real & ~random.bernoulli(make_key(key, step=0, place="deleted"), tokens.shape[1:], amount)
    last = draw_below(make_key(key, step=0, place="last"), real.sum(-1))
    only = torch.arange(size, device=tokens.device) == last.unsqueeze(-1)
    kept = torch.where(kept.any(-1, keepdim=True), kept, real & only)
    order = (~kept).to(torch.int8).argsort(dim=-1, stable=True)
    return torch.where(kept, tokens, 0).gather(-1, order)


@dataclass(frozen=True, kw_only=True)
class RandomDeletion(BatchTechnique):
    """Train on texts of which some words are missing. For texts only.

    Args:
        amount: Of each word, the probability to be left out; 0 changes nothing, 1 leaves one word.
    """

    amount: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.5))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "texts")
        return batch._replace(codes=delete_words(batch.codes, self.amount, key=key))
