r"""Quantile transform: each feature becomes its rank among the training rows, evenly spread or normally distributed.

$$u = \hat F(x), \qquad x' = u \;\text{ (uniform)} \quad\text{or}\quad x' = \Phi^{-1}(u) \;\text{ (normal)}$$

with $\hat F$ linear between a number of quantiles and $u$ kept within $[10^{-7}, 1 - 10^{-7}]$ before $\Phi^{-1}$.
Values that repeat stand in the middle of their ranks; what lies beyond the training rows goes to the ends; a feature
that is constant goes to the middle. Good against outliers and skewed features; bad where distances mean something, and,
by tradition, for values that pile up at one end of the range: they go to that end (0, or -5.2), not to their middle
rank.

Source: scikit-learn, `preprocessing.QuantileTransformer`; normal scores: van der Waerden, Order tests for the
two-sample problem, 1952; in networks for tables: Gorishniy et al., 2021, https://arxiv.org/abs/2106.11959, section 4.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_count
from wellposed.techniques.data.robust import find_quantiles
from wellposed.techniques.places import DataTechnique
from wellposed.techniques.technique import Technique

NEAREST = 1e-7
"""How near to 0 or 1 a rank may come before it becomes a normal score: 5.2 deviations."""
ROWS = 1024
"""Rows that are ranked at once, which bounds the memory."""


def rank_values(values: Float[Tensor, "*M"], quantiles: Float[Tensor, " Q"]) -> Float[Tensor, "*M"]:
    """The share of the distribution that lies below each value, by its evenly spaced quantiles. Usable alone.

    >>> rank_values(torch.tensor([0.0, 1.0, 1.5, 2.0, 9.0]), torch.tensor([0.0, 1.0, 1.0, 2.0, 3.0]))
    tensor([0.0000, 0.3750, 0.6250, 0.7500, 1.0000])
    """
    last = len(quantiles) - 1
    above = torch.searchsorted(quantiles, values)  # the first quantile that is no smaller
    below = torch.searchsorted(quantiles, values, right=True) - 1  # the last one that is no larger
    low, high = quantiles[below.clamp_min(0)], quantiles[above.clamp_max(last)]
    between = torch.where(high > low, (values - low) / (high - low), 0.5)
    rank = torch.lerp(below.to(values.dtype), above.to(values.dtype), between) / max(last, 1)
    rank = torch.where(values >= quantiles[-1], 1, rank)
    rank = torch.where(values <= quantiles[0], 0, rank)
    constant = (quantiles[0] == quantiles[-1]) & (values == quantiles[0])
    return torch.where(constant, 0.5, rank)


@dataclass(frozen=True, kw_only=True)
class Quantile(DataTechnique):
    """Give every feature one distribution, whatever its own; images per channel.

    Args:
        to: "normal", or "uniform" from 0 to 1.
        n_quantiles: Quantiles that are remembered, at most one a training row.
    """

    to: Literal["normal", "uniform"] = "normal"
    n_quantiles: int = 1000

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("Quantile.n_quantiles", self.n_quantiles, least=2)

    def fit(self, x: Float[Tensor, "N *shape"], weight: Float[Tensor, " N"] | None) -> dict[str, Tensor]:
        if weight is not None:
            x, weight = x[weight > 0], weight[weight > 0]
            weight = weight.repeat_interleave(x[0, 0].numel())
        n = max(1, min(self.n_quantiles, len(x)))
        shares: list[float] = torch.linspace(0, 1, n, dtype=torch.float64).tolist()
        found = [find_quantiles(column.flatten(), shares, weight) for column in x.unbind(1)]
        return {"quantiles": torch.stack(found).cummax(dim=1).values}  # rounding between equal values

    def data(self, x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
        changed = torch.empty_like(x)
        for column, quantiles, end in zip(x.unbind(1), fitted["quantiles"].double(), changed.unbind(1), strict=True):
            for rows, into in zip(torch.split(column, ROWS), torch.split(end, ROWS), strict=True):
                share = rank_values(rows.double().contiguous(), quantiles)
                normal = self.to == "normal"
                into.copy_(torch.special.ndtri(share.clamp(NEAREST, 1 - NEAREST)) if normal else share)
        return changed
