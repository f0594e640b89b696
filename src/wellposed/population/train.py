"""Epochs: segments of steps by worker threads, and a look at the members after each."""

import copy
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed.inputs.dataset import Rows
from wellposed.nets.stacking import Forward, stack_forward
from wellposed.population import plan
from wellposed.population.crew import Crew, draws
from wellposed.population.record import Record
from wellposed.population.state import State
from wellposed.population.step import Criterion, Places, Shard, gather, places_of, update_
from wellposed.population.watch import name_failure
from wellposed.random import make_key, permutation
from wellposed.recipe import Recipe
from wellposed.techniques.places import Facts, Moment

SEGMENT_SECONDS = 0.5
"""About how long training runs between two looks at the clock and at the losses."""


@dataclass(frozen=True, eq=False)
class Training:
    """What stays the same from the first step to the last.

    Attributes:
        recipe: With the first member's strengths.
        template: One network of the structure.
        criterion: Loss of each member.
        classes: Number of outputs, where the recipe changes batches and so needs one-hot targets; else 0.
        work: What a row costs.
        threads: Threads at most.
        drawing: Places that draw at random at each step: layers by the name of their key, and places of the step.
        facts: About the training data, for techniques that see batches.
        fired: Positions of the gradient techniques that have changed a gradient.
        ramped: Where in the network each strength lives that follows a schedule: names of tensors by name of strength.
        pool: Positions of the rows that each of all members may train on; None where all may be trained on.
        judged: Positions of the validation rows on which each of all members is judged; None for all of them.
    """

    recipe: Recipe
    template: nn.Module
    criterion: Criterion
    classes: int
    work: plan.Work
    threads: int
    drawing: tuple[str, ...]
    facts: Facts | None = None
    ramped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fired: set[int] = field(default_factory=set)
    pool: Int64[Tensor, "K M"] | None = None
    judged: Int64[Tensor, "K V"] | None = None

    def pool_of(self, state: State) -> Int64[Tensor, "L M"] | None:
        """The rows that the living members may train on, where each has its own."""
        return None if self.pool is None else self.pool[state.ids]

    def judged_by(self, state: State) -> Int64[Tensor, "L V"] | None:
        """The validation rows on which the living members are judged, where each has its own."""
        return None if self.judged is None else self.judged[state.ids]

    def ranges(self, members: int, batch: int) -> list[slice]:
        """The members that each worker takes."""
        n = plan.workers(self.work, members=members, batch=batch, threads=self.threads)
        edges = [round(i * members / n) for i in range(n + 1)]
        return [slice(first, last) for first, last in pairwise(edges)]

    def threads_each(self, members: int, batch: int, workers: int) -> int:
        """Threads inside each worker's operations."""
        return plan.threads_each(self.work, members=members, batch=batch, threads=self.threads, workers=workers)

    def steps(self, n: int) -> int:
        """Steps of an epoch over `n` rows."""
        return 1 if self.recipe.batch_size == "all" else math.ceil(n / self.recipe.batch_size)


def drawing_places(template: nn.Module, recipe: Recipe) -> tuple[str, ...]:
    """The places that draw at random at each step."""
    named = template.named_modules()
    layers = [f"{path}.key".lstrip(".") for path, module in named if draws(module)]
    return (*layers, *places_of(recipe))


@dataclass(frozen=True, eq=False)
class Epoch:
    """One pass over the training rows, as every member makes it.

    Attributes:
        number: Epochs before this one.
        edges: Where each step's rows begin in a member's order, and where the last step's end.
        total: Steps of the whole training.
    """

    number: int
    edges: list[int]
    total: int

    @property
    def steps(self) -> int:
        """Steps of this epoch."""
        return len(self.edges) - 1

    def keys(self, seeds: Tensor, place: str, steps: range) -> Int64[Tensor, "S K"]:
        """The keys of one place for some steps of this epoch."""
        first = self.number * self.steps
        step = torch.arange(first + steps.start, first + steps.stop, device=seeds.device)
        return make_key(seeds, step=step.unsqueeze(1), place=place)


def epoch_of(training: Training, state: State, rows: Rows) -> Epoch:
    """The epoch that a state is in; it is split into batches whose sizes differ by one at most."""
    n = len(rows) if state.owned is None else state.owned.shape[1]
    steps = training.steps(n)
    edges = [round(i * n / steps) for i in range(steps + 1)]
    return Epoch(state.step // steps, edges, steps * training.recipe.epochs)


def order_of(state: State, epoch: Epoch) -> Int64[Tensor, "K M"]:
    """The order in which each member sees its rows in an epoch."""
    order = permutation(make_key(state.seeds, step=epoch.number, place="order"), epoch.edges[-1])
    return order if state.owned is None else state.owned.gather(1, order)


def run_steps(
    training: Training, state: State, forward: Forward, rows: Rows, order: Tensor, epoch: Epoch, steps: range
) -> Float[Tensor, "S K"]:
    """Train some members, in place, through some steps of an epoch; their losses at each."""
    recipe = state.bound(training.recipe)
    one = len(state) == 1
    leaves = {name: (p[0] if one else p).detach().requires_grad_() for name, p in state.parameters.items()}
    shard = Shard(
        state, Places.of(recipe), leaves, forward, training.criterion, training.classes, training.facts, training.fired
    )
    keys = {place: epoch.keys(state.seeds, place, steps) for place in training.drawing}
    losses = torch.empty(len(steps), len(state), dtype=state.loss_sum.dtype, device=order.device)
    for i, step in enumerate(steps):
        index = order[:, epoch.edges[step] : epoch.edges[step + 1]]
        now = epoch.number * epoch.steps + step
        drawn = {place: key[i] for place, key in keys.items()}
        if recipe.ramps:
            present = recipe.at(now, epoch.total)
            shard = replace(shard, places=Places.of(present))
            drawn |= strengths_inside(training, present, state)
        moment = Moment(now + 1, epoch.steps, epoch.total)
        losses[i] = update_(shard, rows, index, drawn, moment=moment, factor=recipe.schedule.factor(now, epoch.total))
    return losses


def strengths_inside(training: Training, present: Recipe, state: State) -> dict[str, Tensor]:
    """The present values of ramped strengths by the names that the network's layers know, one a member."""
    values, like = present.strengths(), next(iter(state.parameters.values())).new_ones(len(state))
    return {name: values[strength] * like for strength, names in training.ramped.items() for name in names}


@dataclass(eq=False)
class Anchor:
    """The members as they stood a moment ago, from where a failing one is repeated to see where it fails.

    Attributes:
        states: The members of each worker at that moment; none before the first.
        taken: When, on a clock that never goes back.
    """

    states: list[State] = field(default_factory=list)
    taken: float = -math.inf


def train_epoch(
    crew: Crew, training: Training, state: State, record: Record, rows: Rows, anchor: Anchor
) -> Iterator[tuple[State, float]]:
    """Train all members through the rest of an epoch: after each segment, the state and the share of the epoch done."""
    epoch = epoch_of(training, state, rows)
    batch = math.ceil(epoch.edges[-1] / epoch.steps)
    ranges = training.ranges(len(state), batch)
    threads = training.threads_each(len(state), batch, len(ranges))
    done, orders = state.step % epoch.steps, dict[int, Tensor]()
    while done < epoch.steps:
        steps, began = range(done, min(done + crew.stride, epoch.steps)), time.monotonic()
        anchored = began - anchor.taken > SEGMENT_SECONDS

        def segment(
            forward: Forward, i: int, state: State = state, steps: range = steps, anchored: bool = anchored
        ) -> tuple[State | None, Float[Tensor, "S K"]]:
            members = state.take(ranges[i])
            if i not in orders:
                orders[i] = order_of(members, epoch)
            before = members.copy() if anchored else None
            return before, run_steps(training, members, forward, rows, orders[i], epoch, steps)

        done_by = crew.run(segment, shares=len(ranges), threads=threads, mode="train")
        if anchored:
            anchor.states, anchor.taken = [before for before, _ in done_by if before is not None], began
        losses = torch.cat([losses for _, losses in done_by], dim=1)
        if not torch.isfinite(losses).all():
            _record_failures(training, anchor, state, losses, record, rows)
        state = replace(state, loss_sum=state.loss_sum + losses.sum(0), step=state.step + len(steps))
        done = steps.stop
        spent = max(time.monotonic() - began, 1e-6)
        crew.stride = max(1, round(SEGMENT_SECONDS * len(steps) / spent))
        yield state, done / epoch.steps


def _record_failures(
    training: Training, anchor: Anchor, state: State, losses: Float[Tensor, "S K"], record: Record, rows: Rows
) -> None:
    """Repeat each member that failed in a segment alone, up to the step that failed, and name the layer there.

    Args:
        training: What stays the same.
        anchor: The members at or before the beginning of the segment.
        state: The members whose losses these are; its `step` is that of the segment's beginning.
        losses: Of each step of the segment.
        record: Where failures are noted.
        rows: The training rows.
    """
    network = copy.deepcopy(training.template).train()
    forward = stack_forward(network)
    for k in (~torch.isfinite(losses)).any(0).nonzero().flatten().tolist():
        member_id = int(state.ids[k])
        if member_id in record.failures:
            continue
        failing = state.step + int((~torch.isfinite(losses[:, k])).nonzero()[0])
        member = next(s.take((s.ids == member_id).nonzero().flatten()) for s in anchor.states if member_id in s.ids)
        while True:
            epoch = epoch_of(training, member, rows)
            order = order_of(member, epoch)
            first, last = member.step % epoch.steps, min(failing - epoch.number * epoch.steps, epoch.steps)
            run_steps(training, member, forward, rows, order, epoch, range(first, last))
            member = replace(member, step=epoch.number * epoch.steps + last)
            if last < epoch.steps:
                break
        index = order[:, epoch.edges[last] : epoch.edges[last + 1]]
        drawn = {place: epoch.keys(member.seeds, place, range(last, last + 1))[0] for place in training.drawing}
        member = replace(member, buffers=member.buffers | drawn)
        record.failures[member_id] = name_failure(network, member, gather(rows, index, training.classes))
