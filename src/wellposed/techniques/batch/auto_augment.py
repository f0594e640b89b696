r"""AutoAugment: each image goes through one of a list of sub-policies, found by search or written down.

A sub-policy is a few operations $(o, p, m)$: in turn, each is done with its probability $p$ at level $m / 9$ of its
range (`spaces`). Good where a policy was found on similar images; a policy found elsewhere is worth little more than
random choice (`TrivialAugment`), and searching one of one's own costs many trainings.

Source: Cubuk et al., AutoAugment: learning augmentation strategies from data, 2019, https://arxiv.org/abs/1805.09501,
section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import refusal
from wellposed.random import Key, make_key
from wellposed.techniques.batch.images import check_images, chosen, uniform_each
from wellposed.techniques.batch.policies import POLICIES, SubPolicy
from wellposed.techniques.batch.spaces import LEARNED, augment
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, strength

Written: TypeAlias = tuple[tuple[tuple[str | float, ...], ...], ...]
"""A policy as a recipe holds it: sub-policies of operations (name, probability, magnitude)."""


def read_policy(policy: object) -> tuple[SubPolicy, ...] | None:
    """The sub-policies of a known name, or as written; None where it is no policy.

    >>> read_policy("cifar10")[1]
    (('Rotate', 0.7, 2.0), ('TranslateX', 0.3, 9.0))
    >>> read_policy((("Rotate", 0.7, 2),)) is None
    True
    """
    if isinstance(policy, str):
        return POLICIES.get(policy)
    if not isinstance(policy, tuple) or not policy:
        return None
    found = tuple(tuple(_operation(o) for o in sub) if isinstance(sub, tuple) else () for sub in policy)
    read = tuple(tuple(o for o in sub if o is not None) for sub in found)
    return read if all(read) and read == found else None


def _operation(written: object) -> tuple[str, float, float] | None:
    """An operation with probability and magnitude; None where it is none."""
    if not isinstance(written, tuple) or len(written) != 3 or written[0] not in LEARNED:
        return None
    numbers = [v for v in written[1:] if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != 2 or not 0 <= numbers[0] <= 1 or not 0 <= numbers[1] <= 9:
        return None
    return written[0], float(numbers[0]), float(numbers[1])


def choose_operations(
    policy: Sequence[SubPolicy], sub: Int64[Tensor, "*B"], drawn: Float[Tensor, "*B n"]
) -> tuple[Int64[Tensor, "*B n"], Float[Tensor, "*B n"]]:
    """Operation (as position among `LEARNED`, -1 for none) and level of each step of each image.

    Args:
        policy: Sub-policies of up to `n` operations.
        sub: The sub-policy of each image.
        drawn: Numbers from 0 to 1; an operation is done where its number is below its probability.

    >>> choose_operations((((("Rotate", 0.5, 9.0)),),), torch.tensor([0, 0]), torch.tensor([[0.4], [0.6]]))
    (tensor([[ 5],
            [-1]]), tensor([[1.],
            [1.]]))
    """
    names, n = list(LEARNED), drawn.shape[-1]
    whole = [[*s, *[("Identity", 0.0, 0.0)] * (n - len(s))] for s in policy]
    numbers = torch.tensor([[[p, m / 9] for _, p, m in s] for s in whole], dtype=drawn.dtype, device=drawn.device)
    operation = torch.tensor([[names.index(name) for name, _, _ in s] for s in whole], device=drawn.device)
    probability, level = numbers[sub].unbind(-1)
    return torch.where(drawn < probability, operation[sub], -1), level


@dataclass(frozen=True, kw_only=True)
class AutoAugment(BatchTechnique):
    """Change each image by a sub-policy of its own. Needs Kornia.

    Args:
        policy: "cifar10", "imagenet" or "svhn"; or sub-policies of operations (name, probability, magnitude of 9).
        probability: That an image is changed at all: 1 in the paper, 0 changes nothing.

    >>> AutoAugment(policy=((("Rotate", 0.7, 2.0), ("TranslateX", 0.3, 9.0)), (("Equalize", 0.5, 0.0),))).probability
    1.0
    """

    probability: Strength = strength(1.0, valid=(0.0, 1.0), search=(0.0, 1.0))
    policy: Literal["cifar10", "imagenet", "svhn"] | Written = "cifar10"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        if read_policy(self.policy) is None:
            must = "be 'cifar10', 'imagenet', 'svhn', or sub-policies of operations (name, probability, magnitude)"
            do = f"Probabilities lie in [0, 1], magnitudes in [0, 9]. Known: {', '.join(LEARNED)}."
            raise refusal("AutoAugment.policy", must, self.policy, do)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_images("AutoAugment", batch)
        policy = read_policy(self.policy) or ()
        most = max(len(s) for s in policy)
        sub = random.choice(make_key(key, step=0, place="sub-policy"), len(policy), batch.x.shape[1])
        drawn = torch.stack([uniform_each(key, batch, f"operation.{n}") for n in range(most)], dim=-1)
        choice, level = choose_operations(policy, sub, drawn)
        choice = torch.where(chosen(self.probability, key, batch, "chosen").unsqueeze(-1), choice, -1)
        return augment(batch, LEARNED, choice, level, key=key)
