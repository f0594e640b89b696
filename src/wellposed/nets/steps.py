"""Sequences and texts inside a network: how long each is, and its steps gathered into one row.

Steps behind the end of a sequence change nothing: whatever stands there is masked, and what stands there in every row
of a batch is not even computed.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def count_tokens(codes: Int64[Tensor, "*B T"]) -> Int64[Tensor, "*B"]:
    """The length of each text, whose tokens have 0 behind them.

    >>> count_tokens(torch.tensor([[5, 3, 0], [2, 0, 0]]))
    tensor([2, 1])
    """
    return (codes != 0).sum(-1)


def span(lengths: Int64[Tensor, "*B"], steps: int) -> tuple[int, int]:
    """The shortest and the longest length, which is at least 1 and at most the number of steps there are.

    What is transformed or compiled may not depend on values in its control flow, and computes all steps.

    >>> span(torch.tensor([3, 5]), 9)
    (3, 5)
    """
    if torch._C._are_functorch_transforms_active() or torch.compiler.is_compiling():
        return 0, steps
    low, high = (int(end) for end in torch.stack(torch.aminmax(lengths)).tolist())
    return min(low, steps), min(max(high, 1), steps)


def real_steps(lengths: Int64[Tensor, "*B"], steps: int) -> Bool[Tensor, "*B T"]:
    """Which steps are before the end.

    >>> real_steps(torch.tensor([2, 1]), 3)
    tensor([[ True,  True, False],
            [ True, False, False]])
    """
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(-1)


def mean_over_steps(x: Float[Tensor, "*B T D"], lengths: Int64[Tensor, "*B"]) -> Float[Tensor, "*B D"]:
    """The mean over the steps before the end; 0 where there are none."""
    total = torch.where(real_steps(lengths, x.shape[-2]).unsqueeze(-1), x, 0.0).sum(-2)
    return total / lengths.clamp_min(1).unsqueeze(-1)


def max_over_steps(x: Float[Tensor, "*B T D"], lengths: Int64[Tensor, "*B"]) -> Float[Tensor, "*B D"]:
    """The largest value of each feature over the steps before the end; 0 where there are none."""
    highest = torch.where(real_steps(lengths, x.shape[-2]).unsqueeze(-1), x, -torch.inf).amax(-2)
    return torch.where(lengths.unsqueeze(-1) > 0, highest, 0.0)
