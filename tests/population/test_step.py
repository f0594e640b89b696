"""One update: its gradient is that of the formula, its places run in the order written."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pytest
import torch
import torch.nn.functional as F
from tests.population.conftest import made_rows
from torch import Tensor, nn

from wellposed.inputs.dataset import Rows
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.optimizers import SGD, Adam
from wellposed.population.population import Population
from wellposed.population.step import (
    CRITERIA,
    Places,
    apart,
    cross_entropy,
    gather,
    mean_by_weight,
    network_inputs,
    places_of,
    squared_error,
)
from wellposed.random import Key
from wellposed.recipe import Ramp, Recipe
from wellposed.schedules import Constant, Linear
from wellposed.techniques import EMA, L1, L2, ClipNorm, Dropout, InputNoise, LabelSmoothing, MaxNorm, RDrop, WeightDecay
from wellposed.techniques.places import (
    Answers,
    AnswerTechnique,
    AverageTechnique,
    Batch,
    BatchTechnique,
    GradientTechnique,
    LossTechnique,
    Moment,
    PointTechnique,
    Tensors,
    UpdateTechnique,
)
from wellposed.techniques.technique import Strength, Technique

TIGHT = {"rtol": 1e-12, "atol": 1e-12}
"""Of one step in float64; sums may be taken in another order."""
ONE = Recipe(net=MLP(widths=(5,), activation="tanh"), optimizer=SGD(learning_rate=1.0), epochs=1, batch_size="all")


def stepped(population: Population, rows: Rows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters before and after training."""
    before = {name: p.clone() for name, p in population.state.parameters.items()}
    for _ in population.train(rows):
        pass
    return before, {name: population.record.best[name] for name in before}


def leaves(before: dict[str, Tensor], k: int) -> dict[str, Tensor]:
    return {name: p[k].clone().requires_grad_() for name, p in before.items()}


def mlp(x: Tensor, p: dict[str, Tensor]) -> Tensor:
    return torch.tanh(x @ p["0.weight"].T + p["0.bias"]) @ p["2.weight"].T + p["2.bias"]


def test_the_gradient_of_a_step_is_that_of_the_formula() -> None:
    """Weighted cross-entropy against smoothed labels, with L1 and L2, each member with its own strengths."""
    rows = replace(made_rows(20), weight=torch.linspace(0, 2, 20, dtype=torch.float64))
    base = replace(ONE, techniques=(L2(where="0.*"), LabelSmoothing(), L1()))
    strengths = [(0.1, 0.01, 0.05, 0.5), (0.3, 0.02, 0.0, 1.0)]
    names = ("LabelSmoothing.amount", "L2.amount", "L1.amount", "optimizer.learning_rate")
    each = [base.with_strengths(dict(zip(names, values, strict=True))) for values in strengths]
    population = Population(each, inputs=Inputs((6,)), outputs=3, dtype=torch.float64)
    before, after = stepped(population, rows)
    for k, (smoothing, l2, l1, rate) in enumerate(strengths):
        p = leaves(before, k)
        target = F.one_hot(rows.y, 3).double() * (1 - smoothing) + smoothing / 3
        each_row = -(target * mlp(rows.x, p).log_softmax(1)).sum(1)
        weight = torch.as_tensor(rows.weight)
        data = (each_row * weight).sum() / weight.sum()
        loss = data + l2 / 2 * p["0.weight"].square().sum()
        loss = loss + l1 * (p["0.weight"].abs().sum() + p["2.weight"].abs().sum())
        for (name, leaf), gradient in zip(p.items(), torch.autograd.grad(loss, list(p.values())), strict=True):
            torch.testing.assert_close(after[name][k], leaf.detach() - rate * gradient, **TIGHT)
        torch.testing.assert_close(population.record.train_loss[0][k], data.detach(), **TIGHT)


def test_the_gradient_of_a_regression_is_that_of_the_formula() -> None:
    rows = made_rows(20)
    rows = Rows(rows.x, rows.codes, rows.x[:, :1].sin())
    population = Population(ONE, inputs=Inputs((6,)), outputs=1, task="regression", members=2, dtype=torch.float64)
    before, after = stepped(population, rows)
    for k in range(2):
        p = leaves(before, k)
        loss = ((mlp(rows.x, p) - rows.y) ** 2).mean()
        for (name, leaf), gradient in zip(p.items(), torch.autograd.grad(loss, list(p.values())), strict=True):
            torch.testing.assert_close(after[name][k], leaf.detach() - gradient, **TIGHT)


CALLS: list[str] = []


@dataclass(frozen=True, kw_only=True)
class OnBatch(BatchTechnique):
    name: str

    def batch(self, batch: Batch, key: Key) -> Batch:
        CALLS.append(self.name)
        return batch


@dataclass(frozen=True, kw_only=True)
class OnLoss(LossTechnique):
    name: str

    def penalty(self, parameters: Tensors) -> Tensor:
        CALLS.append(self.name)
        return torch.zeros(2)


@dataclass(frozen=True, kw_only=True)
class OnGradient(GradientTechnique):
    name: str

    def gradient_(self, gradients: Tensors, parameters: Tensors, key: Key, moment: Moment) -> None:
        CALLS.append(self.name)


@dataclass(frozen=True, kw_only=True)
class OnAnswer(AnswerTechnique):
    differentiates_inputs: ClassVar[bool] = False
    name: str

    def penalize(self, answers: Answers, key: Key) -> Tensor:
        CALLS.append(self.name)
        return torch.zeros(2)


@dataclass(frozen=True, kw_only=True)
class OnPoint(PointTechnique):
    needs_gradients: ClassVar[bool] = False
    name: str

    def point(self, parameters: Tensors, gradients: Tensors, key: Key) -> dict[str, Tensor]:
        CALLS.append(self.name)
        return {name: p.clone() for name, p in parameters.items()}


@dataclass(frozen=True, kw_only=True)
class Before(UpdateTechnique):
    when: ClassVar[Literal["before", "after"]] = "before"
    name: str

    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        CALLS.append(f"{self.name} at {learning_rate}")


@dataclass(frozen=True, kw_only=True)
class After(UpdateTechnique):
    when: ClassVar[Literal["before", "after"]] = "after"
    name: str

    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        CALLS.append(f"{self.name} at {learning_rate}")


@dataclass(frozen=True, kw_only=True)
class OnAverage(AverageTechnique):
    name: str

    def average_(self, mean: Tensors, tensors: Tensors, moment: Moment) -> None:
        CALLS.append(f"{self.name} at {moment.step}")

    @property
    def refreshes(self) -> bool:
        return False


WRITTEN = (
    OnBatch(name="a"), OnLoss(name="b"), OnGradient(name="c"), Before(name="d"), After(name="e"),
    OnBatch(name="A"), OnLoss(name="B"), OnGradient(name="C"), Before(name="D"), After(name="E"), OnAverage(name="f"),
    OnAnswer(name="p"), OnPoint(name="x"), OnAnswer(name="P"), OnPoint(name="X"),
)  # fmt: skip


def calls(techniques: tuple[Technique, ...]) -> str:
    CALLS.clear()
    population = Population(
        replace(ONE, techniques=techniques), inputs=Inputs((6,)), outputs=3, members=2, dtype=torch.float64
    )
    stepped(population, made_rows(9))
    return " ".join(CALLS)


def test_places_come_in_their_order_and_within_a_place_the_order_is_as_written() -> None:
    assert calls(WRITTEN) == "a A x X b B p P c C d at 1.0 D at 1.0 e at 1.0 E at 1.0 f at 1"
    assert calls(WRITTEN[::-1]) == "A a X x B b P p C c D at 1.0 d at 1.0 E at 1.0 e at 1.0 f at 1"


def test_the_places_of_a_recipe_are_told_apart() -> None:
    recipe = replace(ONE, techniques=(MaxNorm(), WeightDecay(), L2(), EMA(), ClipNorm(), L1(), InputNoise()))
    assert vars(Places.of(recipe)) == {
        "batch": (InputNoise(),),
        "points": (),
        "loss": (L2(), L1()),
        "answers": (),
        "gradient": (ClipNorm(),),
        "before": (WeightDecay(),),
        "optimizer": ONE.optimizer,
        "after": (MaxNorm(),),
        "average": (EMA(),),
    }
    assert places_of(recipe) == ["batch.0", "gradient.0"]


class Added(nn.Module):
    """Two biases that are added: autograd gives both one and the same gradient. A third is expanded."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.a, self.b = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))
        self.c = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x) + (self.a + self.b) + self.c.sum()
        return out


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("limit", [0.05, 100.0])
def test_gradients_that_share_memory_are_clipped_once(members: int, limit: float) -> None:
    rows = made_rows(20)
    rows = Rows(rows.x, rows.codes, rows.x[:, :3] * 9)
    recipe = replace(ONE, techniques=(ClipNorm(limit=limit),))
    population = Population(
        recipe, inputs=Inputs((6,)), outputs=3, task="regression", members=members, factory=Added, dtype=torch.float64
    )
    before, after = stepped(population, rows)
    for k in range(members):
        model = Added().double()
        model.load_state_dict({name: p[k] for name, p in before.items()})
        (model(rows.x) - rows.y).square().mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), limit)
        for name, p in model.named_parameters():
            torch.testing.assert_close(after[name][k], before[name][k] - torch.as_tensor(p.grad), **TIGHT)


def test_gradients_are_put_in_memory_of_their_own_only_where_they_share_it() -> None:
    one, other = torch.randn(2, 3), torch.randn(2, 3)
    found = apart([one, other, one, one.view(3, 2), torch.ones(2, 1).expand(2, 3)])
    assert found[0] is one
    assert found[1] is other
    assert len({t.data_ptr() for t in found}) == 5
    assert torch.equal(found[3], one.view(3, 2))
    assert found[4].is_contiguous()


def test_without_gradient_techniques_shared_gradients_are_as_good() -> None:
    rows = made_rows(20)
    rows = Rows(rows.x, rows.codes, rows.x[:, :3])
    recipe = replace(ONE, optimizer=Adam(learning_rate=0.1), epochs=3)
    population = Population(
        recipe, inputs=Inputs((6,)), outputs=3, task="regression", members=2, factory=Added, dtype=torch.float64
    )
    before, after = stepped(population, rows)
    model = Added().double()
    model.load_state_dict({name: p[1] for name, p in before.items()})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (model(rows.x) - rows.y).square().mean().backward()
        optimizer.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(after[name][1], p.detach(), rtol=1e-9, atol=1e-9)


def test_other_draws_are_asked_for_at_the_strengths_of_that_moment() -> None:
    """A ramp that stays at 1 is no ramp, also for what asks the network twice."""
    recipe = Recipe(net=MLP(widths=(5,)), epochs=2, batch_size=8, techniques=(Dropout(rate=0.3), RDrop()))
    found = []
    for schedule in (None, Constant(), Linear()):
        ramps = () if schedule is None else (Ramp(strength="Dropout.rate", schedule=schedule),)
        own = replace(recipe, ramps=ramps)
        population = Population(own, inputs=Inputs((6,)), outputs=3, members=2, dtype=torch.float64)
        found.append(stepped(population, made_rows(20))[1])
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, **TIGHT)
    assert not all(torch.equal(found[2][name], tensor) for name, tensor in found[0].items())


def test_batches_are_gathered_for_each_member() -> None:
    rows = Rows(
        torch.arange(12.0).view(6, 2), torch.arange(6).view(6, 1), torch.tensor([0, 1, 2, 0, 1, 2]), torch.arange(6.0)
    )
    index = torch.tensor([[5, 0], [3, 3]])
    batch = gather(rows, index, 0)
    assert torch.equal(batch.x, rows.x[index])
    assert torch.equal(batch.codes, index.unsqueeze(-1))
    assert torch.equal(batch.y, torch.tensor([[2, 0], [0, 0]]))
    assert torch.equal(torch.as_tensor(batch.weight), index.float())
    assert torch.equal(gather(rows, index, 3).y, F.one_hot(rows.y[index], 3).float())
    assert network_inputs(batch) == (batch.x, batch.codes)
    bare = gather(replace(rows, codes=torch.zeros(6, 0, dtype=torch.int64), weight=None), index, 0)
    assert bare.codes.shape == (2, 2, 0)
    assert bare.weight is None
    assert network_inputs(bare) == (bare.x,)


def test_criteria_are_pytorchs() -> None:
    outputs = torch.randn(2, 5, 3, dtype=torch.float64)
    y = torch.tensor([[0, 1, 2, 0, 1], [2, 2, 1, 0, 0]])
    empty = torch.zeros(2, 5, 0, dtype=torch.int64)
    batch = Batch(outputs, empty, y, None)
    expected = torch.stack([F.cross_entropy(outputs[k], y[k]) for k in range(2)])
    torch.testing.assert_close(cross_entropy(outputs, batch), expected, **TIGHT)
    torch.testing.assert_close(cross_entropy(outputs, batch._replace(y=F.one_hot(y, 3).double())), expected, **TIGHT)
    numbers = torch.randn(2, 5, 1, dtype=torch.float64)
    expected = torch.stack([F.mse_loss(outputs[k, :, :1], numbers[k]) for k in range(2)])
    torch.testing.assert_close(squared_error(outputs[..., :1], batch._replace(y=numbers)), expected, **TIGHT)
    assert {"classification": cross_entropy, "regression": squared_error} == CRITERIA


def test_weighted_means() -> None:
    losses = torch.tensor([[1.0, 2.0, 6.0], [1.0, 2.0, 6.0]])
    assert mean_by_weight(losses, None).tolist() == [3.0, 3.0]
    assert mean_by_weight(losses, torch.tensor([[1.0, 1.0, 2.0], [0.0, 0.0, 0.0]])).tolist() == [3.75, 0.0]
