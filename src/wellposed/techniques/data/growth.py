"""What techniques of growth share: groups of rows, how many new ones each gets, and how they join."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.checks import check_count, check_number, refusal
from wellposed.inputs.dataset import Rows

JITTER = 0.1
"""Deviation, in units of all rows' deviation, of new rows around the only row of a class."""


class Group(NamedTuple):
    """Rows of one class; of numbers, all rows.

    Attributes:
        places: Positions of its rows.
        new: How many rows it is to get.
    """

    places: Int64[Tensor, " M"]
    new: int


def classes_of(rows: Rows) -> Int64[Tensor, " N"]:
    """The class of each row: the likeliest of soft labels, and 0 for all where the targets are numbers."""
    if not rows.y.is_floating_point():
        return rows.y
    return rows.y.argmax(1) if rows.y.shape[1] > 1 else torch.zeros_like(rows.y[:, 0], dtype=torch.int64)


def group_rows(rows: Rows, share: float) -> list[Group]:
    """The rows by class, each to grow by about this share, all together by exactly it. Rows of no weight are left out.

    >>> x = torch.zeros(6, 1)
    >>> rows = Rows(x, torch.zeros(6, 0, dtype=torch.int64), torch.tensor([0, 0, 0, 0, 0, 1]))
    >>> [(group.places.tolist(), group.new) for group in group_rows(rows, 0.5)]
    [([0, 1, 2, 3, 4], 3), ([5], 0)]
    """
    classes = classes_of(rows)
    counts = torch.ones_like(classes, dtype=torch.bool) if rows.weight is None else rows.weight > 0
    found = [((classes == c) & counts).nonzero().flatten() for c in torch.unique(classes[counts]).tolist()]
    wanted = [share * len(places) for places in found]
    new = [int(number) for number in wanted]
    rest = round(share * int(counts.sum())) - sum(new)
    order = sorted(range(len(found)), key=lambda i: new[i] - wanted[i])  # the largest remainders first
    for i in order[:rest]:
        new[i] += 1
    return [Group(places, number) for places, number in zip(found, new, strict=True)]


def numbers_of(rows: Rows, what: str) -> Float[Tensor, "N D"]:
    """The rows' numbers, flattened, in double precision; refused where there are none to grow."""
    x = rows.x.flatten(1).double()
    if not x.shape[1]:
        raise refusal(f"Rows for {what}", "have at least one number", tuple(rows.x.shape[1:]))
    return x


def joined(rows: Rows, grown: list[Rows]) -> Rows:
    """The rows, and behind them the new ones, of the same types."""
    every = [rows, *(more.to(rows.x.device, rows.x.dtype) for more in grown)]
    weight = None if rows.weight is None else torch.cat([part.weight for part in every if part.weight is not None])
    return Rows(
        torch.cat([part.x for part in every]),
        torch.cat([part.codes for part in every]),
        torch.cat([part.y for part in every]),
        weight,
        rows.words,
    )


def nearest_rows(
    x: Float[Tensor, "M D"], base: Float[Tensor, "N D"], scale: Float[Tensor, " D"]
) -> Int64[Tensor, " M"]:
    """Position of the nearest base row to each row, in units of `scale`.

    >>> nearest_rows(torch.tensor([[0.9]]), torch.tensor([[0.0], [1.0]]), torch.ones(1))
    tensor([1])
    """
    parts = [torch.cdist(part / scale, base / scale).argmin(1) for part in torch.split(x, 256)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)


def check_growth(name: str, share: object, seed: object) -> None:
    """Refuse what every technique of growth refuses."""
    check_number(f"{name}.share", share, low=0, open="(")
    check_count(f"{name}.seed", seed, least=0)
