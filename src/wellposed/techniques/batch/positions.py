"""Whole numbers drawn for each row: which rows, steps or words are taken, how many, and in which order."""

import math

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.technique import Strength, spread

HAIR = 1e-4
"""Added before rounding down, so that 0.29 of 100 is 29 in any precision (in float64 the product lies below it)."""


def take_rows(tensor: Tensor, index: Int64[Tensor, "K B"]) -> Tensor:
    """Of each member's rows in `K B ...`, those at these positions."""
    return tensor[torch.arange(len(index), device=index.device).unsqueeze(1), index]


def draw_below(key: Key, limits: Int64[Tensor, "..."]) -> Int64[Tensor, "..."]:
    """Uniform in 0..limit-1 for each limit, 0 where the limit is 0; each probability is exact to limit / 2^32."""
    words = random.bits(key, math.prod(limits.shape[key.dim() :])).view(limits.shape)
    return ((words.to(torch.int64) & 0xFFFFFFFF) * limits) >> 32


def count_share(amount: Strength, length: Int64[Tensor, "K B"]) -> Int64[Tensor, "K B"]:
    """The share `amount` of each length, rounded down but at least 1; 0 where either is 0.

    >>> count_share(0.29, torch.tensor([[100, 2, 0]]))
    tensor([[29,  1,  0]])
    """
    amount = spread(amount, length)
    n = (length.to(torch.float64) * amount + HAIR).floor().to(torch.int64).clamp(min=1)
    return torch.where((length > 0) & (amount > 0), n, 0)


def is_real(length: Int64[Tensor, "K B"], size: int) -> Bool[Tensor, "K B T"]:
    """True for the positions of each row that come before its length; the others are padding."""
    return torch.arange(size, device=length.device) < length.unsqueeze(-1)


def shuffle_groups(group: Int64[Tensor, "K B T"], length: Int64[Tensor, "K B"], *, key: Key) -> Int64[Tensor, "K B T"]:
    """The positions of each row in an order in which the groups are shuffled; each group stays together and in order.

    Args:
        group: The group of each position, of 0..T-1, never falling along a row.
        length: How many positions of a row count; those behind stay where they are.
        key: One key a member.
    """
    size = group.shape[-1]
    score = random.bits(key, math.prod(group.shape[1:])).view(group.shape).to(torch.int64)
    score = torch.where(is_real(length, size), score.gather(-1, group), 1 << 40)
    return score.argsort(dim=-1, stable=True)
