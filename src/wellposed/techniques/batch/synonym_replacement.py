r"""Synonym replacement: some words of a text become others that mean the same.

Of a text of $l$ tokens, $n = \max(1, \lfloor \alpha l \rfloor)$ words are drawn without replacement from those that
have synonyms among the words known (all, where fewer have), and each becomes one of its synonyms, drawn evenly. Stop
words are never drawn. Each step of training sees other versions; Wei and Zou make some versions of each text once, and
replace all occurrences of a word together.

Good for classes that hang on topics, with few texts (they advise $\alpha = 0.05$ for 500 texts, 0.1 for 5000); bad
where wording is the answer. WordNet's synonyms of a word belong to all of its meanings, so some will not fit.

Source: Wei and Zou, EDA: easy data augmentation techniques, 2019, https://arxiv.org/abs/1901.11196, section 2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.positions import count_share, draw_below
from wellposed.techniques.batch.synonyms import check_source, table_of
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, strength


def replace_words(
    tokens: Int64[Tensor, "K B T"], table: Int64[Tensor, "V S"], amount: Strength, *, key: Key
) -> Int64[Tensor, "K B T"]:
    """Replace this share of each text's tokens by synonyms; `table` is that of `synonyms.synonym_table`. Usable alone.

    `key` holds one number a member.

    >>> table = torch.tensor([[-1], [-1], [3], [2]])
    >>> replace_words(torch.tensor([[[2, 1, 0]]]), table, 0.5, key=torch.tensor([1]))
    tensor([[[3, 1, 0]]])
    """
    synonyms = (table >= 0).sum(-1)[tokens]
    rows, size = tokens.shape[1:]
    score = random.permutation(make_key(key, step=0, place="which"), rows * size).view(tokens.shape)
    rank = torch.where(synonyms > 0, score, rows * size).argsort(dim=-1, stable=True).argsort(dim=-1)
    chosen = (rank < count_share(amount, (tokens != 0).sum(-1)).unsqueeze(-1)) & (synonyms > 0)
    drawn = draw_below(make_key(key, step=0, place="synonym"), synonyms)
    return torch.where(chosen, table[tokens, drawn], tokens)


@dataclass(frozen=True, kw_only=True)
class SynonymReplacement(BatchTechnique):
    """Train on texts of which some words are replaced by synonyms. For texts only.

    Args:
        amount: Share of a text's tokens, at least one; 0 changes nothing.
        synonyms: Path of a file with a group of synonyms a line, or of WordNet's folder `dict`.
    """

    amount: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.5))
    synonyms: str = ""

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_source("SynonymReplacement.synonyms", self.synonyms)

    def batch(self, batch: Batch, key: Key) -> Batch:
        table = table_of(self, self.synonyms, batch)
        return batch._replace(codes=replace_words(batch.codes, table, self.amount, key=key))
