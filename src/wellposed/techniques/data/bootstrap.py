r"""Bootstrap: each member owns rows drawn with replacement, so that members err differently.

$$i_m \sim \mathrm{Uniform}\{0, \dots, n - 1\}, \qquad m = 1, \dots, \max(1, \mathrm{round}(s\,n))$$

At $s = 1$ a member sees a share $1 - (1 - 1/n)^n \approx 0.632$ of the rows.

Source: Breiman, Bagging predictors, Machine Learning 24 (1996), 123-140, https://doi.org/10.1007/BF00058655, section 1.
"""

from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import check_number
from wellposed.random import Key
from wellposed.techniques.places import SampleTechnique
from wellposed.techniques.technique import Technique


def draw_rows(n: int, share: float = 1.0, *, key: Key) -> Int64[Tensor, "*K M"]:
    """`share * n` positions (at least one) among `n` rows, with replacement, for each key. Usable alone.

    >>> import torch
    >>> draw_rows(10, 0.5, key=torch.tensor([1, 2])).shape
    torch.Size([2, 5])
    """
    return random.choice(key, n, max(1, round(share * n)))


@dataclass(frozen=True, kw_only=True)
class Bootstrap(SampleTechnique):
    """Give every member its own rows, drawn with replacement.

    Args:
        share: How many rows a member draws, as a share of all, in (0, 1].
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("Bootstrap.share", self.share, low=0, high=1, open="(")

    def rows(self, n: int, key: Key) -> Int64[Tensor, "K M"]:
        return draw_rows(n, self.share, key=key)
