r"""RandAugment: each image goes through a few operations drawn at random, all of one magnitude.

Of the 14 operations of `spaces` (standard), $n$ are drawn with replacement for each image; magnitude $m$ of 30 is the
level $m / 30$ of each operation's range. Two numbers instead of a learned policy: good as a first strong augmentation
of photographs; bad where color or place is the answer, and where few steps are trained.

Source: Cubuk et al., RandAugment: practical automated data augmentation with a reduced search space, 2020,
https://arxiv.org/abs/1909.13719, section 3.
"""

from dataclasses import dataclass

import torch

from wellposed import random
from wellposed.checks import check_count
from wellposed.random import Key, make_key
from wellposed.techniques.batch.images import check_images, chosen, wide
from wellposed.techniques.batch.spaces import STANDARD, augment
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, spread, strength


@dataclass(frozen=True, kw_only=True)
class RandAugment(BatchTechnique):
    """Change each image by operations of its own, at one magnitude. Needs Kornia.

    Args:
        magnitude: Of all operations, from 0 to 30, in between as well.
        probability: That an image is changed at all: 1 in the paper, 0 changes nothing.
        operations: How many follow each other.
    """

    magnitude: Strength = strength(9.0, valid=(0.0, 30.0), search=(0.0, 20.0))
    probability: Strength = strength(1.0, valid=(0.0, 1.0), search=(0.0, 1.0))
    operations: int = 2

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("RandAugment.operations", self.operations)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("RandAugment", batch)
        members, rows = batch.x.shape[:2]
        drawn = random.choice(make_key(key, step=0, place="operation"), len(STANDARD), rows * self.operations)
        choice = drawn.view(members, rows, self.operations)
        choice = torch.where(chosen(self.probability, key, batch, "chosen").unsqueeze(-1), choice, -1)
        level = torch.ones_like(choice, dtype=wide(batch.x.dtype))
        return augment(batch, STANDARD, choice, level * spread(self.magnitude, level) / 30, key=key)
