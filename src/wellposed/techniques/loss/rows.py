"""The mean over a batch, in which rows may weigh differently."""

import torch
from jaxtyping import Float
from torch import Tensor


def mean_over_rows(values: Float[Tensor, "K B"], weight: Float[Tensor, "K B"] | None) -> Float[Tensor, " K"]:
    """Each member's mean over its rows, by their weights where there are any; 0 where all weigh nothing.

    >>> mean_over_rows(torch.tensor([[1.0, 3.0]]), torch.tensor([[3.0, 1.0]]))
    tensor([1.5000])
    """
    if weight is None:
        return values.mean(1)
    return (values * weight).sum(1) / weight.sum(1).clamp_min(torch.finfo(values.dtype).tiny)
