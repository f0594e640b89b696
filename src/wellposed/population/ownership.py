"""Which rows belong to which member of a population: those that are drawn for it, or that it was given."""

import torch
from jaxtyping import Int64
from torch import Tensor

from wellposed.checks import refusal
from wellposed.inputs.dataset import Rows
from wellposed.random import make_key
from wellposed.recipe import Recipe
from wellposed.techniques import Vote
from wellposed.techniques.places import (
    GrowthTechnique,
    OutputTechnique,
    PredictionTechnique,
    SampleTechnique,
    StartTechnique,
)


def draw_owned(
    recipe: Recipe, seeds: Int64[Tensor, " K"], n: int, *, pool: Int64[Tensor, "K M"] | None
) -> Int64[Tensor, "K L"] | None:
    """The rows that each member trains on: of its own pool, or of all `n`, those drawn for it; None for all of them.

    Args:
        recipe: What each member is; one of its techniques may draw rows.
        seeds: One a member.
        n: How many rows there are.
        pool: Positions among them that each member may train on, or None.
    """
    owners = recipe.of(SampleTechnique)
    if not owners:
        return pool
    drawn = owners[0].rows(n if pool is None else pool.shape[1], key_of_rows(seeds))
    return drawn if pool is None else pool.gather(1, drawn)


def key_of_rows(seeds: Int64[Tensor, " K"]) -> Int64[Tensor, " K"]:
    """The keys that decide which rows each member owns."""
    return make_key(seeds, step=0, place="rows")


def refuse_own_rows(recipe: Recipe) -> None:
    """Raise BadInput where techniques look at all rows at once, so that members cannot have rows of their own."""
    looking = [t for place in (GrowthTechnique, StartTechnique, OutputTechnique) for t in recipe.of(place)]
    looking += [t for t in recipe.of(PredictionTechnique) if not isinstance(t, Vote)]
    for technique in looking:
        must = "stay out of a population whose members have rows of their own: it looks at all rows at once"
        raise refusal("The recipe", must, type(technique).__name__, "Train one population each.")


def check_positions(what: str, positions: Tensor, members: int, rows: Rows | None, device: torch.device) -> Tensor:
    """The positions on the device, refused where they are not those of rows, one line a member.

    Args:
        what: Their name.
        positions: `K V` whole numbers.
        members: How many lines there should be.
        rows: What they are positions of; None is no rows.
        device: Where they are wanted.
    """
    n, shape = 0 if rows is None else len(rows), tuple(positions.shape)
    if positions.dim() != 2 or shape[0] != members or not shape[1] or positions.dtype != torch.int64:
        got = (shape, str(positions.dtype).removeprefix("torch."))
        raise refusal(f"The positions {what}", f"be whole numbers (int64), one line for each of {members} members", got)
    low, high = int(positions.min()), int(positions.max())
    if low < 0 or high >= n:
        raise refusal(f"The positions {what}", f"be those of {n} rows, counted from 0", (low, high))
    return positions.to(device)
