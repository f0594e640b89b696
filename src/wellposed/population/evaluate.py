"""A population's outputs and losses on rows, in bounded memory."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.inputs.dataset import Rows
from wellposed.nets.stacking import Forward
from wellposed.population.step import Criterion, gather, network_inputs
from wellposed.techniques.places import Batch


def batches(rows: Rows, k: int, at_once: int, positions: Int64[Tensor, "K V"] | None = None) -> Iterator[Batch]:
    """All rows in order, as many at once as given; every member sees the same ones, without a copy for each.

    With `positions` each member sees its own rows, in that order.
    """
    if positions is not None:
        for first in range(0, positions.shape[1], at_once):
            yield gather(rows, positions[:, first : first + at_once], 0)
        return
    for first in range(0, len(rows), at_once):
        part = slice(first, first + at_once)
        x, codes, y = (t[part].expand(k, *t[part].shape) for t in (rows.x, rows.codes, rows.y))
        yield Batch(x, codes, y, None if rows.weight is None else rows.weight[part].expand(k, -1))


def outputs(
    forward: Forward,
    tensors: Mapping[str, Tensor],
    rows: Rows,
    *,
    k: int,
    at_once: int,
    positions: Int64[Tensor, "K V"] | None = None,
) -> Float[Tensor, "K N C"]:
    """What each member's network says of each row, or of its own rows where `positions` are given."""
    with torch.no_grad():
        return torch.cat([forward(tensors, *network_inputs(b)) for b in batches(rows, k, at_once, positions)], dim=1)


def row_gradients(
    forward: Forward,
    parameters: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
    rows: Rows,
    criterion: Criterion,
    positions: Int64[Tensor, "K B"] | None = None,
) -> Float[Tensor, "K B P"]:
    """The gradient of each row's loss for each member, all parameters in one axis."""
    leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    k, found = len(next(iter(leaves.values()))), list[Tensor]()
    for batch in batches(rows, k, 1, positions):
        loss = criterion(forward({**leaves, **buffers}, *network_inputs(batch)), batch).sum()
        each = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        found.append(torch.cat([gradient.flatten(1) for gradient in each], dim=1))
    return torch.stack(found, dim=1)


def losses(
    forward: Forward,
    tensors: Mapping[str, Tensor],
    rows: Rows,
    criterion: Criterion,
    *,
    k: int,
    at_once: int,
    positions: Int64[Tensor, "K V"] | None = None,
) -> Float[Tensor, " K"]:
    """Each member's mean loss over the rows (its own, with `positions`), in float64, weighted by the rows' weights."""
    total = torch.zeros(k, dtype=torch.float64, device=rows.x.device)
    mass: float | Tensor = 0.0
    with torch.no_grad():
        for batch in batches(rows, k, at_once, positions):
            weighs: float | Tensor = float(batch.x.shape[1])
            if batch.weight is not None:
                weighs = float(batch.weight[0].sum()) if positions is None else batch.weight.sum(1).double()
            total += criterion(forward(tensors, *network_inputs(batch)), batch).double() * weighs
            mass += weighs
    tiny = torch.finfo(torch.float64).tiny
    return total / (mass.clamp_min(tiny) if isinstance(mass, Tensor) else max(mass, tiny))
