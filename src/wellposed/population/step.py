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
from wellposed.random import make_key
from wellposed.recipe import Recipe
from wellposed.techniques.places import (
    Answers,
    AnswerTechnique,
    AverageTechnique,
    Batch,
    BatchTechnique,
    Facts,
    GradientTechnique,
    LossTechnique,
    Moment,
    PointTechnique,
    UpdateTechnique,
)

Criterion: TypeAlias = Callable[[Tensor, Batch], Float[Tensor, " K"]]


@dataclass(frozen=True, eq=False)
class Places:
    """The techniques that act in a step, with the members' strengths bound, each place in the order written."""

    batch: tuple[BatchTechnique, ...]
    points: tuple[PointTechnique, ...]
    loss: tuple[LossTechnique, ...]
    answers: tuple[AnswerTechnique, ...]
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
            points=recipe.of(PointTechnique),
            loss=recipe.of(LossTechnique),
            answers=recipe.of(AnswerTechnique),
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
        classes: How many, where the recipe changes batches and so needs targets as probabilities; else 0.
        facts: About the training data, for techniques that see batches.
        fired: Positions of the gradient techniques that have changed a gradient; grows in training.
    """

    state: State
    places: Places
    leaves: dict[str, Tensor]
    forward: Forward
    criterion: Criterion
    classes: int
    facts: Facts | None
    fired: set[int]


def update_(
    shard: Shard, rows: Rows, index: Int64[Tensor, "K B"], keys: Mapping[str, Tensor], *, moment: Moment, factor: float
) -> Float[Tensor, " K"]:
    """Train every member on its batch, in place, and return the losses before the update.

    Args:
        shard: The members.
        rows: The training rows.
        index: Which rows each member sees.
        keys: For each place that draws at random; beside them the layers' strengths that follow a ramp.
        moment: Where training stands.
        factor: What the schedule makes of the learning rate at this step.
    """
    places, parameters = shard.places, shard.state.parameters

    batch = gather(rows, index, shard.classes, shard.facts)
    for number, augmentation in enumerate(places.batch):
        batch = augmentation.batch(batch, keys[f"batch.{number}"])

    weights, buffers, losses = shard.leaves, shard.state.buffers, list[Tensor]()
    for number, elsewhere in enumerate(places.points):
        slopes: dict[str, Tensor] = {}
        if elsewhere.needs_gradients:
            loss, slopes = differentiate(shard, weights, buffers, batch, keys)
            losses.append(loss)
            buffers = cloned(buffers)  # running statistics see each batch once
        with torch.no_grad():
            moved = elsewhere.point(by_member(weights, parameters), slopes, keys[f"point.{number}"])
        weights = {name: moved[name].view_as(leaf).requires_grad_() for name, leaf in weights.items()}
    loss, gradients = differentiate(shard, weights, buffers, batch, keys)

    with torch.no_grad():
        for number, change in enumerate(places.gradient):
            before = None if number in shard.fired else size_of(gradients)
            change.gradient_(gradients, parameters, keys[f"gradient.{number}"], moment)
            if before is not None and not torch.equal(before, size_of(gradients)):
                shard.fired.add(number)

        rate = places.optimizer.learning_rate * factor
        for update in places.before:
            update.update_(parameters, rate)
        places.optimizer.step_(parameters, gradients, shard.state.slots, step=moment.step, learning_rate=rate)
        for update in places.after:
            update.update_(parameters, rate)

        for average in places.average:
            moving = {**parameters, **shard.state.buffers}
            average.average_(shard.state.means, {name: moving[name] for name in shard.state.means}, moment)
    return (*losses, loss)[0]


def differentiate(
    shard: Shard, weights: dict[str, Tensor], buffers: dict[str, Tensor], batch: Batch, keys: Mapping[str, Tensor]
) -> tuple[Float[Tensor, " K"], dict[str, Tensor]]:
    """Each member's loss at these weights, and the gradients of all that it pays, `K ...` by name."""
    places, parameters = shard.places, shard.state.parameters
    if any(term.differentiates_inputs for term in places.answers):
        batch = batch._replace(x=batch.x.detach().requires_grad_())
    outputs = shard.forward({**weights, **buffers, **keys}, *network_inputs(batch))
    loss = shard.criterion(outputs, batch)

    objective = loss
    for term in places.loss:
        objective = objective + term.penalty(by_member(weights, parameters))

    def again(draws: int) -> Tensor:
        other = {
            name: key if key.is_floating_point() else make_key(key, step=draws, place="again")
            for name, key in keys.items()
        }
        return shard.forward({**weights, **cloned(buffers), **other}, *network_inputs(batch))

    def loss_at(x: Tensor) -> Tensor:
        asked = network_inputs(batch._replace(x=x))
        return shard.criterion(shard.forward({**weights, **cloned(buffers), **keys}, *asked), batch)

    for number, demand in enumerate(places.answers):
        answers = Answers(outputs, batch, again, loss, loss_at)
        objective = objective + demand.penalize(answers, keys[f"answer.{number}"])

    found = torch.autograd.grad(objective.sum(), list(weights.values()), materialize_grads=True)
    if len(shard.state) == 1:
        found = tuple(g.unsqueeze(0) for g in found)
    return loss.detach(), dict(zip(weights, apart(found) if places.gradient else found, strict=True))


def by_member(weights: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leaves with the axis of members that those of one member lack."""
    return {name: leaf.view_as(parameters[name]) for name, leaf in weights.items()}


def cloned(buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Buffers that a second look at a batch may change without effect."""
    return {name: buffer.clone() for name, buffer in buffers.items()}


def places_of(recipe: Recipe) -> list[str]:
    """Names of the places in `update_` that draw at random, beside the layers' own."""
    drawing = {
        "batch": BatchTechnique,
        "answer": AnswerTechnique,
        "gradient": GradientTechnique,
        "point": PointTechnique,
    }
    return [f"{name}.{i}" for name, kind in drawing.items() for i in range(len(recipe.of(kind)))]


def size_of(gradients: Mapping[str, Tensor]) -> Float[Tensor, " P"]:
    """The norm of each tensor, all members together: whoever changes a gradient changes one of these."""
    return torch.stack(torch._foreach_norm(list(gradients.values())))


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


def gather(rows: Rows, index: Int64[Tensor, "K B"], classes: int, facts: Facts | None = None) -> Batch:
    """The rows at these positions; class codes become probabilities if `classes` is their number, not 0."""
    k, b = index.shape
    flat = index.reshape(-1)
    x = rows.x.index_select(0, flat).view(k, b, *rows.x.shape[1:])
    codes = rows.codes.index_select(0, flat).view(k, b, -1) if rows.codes.shape[1] else rows.codes.new_empty(k, b, 0)
    y = rows.y.index_select(0, flat)
    y = F.one_hot(y, classes).to(x.dtype).view(k, b, -1) if classes and y.dim() == 1 else y.view(k, b, *y.shape[1:])
    weight = None if rows.weight is None else rows.weight.index_select(0, flat).view(k, b)
    return Batch(x, codes, y, weight, facts)


def network_inputs(batch: Batch) -> tuple[Tensor, ...]:
    """What a network is called with: numbers, and codes where there are categories."""
    return (batch.x, batch.codes) if batch.codes.shape[-1] else (batch.x,)


def cross_entropy(outputs: Float[Tensor, "K B C"], batch: Batch) -> Float[Tensor, " K"]:
    """Mean cross-entropy of each member, against class codes `K B` or probabilities `K B C`."""
    k, b, c = outputs.shape
    target = batch.y.reshape(k * b, c) if batch.y.is_floating_point() else batch.y.reshape(k * b)
    return mean_by_weight(F.cross_entropy(outputs.reshape(k * b, c), target, reduction="none").view(k, b), batch.weight)


def squared_error(outputs: Float[Tensor, "K B C"], batch: Batch) -> Float[Tensor, " K"]:
    """Mean squared error of each member, in units of the scaled target."""
    return mean_by_weight((outputs - batch.y).square().mean(-1), batch.weight)


def mean_by_weight(losses: Float[Tensor, "K B"], weight: Float[Tensor, "K B"] | None) -> Float[Tensor, " K"]:
    """Mean over a batch; weighted by the rows' weights where there are any (0 where all weigh nothing)."""
    if weight is None:
        return losses.mean(1)
    return (losses * weight).sum(1) / weight.sum(1).clamp_min(torch.finfo(losses.dtype).tiny)


CRITERIA: dict[Task, Criterion] = {"classification": cross_entropy, "regression": squared_error}
