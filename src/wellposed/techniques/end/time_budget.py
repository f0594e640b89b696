r"""A budget of time: stop after the first epoch that ends when so many seconds have passed.

Good where an answer is needed at a given moment; bad where runs must be repeatable, since how far training gets depends
on the machine and on what else it does. The clock is that of the population: members trained together stop together.

Source: common practice; as a rule of its own: Prechelt, Early stopping - but when?, 1998 (a bound of 3000
epochs on every run).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from wellposed.checks import check_number
from wellposed.techniques.places import Curves, EndTechnique
from wellposed.techniques.technique import Technique


@dataclass(frozen=True, kw_only=True)
class TimeBudget(EndTechnique):
    """Stop all members when time is up; the epoch under way is finished.

    Args:
        seconds: Since training began.

    >>> nothing = torch.zeros(2, 0)
    >>> TimeBudget(seconds=60.0).ended(Curves(nothing, nothing, 61.5, lambda: nothing))
    tensor([True, True])
    """

    seconds: float = 3600.0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("TimeBudget.seconds", self.seconds, low=0, open="(")

    def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
        up = curves.seconds >= self.seconds
        return torch.full(curves.train.shape[:1], up, dtype=torch.bool, device=curves.train.device)
