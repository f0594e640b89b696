"""Networks that have rows of their own, trained as few populations as may be.

The rows of each network are a block among the rows of its population, encoded by what its own training rows teach.
Networks of one structure whose blocks look alike share a population, until it would take too many bytes. Networks that
look at all rows of a population at once train alone. The numbers are the same, up to rounding, however the networks are
put together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.bag import Bag
from wellposed.inputs.dataset import Rows, Task
from wellposed.inputs.parts import Split
from wellposed.nets.net import Inputs
from wellposed.population import plan
from wellposed.population.build import build_template
from wellposed.population.population import Population, Progress
from wellposed.population.start import facts_of
from wellposed.recipe import Recipe
from wellposed.techniques import TimeBudget, Vote
from wellposed.techniques.places import (
    BatchTechnique,
    GrowthTechnique,
    OutputTechnique,
    PredictionTechnique,
    StartTechnique,
    TextTechnique,
)

ALONE = (GrowthTechnique, TextTechnique, StartTechnique, OutputTechnique, TimeBudget)
"""Techniques that look at all rows of a population, or at its clock."""
MOST_BYTES = 1 << 30
"""That the rows and the weights of one population may take, about."""
MOST_MEMBERS = 128
"""Of one population."""
COPIES = 6
"""Of its weights, about, that a network keeps while it trains: with gradients, the optimizer's memory and the best."""


@dataclass(frozen=True, eq=False)
class Block:
    """The rows of one network as it sees them.

    Attributes:
        train: To train on.
        validation: To stop by.
        test: To be judged by.
        truth: What the answers on the test rows should be: class codes, or numbers in their own unit.
        constant: What is known without looking at a row: the shares of the classes, or the mean.
        scale: Mean and deviation of the training targets; (0, 1) for classes.
        inputs: What a row looks like.
        outputs: Classes, or 1.
    """

    train: Rows
    validation: Rows
    test: Rows
    truth: Tensor
    constant: Float[Tensor, " C"]
    scale: tuple[float, float]
    inputs: Inputs
    outputs: int

    @property
    def n_bytes(self) -> int:
        """What its rows take."""
        parts = (self.train, self.validation, self.test)
        return sum(t.numel() * t.element_size() for rows in parts for t in (rows.x, rows.codes, rows.y))

    def constant_answer(self) -> Float[Tensor, "N C"]:
        """The same for each test row."""
        return self.constant.expand(len(self.test), -1)


@dataclass(frozen=True, eq=False)
class Job:
    """One network to train: what it is, its seed, and its rows."""

    recipe: Recipe
    seed: int
    block: Block


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one network.

    Attributes:
        answer: On its test rows, in the unit of their truth; None where there are no finite numbers.
        failed: Whether its numbers stopped being finite in training.
        epochs: That it trained for.
        flops: Floating-point operations of its training, about: those of affine layers, forwards and backwards.
        seconds: Of its training: its share of its population's, by epochs.
    """

    answer: Float[Tensor, "N C"] | None
    failed: bool
    epochs: int
    flops: float
    seconds: float


def encode(parts: Split, *, task: Task, recipe: Recipe, dtype: torch.dtype) -> Block:
    """The rows of a split as a recipe's networks see them.

    Args:
        parts: The split.
        task: What is asked.
        recipe: Its data techniques are fitted to the training rows.
        dtype: Of the networks.
    """
    bag, train = Bag.prepare(parts.train, task=task, recipe=recipe, members=1, seed=0, dtype=dtype)
    validation, test = (bag.rows(part.features, part.target) for part in (parts.validation, parts.test))
    outputs, truth = bag.population.outputs, test.y
    if task == "classification":
        constant = torch.bincount(train.y, minlength=outputs).double() / len(train)
    else:
        truth = torch.as_tensor(parts.test.target.astype(np.float64))
        constant = torch.tensor([bag.target.scale[0]], dtype=torch.float64)
    return Block(train, validation, test, truth, constant, bag.target.scale, bag.population.inputs, outputs)


def train_jobs(
    jobs: Sequence[Job],
    *,
    task: Task,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    most_bytes: int = MOST_BYTES,
    progress: Callable[[float], None] | None = None,
) -> list[Outcome]:
    """Train networks and ask each about its test rows; what came of them, in order.

    Args:
        jobs: The networks.
        task: What is asked.
        device: Where they train.
        dtype: Of the networks.
        most_bytes: That the rows and the weights of one population may take, about.
        progress: Told the share of the networks that are trained, again and again.
    """
    together: dict[tuple[object, ...], list[int]] = {}
    for i, job in enumerate(jobs):
        together.setdefault(company(job, i), []).append(i)
    found: dict[int, Outcome] = {}
    for group in together.values():
        for shard in _shards(group, jobs, dtype, most_bytes):
            mine = [jobs[i] for i in shard]
            population = _population(mine, task, device, dtype)
            for step in _training(population, mine):
                if progress is not None:
                    progress((len(found) + len(mine) * min(1.0, step.epoch / step.epochs)) / len(jobs))
            found |= zip(shard, _outcomes(population, mine), strict=True)
            if progress is not None:
                progress(len(found) / len(jobs))
    return [found[i] for i in range(len(jobs))]


def company(job: Job, number: int) -> tuple[object, ...]:
    """What two networks must have in common to train in one population.

    Args:
        job: The network.
        number: Its own, which nobody shares with one that trains alone.
    """
    recipe, block = job.recipe, job.block
    joins = all(isinstance(t, Vote) for t in recipe.of(PredictionTechnique))
    if not joins or any(isinstance(t, ALONE) for t in recipe.techniques):
        return ("alone", number)
    sizes = tuple(len(rows) for rows in (block.train, block.validation, block.test))
    told: tuple[object, ...] = ()
    if recipe.of(BatchTechnique):  # what these are told of the data, they are told of all rows
        facts = facts_of(block.train)
        told = facts.words
        if block.inputs.kind == "images":
            told = (*facts.low.tolist(), *facts.high.tolist())
    return (recipe.structure(), block.inputs, block.outputs, sizes, told)


def _shards(group: Sequence[int], jobs: Sequence[Job], dtype: torch.dtype, most_bytes: int) -> Iterator[list[int]]:
    """The numbers of a group of jobs in order, in as many populations as memory asks for."""
    first = jobs[group[0]]
    template = build_template(
        first.recipe, inputs=first.block.inputs, outputs=first.block.outputs, factory=None, dtype=dtype,
        device=torch.device("cpu"),
    ).template  # fmt: skip
    weights = COPIES * sum(p.numel() * p.element_size() for p in template.parameters())
    shard, blocks, taken = list[int](), set[Block](), 0
    for i in group:
        more = weights + (0 if jobs[i].block in blocks else jobs[i].block.n_bytes)
        if shard and (taken + more > most_bytes or len(shard) == MOST_MEMBERS):
            yield shard
            shard, blocks, taken, more = [], set(), 0, weights + jobs[i].block.n_bytes
        shard.append(i)
        blocks.add(jobs[i].block)
        taken += more
    yield shard


def _population(jobs: Sequence[Job], task: Task, device: str, dtype: torch.dtype) -> Population:
    return Population(
        [job.recipe for job in jobs],
        inputs=jobs[0].block.inputs,
        outputs=jobs[0].block.outputs,
        task=task,
        seed=[job.seed for job in jobs],
        dtype=dtype,
        device=device,
    )


def _training(population: Population, jobs: Sequence[Job]) -> Iterator[Progress]:
    """The population's training, each network on the rows of its block."""
    blocks = list(dict.fromkeys(job.block for job in jobs))
    train, validation = (joined([getattr(block, name) for block in blocks]) for name in ("train", "validation"))
    if len(blocks) == 1:
        return population.train(train, validation)
    owned, judged = (_places(jobs, blocks, len(rows) // len(blocks)) for rows in (train, validation))
    return population.train(train, validation, owned=owned, judged=judged)


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows behind each other; those of one part are that part.

    Args:
        parts: Without weights, and of the same words.
    """
    if len(parts) == 1:
        return parts[0]
    x, codes, y = (torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Rows)[:3])
    return Rows(x, codes, y, None, parts[0].words)


def _places(jobs: Sequence[Job], blocks: Sequence[Block], n: int) -> Int64[Tensor, "K n"]:
    """Where each network's rows stand, behind each other block by block."""
    return torch.tensor([[blocks.index(job.block)] for job in jobs]) * n + torch.arange(n)


def _outcomes(population: Population, jobs: Sequence[Job]) -> list[Outcome]:
    """What came of the networks of a population."""
    record, answers = population.record, _answers(population, jobs)
    work, epochs = plan.measure(population.blueprint.template, population.inputs), record.ended.tolist()
    seconds = record.seconds / max(1, sum(epochs))
    return [
        Outcome(
            answer=answers.get(k),
            failed=k in record.failures or k not in answers,
            epochs=epochs[k],
            flops=3 * work.flops * len(job.block.train) * epochs[k],
            seconds=seconds * epochs[k],
        )
        for k, job in enumerate(jobs)
    ]


def _answers(population: Population, jobs: Sequence[Job]) -> dict[int, Float[Tensor, "N C"]]:
    """What each network says of its test rows, its snapshots and passes joined; those with finite numbers only."""
    networks = population.networks()
    if not len(networks):
        return {}
    blocks = list(dict.fromkeys(job.block for job in jobs))
    test = joined([block.test for block in blocks])
    judged = None if len(blocks) == 1 else _places(jobs, blocks, len(test) // len(blocks))
    chosen = None if judged is None else judged[networks.cpu()]
    outputs = population.outputs_of(test, judged=chosen).cpu().double()
    each = outputs.view(-1, len(networks), *outputs.shape[1:])  # passes, networks with their snapshots
    found = {}
    for k, job in enumerate(jobs):
        own = each[:, (networks == k).cpu()].flatten(0, 1)
        if len(own):
            mean, deviation = job.block.scale
            answer = population.vote(own) * deviation + mean
            if bool(torch.isfinite(answer).all()):
                found[k] = answer
    return found
