r"""Rows from Gaussian mixtures: a few normal distributions for each class, and new rows drawn from them.

$$x' \sim \sum_{j=1}^{J} \pi_{cj}\,\mathcal N(\mu_{cj}, \Sigma_{cj}) \quad \text{for class } c$$

fitted to each class by expectation maximization, on training rows alone; numbers are drawn together with the row, $(x,
y)$ as one point. Categories and soft labels are those of the nearest old row of the class. Good for small tables whose
classes are clouds; bad for columns of whole numbers, and where a class has fewer rows than features (choose "diag"
there).

Source: McLachlan & Peel, Finite mixture models, 2000, chapters 2 and 3; scikit-learn, `mixture.GaussianMixture`.
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from wellposed import random
from wellposed.checks import check_count
from wellposed.inputs.dataset import Rows
from wellposed.random import make_key
from wellposed.techniques.data.growth import JITTER, check_growth, group_rows, joined, nearest_rows, numbers_of
from wellposed.techniques.places import GrowthTechnique
from wellposed.techniques.technique import Technique


def draw_mixture(
    x: Float[Tensor, "N D"],
    n: int,
    *,
    components: int = 3,
    covariance: Literal["full", "diag"] = "full",
    weight: Float[Tensor, " N"] | None = None,
    seed: int = 0,
) -> Float[Tensor, "n D"]:
    """Rows drawn from a Gaussian mixture that is fitted to at least 2 rows. Usable alone.

    Columns are scaled to variance 1 for the fit, and constant ones stay constant. Weighted rows are drawn again, in
    proportion to their weights, because scikit-learn's mixture takes none.

    >>> draw_mixture(torch.tensor([[0.0, 5.0], [1.0, 5.0], [9.0, 5.0]]), 2, components=1)[:, 1]
    tensor([5., 5.])
    """
    if weight is not None:
        share = (weight.double() / weight.double().sum()).cumsum(0)
        even = (torch.arange(len(x), dtype=torch.float64, device=x.device) + 0.5) / len(x)
        x = x[torch.searchsorted(share, even).clamp_max(len(x) - 1)]
    deviation, mean = torch.std_mean(x, dim=0, correction=0)
    varied = x.amax(0) > x.amin(0)
    scaled = ((x - mean) / torch.where(varied, deviation, 1)).cpu().numpy()
    mixture = GaussianMixture(
        min(components, len(torch.unique(x, dim=0))), covariance_type=covariance, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that could still be better will do
        drawn = torch.from_numpy(mixture.fit(scaled).sample(max(n, 1))[0][:n])
    return torch.where(varied, drawn.to(x) * deviation + mean, x[0])


@dataclass(frozen=True, kw_only=True)
class MixtureGrowth(GrowthTechnique):
    """Add rows drawn from a Gaussian mixture of each class.

    Args:
        share: New rows, as a share of the old.
        components: Normal distributions of a class, at most one a row.
        covariance: "full", or "diag" for axes that are not tilted.
        seed: Other numbers draw other rows.
    """

    share: float = 1.0
    components: int = 3
    covariance: Literal["full", "diag"] = "full"
    seed: int = 0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_growth("MixtureGrowth", self.share, self.seed)
        check_count("MixtureGrowth.components", self.components)

    def grow(self, rows: Rows) -> Rows:
        x, width = numbers_of(rows, "MixtureGrowth"), rows.x[0].numel()
        numbers = rows.y.is_floating_point() and rows.y.shape[1] == 1
        points = torch.cat([x, rows.y.double()], dim=1) if numbers else x
        scale = points.std(dim=0, correction=0)
        scale = torch.where(scale > 0, scale, 1)
        grown = []
        for i, group in enumerate(group_rows(rows, self.share)):
            if not group.new:
                continue
            own = points[group.places]
            weight = None if rows.weight is None else rows.weight[group.places]
            if len(own) > 1:
                new = draw_mixture(
                    own,
                    group.new,
                    components=self.components,
                    covariance=self.covariance,
                    weight=weight,
                    seed=self.seed,
                )
            else:
                key = make_key(torch.tensor(self.seed, device=x.device), step=i, place="MixtureGrowth")
                noise = random.normal(key, (group.new, points.shape[1]), dtype=torch.float64)
                new = own + JITTER * points.std(dim=0, correction=0) * noise
            old = rows.take(group.places[nearest_rows(new, own, scale)])
            y = new[:, width:] if numbers else old.y
            mean = None if weight is None else weight.mean().expand(group.new)
            grown.append(Rows(new[:, :width].reshape(old.x.shape), old.codes, y, mean))
        return joined(rows, grown)
