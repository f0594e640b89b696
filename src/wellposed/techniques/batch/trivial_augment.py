r"""TrivialAugment: each image goes through one operation, drawn at random, at a magnitude drawn at random.

One of the 14 operations of `spaces` and one of 31 levels $0, \frac1{30}, \dots, 1$, all as likely. There is nothing to
tune: good as a first strong augmentation of photographs, where it does as well as searched policies; bad where color
or place is the answer: the wide space turns by up to 135 degrees, by which a 6 becomes a 9.

Source: Müller and Hutter, TrivialAugment: tuning-free yet state-of-the-art data augmentation, 2021,
https://arxiv.org/abs/2103.10158, algorithm 1.
"""

from dataclasses import dataclass
from typing import Literal

import torch

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.images import check_images, chosen, wide
from wellposed.techniques.batch.spaces import STANDARD, WIDE, augment
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


@dataclass(frozen=True, kw_only=True)
class TrivialAugment(BatchTechnique):
    """Change each image by one operation of its own, at a magnitude of its own. Needs Kornia.

    Args:
        probability: That an image is changed at all: 1 in the paper, 0 changes nothing.
        space: "wide", the paper's best, or "standard", the narrower ranges of RandAugment.
    """

    probability: Strength = strength(1.0, valid=(0.0, 1.0), search=(0.0, 1.0))
    space: Literal["wide", "standard"] = "wide"

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("TrivialAugment", batch)
        rows, space = batch.x.shape[1], WIDE if self.space == "wide" else STANDARD
        choice = random.choice(make_key(key, step=0, place="operation"), len(space), rows)
        choice = torch.where(chosen(self.probability, key, batch, "chosen"), choice, -1)
        level = random.choice(make_key(key, step=0, place="level"), 31, rows).to(wide(batch.x.dtype)) / 30
        return augment(batch, space, choice.unsqueeze(-1), level.unsqueeze(-1), key=key)
