r"""SMOTE: new rows on the straight lines between old rows of a class and their nearest neighbours of the same class.

$$x' = x_i + u\,(x_j - x_i), \qquad u \sim \mathrm U(0, 1), \qquad j \in \text{ the } k \text{ nearest of } i$$

By default it fills up the rarer classes; with a share, every class grows, as by the generators that it is the control
of. Categories are the commonest among the neighbours (SMOTE-NC). Good for rare classes in small tables of numbers; bad
in many dimensions and where classes overlap, as lines then cross the other class. Not for numbers as targets, nor for
soft labels.

Source: Chawla, Bowyer, Hall & Kegelmeyer, SMOTE, 2002, https://arxiv.org/abs/1106.1813, sections 4.2 and 6.1; carried
out by imbalanced-learn.
"""

from dataclasses import dataclass
from typing import Literal

import torch

from wellposed.checks import check_count, check_number, refusal
from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.techniques.data.growth import Group, group_rows, joined, numbers_of
from wellposed.techniques.places import GrowthTechnique
from wellposed.techniques.technique import Technique


def interpolate_rows(rows: Rows, groups: list[Group], *, neighbors: int = 5, seed: int = 0) -> Rows:
    """The rows, and behind them as many new ones of each class as its group asks for; weights are their class's mean.

    Usable alone.

    >>> rows = Rows(torch.tensor([[0.0], [1.0], [7.0]]), torch.zeros(3, 0, dtype=torch.int64), torch.tensor([0, 0, 1]))
    >>> interpolate_rows(rows, [Group(torch.tensor([0, 1]), 2), Group(torch.tensor([2]), 0)]).y
    tensor([0, 0, 1, 0, 0])
    """
    try:
        from imblearn.over_sampling import SMOTE as Plain
        from imblearn.over_sampling import SMOTENC as Mixed
    except ImportError:
        raise BadInput('SMOTE needs imbalanced-learn. Run: pip install "wellposed[smote]".') from None
    asked = [group for group in groups if group.new]
    if not asked:
        return rows
    x, width = numbers_of(rows, "SMOTE"), rows.x[0].numel()
    table = torch.cat([x, rows.codes.double()], dim=1).cpu().numpy()
    if len(groups) < 2:
        raise refusal("Rows for SMOTE", "hold at least 2 classes", len(groups))
    few = min(len(group.places) for group in asked)
    if few < 2:
        raise refusal("A class that SMOTE is to grow", "have at least 2 rows", few, "Use DensityGrowth.")
    kept = torch.cat([group.places for group in groups]).sort().values.cpu()
    y = rows.y.cpu()[kept].numpy()
    wanted = {int(rows.y[group.places[0]]): len(group.places) + group.new for group in asked}
    settings = {"sampling_strategy": wanted, "k_neighbors": min(neighbors, few - 1), "random_state": seed}
    mixed = list(range(width, table.shape[1]))
    sampler = Mixed(categorical_features=mixed, **settings) if mixed else Plain(**settings)
    found, labels = sampler.fit_resample(table[kept], y)
    new, classes = torch.from_numpy(found[len(kept) :]), torch.from_numpy(labels[len(kept) :])
    weight = None
    if rows.weight is not None:
        means = {c: rows.weight[group.places].mean() for group in asked for c in [int(rows.y[group.places[0]])]}
        weight = torch.stack([means[c] for c in classes.tolist()])
    numbers, codes = new[:, :width].reshape(-1, *rows.x.shape[1:]), new[:, width:].round().to(torch.int64)
    return joined(rows, [Rows(numbers, codes, classes.to(rows.y.dtype), weight)])


@dataclass(frozen=True, kw_only=True)
class SMOTE(GrowthTechnique):
    """Add rows between neighbours of a class.

    Args:
        share: New rows of each class, as a share of the old; "balance" makes every class as large as the largest.
        neighbors: Of a row, at most one fewer than the smallest class that grows has rows.
        seed: Other numbers draw other rows.
    """

    share: float | Literal["balance"] = "balance"
    neighbors: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        if self.share != "balance":
            if isinstance(self.share, str):
                raise refusal("SMOTE.share", "be a number above 0 or 'balance'", self.share)
            check_number("SMOTE.share", self.share, low=0, open="(")
        check_count("SMOTE.neighbors", self.neighbors)
        check_count("SMOTE.seed", self.seed, least=0)

    def grow(self, rows: Rows) -> Rows:
        if rows.y.is_floating_point():
            raise refusal("The targets of SMOTE", "be classes", "numbers", "Use DensityGrowth.")
        groups = group_rows(rows, 1.0 if isinstance(self.share, str) else self.share)
        if isinstance(self.share, str):
            largest = max(len(group.places) for group in groups)
            groups = [Group(group.places, largest - len(group.places)) for group in groups]
        return interpolate_rows(rows, groups, neighbors=self.neighbors, seed=self.seed)
