r"""Random insertion: synonyms of some words of a text are put in anywhere.

$n = \max(1, \lfloor \alpha l \rfloor)$ times, a word is drawn from those of the text that have synonyms among the words
known (the same word may come again), and one of its synonyms, drawn evenly, is put into one of the $l + 1$ gaps, ends
included. A text without such words stays. Stop words are never drawn. What no longer fits into `T` tokens is cut off at
the end. Each step of training sees other versions; Wei and Zou make some versions of each text once.

Good for classes that hang on topics, with few texts; bad where grammar is the answer.

Source: Wei and Zou, EDA: easy data augmentation techniques, 2019, https://arxiv.org/abs/1901.11196, section 2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from wellposed.random import Key, make_key
from wellposed.techniques.batch.positions import count_share, draw_below
from wellposed.techniques.batch.synonyms import check_source, table_of
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, strength


def insert_words(
    tokens: Int64[Tensor, "K B T"], table: Int64[Tensor, "V S"], amount: Strength, *, key: Key
) -> Int64[Tensor, "K B T"]:
    """Put synonyms of a text's words into it, as many as this share of its tokens; `table` as in `synonym_table`.

    Usable alone. `key` holds one number a member.

    >>> table = torch.tensor([[-1], [-1], [3], [2]])
    >>> insert_words(torch.tensor([[[2, 0, 0]]]), table, 0.5, key=torch.tensor([1])).sort()[0]
    tensor([[[0, 2, 3]]])
    """
    members, rows, size = tokens.shape
    length, synonyms = (tokens != 0).sum(-1), (table >= 0).sum(-1)[tokens]
    candidates = (synonyms > 0).cumsum(-1)
    count = torch.where(candidates[..., -1] > 0, count_share(amount, length), 0)
    most = torch.arange(int(count.max()), device=tokens.device)  # each has keys of its own, however many there are
    each = {place: make_key(key, step=most.unsqueeze(-1), place=place) for place in ("word", "synonym", "gap")}

    which = draw_below(each["word"], candidates[..., -1].expand(len(most), members, rows)).movedim(0, -1).contiguous()
    at = torch.searchsorted(candidates.contiguous(), which + 1).clamp(max=size - 1)
    limits = synonyms.gather(-1, at).movedim(-1, 0).contiguous()
    drawn = draw_below(each["synonym"], limits).movedim(0, -1)
    inserted = table[tokens.gather(-1, at), drawn]
    gap = draw_below(each["gap"], (length + 1).expand(len(most), members, rows)).movedim(0, -1)

    place = torch.arange(size, device=tokens.device)
    before = torch.where(most < count.unsqueeze(-1), 2 * gap, 2 * size + 2)  # a word's own place is odd, a gap is even
    order = torch.cat((before, (2 * place + 1).expand(members, rows, size)), dim=-1).argsort(dim=-1, stable=True)
    return torch.cat((inserted, tokens), dim=-1).gather(-1, order[..., :size])


@dataclass(frozen=True, kw_only=True)
class RandomInsertion(BatchTechnique):
    """Train on texts with further words, synonyms of their own. For texts only.

    Args:
        amount: How many, as a share of a text's tokens, at least one; 0 changes nothing.
        synonyms: Path of a file with a group of synonyms a line, or of WordNet's folder `dict`.
    """

    amount: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.5))
    synonyms: str = ""

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_source("RandomInsertion.synonyms", self.synonyms)

    def batch(self, batch: Batch, key: Key) -> Batch:
        table = table_of(self, self.synonyms, batch)
        return batch._replace(codes=insert_words(batch.codes, table, self.amount, key=key))
