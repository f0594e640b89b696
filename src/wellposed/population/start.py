"""Step 0, once the training rows are known: techniques that look at the whole network or at rows."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from wellposed.inputs.dataset import Rows
from wellposed.population.build import Blueprint
from wellposed.population.state import State
from wellposed.population.step import gather
from wellposed.techniques.places import Facts, Start, StartTechnique

FIRST_ROWS = 512
"""Training rows that a start technique sees, at most."""


def start_(blueprint: Blueprint, state: State, rows: Rows, outputs: int) -> None:
    """Let the recipe's start techniques change the parameters, in place, in the order written."""
    techniques = state.bound(blueprint.recipe).of(StartTechnique)
    if not techniques:
        return
    index = torch.arange(min(len(rows), FIRST_ROWS), device=rows.x.device).expand(len(state), -1)
    start = Start(blueprint.template, state.buffers, gather(rows, index, 0), shares_of(rows, outputs))
    for technique in techniques:
        technique.start_(state.parameters, start)


def shares_of(rows: Rows, classes: int) -> Float[Tensor, " C"]:
    """Share of each class among the rows, or the mean of numbers; by the rows' weights where there are any."""
    y = rows.y if rows.y.is_floating_point() else F.one_hot(rows.y, classes).to(rows.x.dtype)
    weight = torch.ones_like(y[:, 0]) if rows.weight is None else rows.weight
    return (y * weight.unsqueeze(1)).sum(0) / weight.sum()


def facts_of(rows: Rows) -> Facts:
    """What techniques of the batch may know of the training rows."""
    if not rows.x.numel():
        nothing = rows.x.new_empty(0)
        return Facts(nothing, nothing, rows.words)
    dims = (0, *range(2, rows.x.dim())) if rows.x.dim() != 3 else (0, 1)  # steps of sequences have channels last
    return Facts(rows.x.amin(dims), rows.x.amax(dims), rows.words)
