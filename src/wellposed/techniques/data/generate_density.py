r"""Rows from kernel densities: old rows drawn again, each with normal noise as wide as its class is sparse.

$$x' = x_i + \epsilon, \qquad i \sim \mathrm U\{1, \dots, n_c\}, \qquad
\epsilon \sim \mathcal N(0, h^2 n_c^{-2/(d+4)}\,\hat\Sigma_c)$$

which draws from a Gaussian kernel density of each class, fitted on training rows alone; numbers are drawn together with
the row, $(x, y)$ as one point. Categories, soft labels and weights are those of row $i$. Good for small tables of
numbers, and for regression; bad in many dimensions, where Scott's bandwidth is nearly the whole class, and for columns
of whole numbers.

Source: Scott, Multivariate density estimation, 1992, section 6.3 (bandwidth); Silverman, Density estimation, 1986,
section 6.4.1 (drawing: the smoothed bootstrap).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.checks import check_number
from wellposed.inputs.dataset import Rows
from wellposed.random import Key, make_key
from wellposed.techniques.data.growth import JITTER, check_growth, group_rows, joined, numbers_of
from wellposed.techniques.places import GrowthTechnique
from wellposed.techniques.technique import Technique


def kernel_covariance(x: Float[Tensor, "N D"], weight: Float[Tensor, " N"] | None = None) -> Float[Tensor, "D D"]:
    """Covariance of the kernel by Scott's rule, of at least 2 rows. Usable alone.

    >>> kernel_covariance(torch.tensor([[0.0], [2.0]]))
    tensor([[1.5157]])
    """
    share = torch.ones_like(x[:, 0]) if weight is None else weight.to(x.dtype)
    share = share / share.sum()
    n = 1 / share.square().sum()
    centred = x - share @ x
    covariance = centred.mT @ (centred * share.unsqueeze(1)) * n / (n - 1)
    return covariance * n ** (-2 / (x.shape[1] + 4))


def draw_noise(covariance: Float[Tensor, "D D"], n: int, *, key: Key) -> Float[Tensor, "n D"]:
    """Normal rows of this covariance, which may be singular. Usable alone.

    >>> draw_noise(torch.zeros(2, 2), 1, key=torch.tensor(7))
    tensor([[0., 0.]])
    """
    values, axes = torch.linalg.eigh(covariance)
    drawn = random.normal(key, (n, len(values)), dtype=covariance.dtype)
    noise: Tensor = drawn @ (axes * values.clamp_min(0).sqrt()).mT
    return noise


@dataclass(frozen=True, kw_only=True)
class DensityGrowth(GrowthTechnique):
    """Add rows drawn from a kernel density of each class.

    Args:
        share: New rows, as a share of the old.
        bandwidth: Width of the kernels, in units of Scott's; 0 only draws rows again.
        seed: Other numbers draw other rows.
    """

    share: float = 1.0
    bandwidth: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_growth("DensityGrowth", self.share, self.seed)
        check_number("DensityGrowth.bandwidth", self.bandwidth, low=0)

    def grow(self, rows: Rows) -> Rows:
        x, width = numbers_of(rows, "DensityGrowth"), rows.x[0].numel()
        numbers = rows.y.is_floating_point() and rows.y.shape[1] == 1
        points = torch.cat([x, rows.y.double()], dim=1) if numbers else x
        grown = []
        for i, group in enumerate(group_rows(rows, self.share)):
            weight = None if rows.weight is None else rows.weight[group.places]
            seed = torch.tensor(self.seed, device=x.device)
            drawn = random.choice(make_key(seed, step=i, place="DensityGrowth rows"), len(group.places), group.new)
            base = group.places[drawn]
            if len(group.places) > 1:
                covariance = kernel_covariance(points[group.places], weight)
            else:
                covariance = torch.diag((JITTER * points.std(dim=0, correction=0)).square())
            key = make_key(seed, step=i, place="DensityGrowth noise")
            new = points[base] + draw_noise(covariance * self.bandwidth**2, group.new, key=key)
            old = rows.take(base)
            y = new[:, width:] if numbers else old.y
            grown.append(Rows(new[:, :width].reshape(old.x.shape), old.codes, y, old.weight))
        return joined(rows, grown)
