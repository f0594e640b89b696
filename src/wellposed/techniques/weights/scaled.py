"""Starting weights of a given deviation, normal, uniform or truncated: what the schemes for this deviation share."""

import math
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.weights.truncated_gaussian import draw_truncated

Distribution: TypeAlias = Literal["normal", "uniform", "truncated"]


def draw_scaled(
    shape: tuple[int, ...],
    deviation: float,
    *,
    key: Key,
    distribution: Distribution = "normal",
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "..."]:
    """Weights with mean 0 and this deviation for each key; uniform ones lie within sqrt(3) deviations,
    truncated ones within 2.27.

    >>> draw_scaled((2, 3), 0.1, key=torch.tensor([7, 8])).shape
    torch.Size([2, 2, 3])
    """
    if distribution == "normal":
        return random.normal(key, shape, dtype=dtype).mul_(deviation)
    if distribution == "truncated":
        return draw_truncated(shape, key=key, dtype=dtype).mul_(deviation)
    return random.uniform(key, shape, dtype=dtype).mul_(2).sub_(1).mul_(math.sqrt(3) * deviation)
