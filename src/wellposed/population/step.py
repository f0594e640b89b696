"""One update of every member: the places of a technique, in order, on one page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.inputs.dataset import Rows, Task
from wellposed.nets.stacking import Forward
from wellposed.optimizers import Optimizer
from wellposed.population.state import State
from wellposed.random import Key
from wellposed.recipe import Recipe
from wellposed.techniques.places import (
    AverageTechnique,
    Batch,
    BatchTechnique,
    GradientTechnique,
    LossTechnique,
    UpdateTechnique,
)

Criterion: TypeAlias = Callable[[Tensor, Batch], Float[Tensor, " K"]]


@dataclass(frozen=True, eq=False)
class Places:
    """The techniques that act in a step, with the members' strengths bound, each place in the order written."""

    batch: tuple[BatchTechnique, ...]
    loss: tuple[LossTechnique, ...]
    gradient: tuple[GradientTechnique, ...]
    before: tuple[UpdateTechnique, ...]
    optimizer: Optimizer
    after: tuple[UpdateTechnique, ...]
    average: tuple[AverageTechnique, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> "Places":
        """The places of a recipe."""
        updates = recipe.of(UpdateTechnique)
        return cls(
            batch=recipe.of(BatchTechnique),
            loss=recipe.of(LossTechnique),
            gradient=recipe.of(GradientTechnique),
            before=tuple(u for u in updates if u.when == "before"),
            optimizer=recipe.optimizer,
            after=tuple(u for u in updates if u.when == "after"),
            average=recipe.of(AverageTechnique),
        )


@dataclass(frozen=True, eq=False)
class Shard:
    """A range of living members, as one worker trains them between two looks at them.

    Attributes:
        state: The members; their tensors are changed in place.
        places: Where techniques act.
        leaves: The parameters as autograd sees them, in the memory of `state`; of one member, without the axis `K`.
        forward: The network over stacked tensors.
        criterion: Loss of each member.
        one_hot: Number of classes, where the recipe changes batches and so needs targets as probabilities; else 0.
    """

    state: State
    places: Places
    leaves: dict[str, Tensor]
    forward: Forward
    criterion: Criterion
    one_hot: int


def update_(
    shard: Shard, rows: Rows, index: Int64[Tensor, "K B"], keys: Mapping[str, Key], *, step: int, factor: float
) -> Float[Tensor, " K"]:
    """Train every member on its batch, in place, and return the losses before the update.

    Args:
        shard: The members.
        rows: The training rows.
        index: Which rows each member sees.
        keys: For each place that draws at random.
        step: Counts updates from 1.
        factor: What the schedule makes of the learning rate at this step.
    """
    places, parameters = shard.places, shard.state.parameters
    tensors = {**shard.leaves, **shard.state.buffers, **keys}

    batch = gather(rows, index, shard.one_hot)
    for number, augmentation in enumerate(places.batch):
        batch = augmentation.batch(batch, keys[f"batch.{number}"])

    loss = shard.criterion(shard.forward(tensors, *network_inputs(batch)), batch)
    objective = loss
    for term in places.loss:
        objective = objective + term.penalty(
            {name: leaf.view_as(parameters[name]) for name, leaf in shard.leaves.items()}
        )

    found = torch.autograd.grad(objective.sum(), list(shard.leaves.values()), materialize_grads=True)
    if len(shard.state) == 1:
        found = tuple(g.unsqueeze(0) for g in found)
    gradients = dict(zip(shard.leaves, apart(found) if places.gradient else found, strict=True))

    with torch.no_grad():
        for number, change in enumerate(places.gradient):
            change.gradient_(gradients, parameters, keys[f"gradient.{number}"])

        rate = places.optimizer.learning_rate * factor
        for before in places.before:
            before.update_(parameters, rate)
        places.optimizer.step_(parameters, gradients, shard.state.slots, step=step, learning_rate=rate)
        for after in places.after:
            after.update_(parameters, rate)

        for average in places.average:
            moving = {**parameters, **shard.state.buffers}
            average.average_(shard.state.means, {name: moving[name] for name in shard.state.means}, step)
    return loss.detach()


def places_of(recipe: Recipe) -> list[str]:
    """Names of the places in `update_` that draw at random, beside the layers' own."""
    return [f"batch.{i}" for i in range(len(recipe.of(BatchTechnique)))] + [
        f"gradient.{i}" for i in range(len(recipe.of(GradientTechnique)))
    ]


def apart(gradients: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, each in memory of its own: autograd may give one tensor to two parameters, or an expanded one."""
    seen: set[int] = set()
    own: list[Tensor] = []
    for gradient in gradients:
        memory = gradient.untyped_storage().data_ptr()
        own.append(
            gradient.clone(memory_format=torch.contiguous_format)
            if memory in seen or 0 in gradient.stride()
            else gradient
        )
        seen.add(memory)
    return own


def gather(rows: Rows, index: Int64[Tensor, "K B"], one_hot: int) -> Batch:
    """The rows at these positions; classes as probabilities if `one_hot` is their number, else as codes."""
    k, b = index.shape
    flat = index.reshape(-1)
    x = rows.x.index_select(0, flat).view(k, b, *rows.x.shape[1:])
    codes = rows.codes.index_select(0, flat).view(k, b, -1) if rows.codes.shape[1] else rows.codes.new_empty(k, b, 0)
    y = rows.y.index_select(0, flat)
    y = F.one_hot(y, one_hot).to(x.dtype).view(k, b, -1) if one_hot else y.view(k, b, *y.shape[1:])
    weight = None if rows.weight is None else rows.weight.index_select(0, flat).view(k, b)
    return Batch(x, codes, y, weight)


def network_inputs(batch: Batch) -> tuple[Tensor, ...]:
    """What a network is called with: numbers, and codes where there are categories."""
    return (batch.x, batch.codes) if batch.codes.shape[-1] else (batch.x,)


def cross_entropy(outputs: Float[Tensor, "K B C"], batch: Batch) -> Float[Tensor, " K"]:
    """Mean cross-entropy of each member, against class codes `K B` or probabilities `K B C`."""
    k, b, c = outputs.shape
    target = batch.y.reshape(k * b, c) if batch.y.is_floating_point() else batch.y.reshape(k * b)
    return mean_by_weight(F.cross_entropy(outputs.reshape(k * b, c), target, reduction="none").view(k, b), batch.weight)


def squared_error(outputs: Float[Tensor, "K B 1"], batch: Batch) -> Float[Tensor, " K"]:
    """Mean squared error of each member, in units of the scaled target."""
    return mean_by_weight((outputs - batch.y).square().mean(-1), batch.weight)


def mean_by_weight(losses: Float[Tensor, "K B"], weight: Float[Tensor, "K B"] | None) -> Float[Tensor, " K"]:
    """Mean over a batch; weighted by the rows' weights where there are any (0 where all weigh nothing)."""
    if weight is None:
        return losses.mean(1)
    return (losses * weight).sum(1) / weight.sum(1).clamp_min(torch.finfo(losses.dtype).tiny)


CRITERIA: dict[Task, Criterion] = {"classification": cross_entropy, "regression": squared_error}
