"""Epochs: every row once, the schedule's factor, who leaves; and the same weights from one worker or two."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.population.test_population import EVERYTHING, Custom, assert_same, build, recipe, trained
from torch import Tensor

from wellposed.inputs.dataset import Rows
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.optimizers import SGD
from wellposed.population import plan
from wellposed.population.population import Population
from wellposed.population.record import Failure
from wellposed.population.train import epoch_of, order_of
from wellposed.random import Key
from wellposed.recipe import Ramp, Recipe
from wellposed.schedules import Constant, Cosine, Steps
from wellposed.techniques import L2, BatchNorm, Bootstrap, Dropout, He, Patience
from wellposed.techniques.places import Curves, EndTechnique, PointTechnique, Tensors, UpdateTechnique
from wellposed.techniques.technique import Strength, strength

SMALL = Recipe(net=MLP(widths=(3,)), optimizer=SGD(learning_rate=0.01), epochs=2)


def numbered(n: int) -> Rows:
    return Rows(torch.arange(float(n)).view(n, 1), torch.zeros(n, 0, dtype=torch.int64), torch.arange(n) % 2)


def population_of(chosen: Recipe, *, members: int = 1) -> Population:
    return Population(chosen, inputs=Inputs((1,)), outputs=2, members=members)


POPULATION = population_of(SMALL, members=2)


@given(n=st.integers(1, 3000), size=st.integers(1, 300))
def test_batches_cover_every_row_once_and_differ_in_size_by_at_most_one(n: int, size: int) -> None:
    training = replace(POPULATION._training(), recipe=replace(SMALL, batch_size=size))
    epoch = epoch_of(training, POPULATION.state, numbered(n))
    sizes = torch.tensor(epoch.edges).diff()
    assert (epoch.edges[0], epoch.edges[-1]) == (0, n)
    assert sizes.max() - sizes.min() <= 1
    assert sizes.min() >= 1
    assert sizes.max() <= size
    if n > 1 and size > 1 and not (size == 2 and n % 2):  # an odd number of rows is no sum of twos
        assert sizes.min() >= 2
    assert len(sizes) == -(-n // size)
    assert epoch.total == len(sizes) * 2


@given(n=st.integers(1, 300), number=st.integers(0, 5))
def test_each_member_sees_every_row_once_in_an_order_of_its_own(n: int, number: int) -> None:
    training = replace(POPULATION._training(), recipe=replace(SMALL, batch_size=16))
    steps = epoch_of(training, POPULATION.state, numbered(n)).steps
    state = replace(POPULATION.state, step=number * steps)
    epoch = epoch_of(training, state, numbered(n))
    order = order_of(state, epoch)
    assert epoch.number == number
    assert torch.equal(order.sort(1).values, torch.arange(n).expand(2, n))
    if n > 20:
        assert not torch.equal(order[0], order[1])
        following = replace(state, step=(number + 1) * steps)
        assert not torch.equal(order, order_of(following, epoch_of(training, following, numbered(n))))


def test_the_whole_training_set_is_one_batch() -> None:
    training = replace(POPULATION._training(), recipe=replace(SMALL, batch_size="all"))
    assert epoch_of(training, POPULATION.state, numbered(1000)).edges == [0, 1000]


def test_a_member_that_owns_rows_sees_those() -> None:
    population = population_of(replace(SMALL, techniques=(Bootstrap(share=0.5),), batch_size=16, epochs=1), members=2)
    for _ in population.train(numbered(100)):
        pass
    owned = torch.tensor([[0, 0, 7], [3, 4, 5]])
    state = replace(POPULATION.state, owned=owned)
    order = order_of(state, epoch_of(POPULATION._training(), state, numbered(100)))
    assert torch.equal(order.sort(1).values, owned)


def test_keys_of_many_steps_are_the_keys_of_each() -> None:
    training = replace(POPULATION._training(), recipe=replace(SMALL, batch_size=10))
    state = replace(POPULATION.state, step=10)
    epoch = epoch_of(training, state, numbered(100))
    together = epoch.keys(state.seeds, "x", range(3, 7))
    assert together.shape == (4, 2)
    for i, step in enumerate(range(3, 7)):
        assert torch.equal(epoch.keys(state.seeds, "x", range(step, step + 1))[0], together[i])
    assert len(together.unique()) == 8


def test_places_that_draw_are_known() -> None:
    population = build(recipe())
    assert population._training().drawing == ("3.key", "7.key", "batch.0", "batch.1", "gradient.0")


def test_the_schedule_reaches_the_optimizer() -> None:
    """The loss is linear in the one bias that moves, so each step is the rate times a known gradient."""
    rows = Rows(torch.zeros(40, 1), torch.zeros(40, 0, dtype=torch.int64), torch.full((40, 1), 1e6))
    chosen = Recipe(net=MLP(widths=()), optimizer=SGD(learning_rate=1e-6), schedule=Cosine(), epochs=3, batch_size=10)
    population = Population(chosen, inputs=Inputs((1,)), outputs=1, task="regression", dtype=torch.float64)
    seen = []
    for progress in population.train(rows):
        if progress.epoch < 3:
            seen.append((population.state.step, float(population.state.parameters["0.bias"][0, 0])))
    b, factors = 0.0, [Cosine().factor(t, 12) for t in range(12)]
    expected = {}
    for t, factor in enumerate(factors):
        b += 1e-6 * factor * 2 * (1e6 - b)
        expected[t + 1] = b
    assert [step for step, _ in seen] == [4, 8]
    for step, value in seen:
        assert value == pytest.approx(expected[step], rel=1e-12)
    assert float(population.record.best["0.bias"][0, 0]) == pytest.approx(b, rel=1e-12)


@dataclass(frozen=True, kw_only=True)
class At(EndTechnique):
    """All stop after two epochs."""

    def ended(self, curves: Curves) -> Tensor:
        SEEN.append(tuple(curves.validation.shape))
        assert curves.train.shape[0] == len(curves.validation)
        assert curves.seconds > 0
        return torch.full((len(curves.validation),), curves.validation.shape[1] >= 2)


SEEN: list[tuple[int, ...]] = []


def test_members_that_have_stopped_are_removed(rows: Rows, validation: Rows) -> None:
    SEEN.clear()
    chosen = recipe(epochs=6, techniques=(He(), BatchNorm(), Patience(epochs=1)))
    population = build(chosen, members=4)
    lengths = []
    for progress in population.train(rows, validation):
        lengths.append(len(population.state))
        assert progress.living == len(population.state)
        assert len(population.state.parameters["0.weight"]) == len(population.state.slots["mean"]["0.weight"])
        assert (population.record.ended[population.state.ids] == 0).all()
    assert lengths[-1] == 0
    curves = torch.stack(population.record.validation_loss)
    for k, ended in enumerate(population.record.ended.tolist()):
        assert curves[:ended, k].isfinite().all()
        assert curves[ended:, k].isnan().all()
        if ended < 6:
            assert curves[ended - 1, k] >= curves[: ended - 1, k].min()


def test_end_techniques_see_the_curves_and_end_training(rows: Rows, validation: Rows) -> None:
    SEEN.clear()
    population = trained(build(recipe(epochs=9, techniques=(At(),)), members=4), rows, validation)
    assert SEEN == [(4, 1), (4, 2)]
    assert population.record.ended.tolist() == [2, 2, 2, 2]
    assert population.state.step == 20


def test_without_validation_nobody_stops_early(rows: Rows) -> None:
    SEEN.clear()
    population = trained(build(recipe(epochs=3, techniques=(At(),)), members=2), rows)
    assert SEEN == [(2, 0)] * 3
    assert population.record.ended.tolist() == [3, 3]


def test_training_losses_are_means_over_the_epochs_steps(rows: Rows) -> None:
    still = recipe(epochs=1, optimizer=SGD(learning_rate=0.0), techniques=(L2(amount=0.5),))
    population = build(still, members=2)
    tensors = {name: p.clone() for name, p in population.state.parameters.items()}
    trained(population, rows)
    for k in range(2):
        said = torch.func.functional_call(
            population.blueprint.template, {name: t[k] for name, t in tensors.items()}, (rows.x,)
        )
        expected = torch.nn.functional.cross_entropy(said, rows.y)
        torch.testing.assert_close(population.record.train_loss[0][k], expected.detach())


def test_a_step_that_spoils_the_weights_without_validation_is_a_failure() -> None:
    rows = Rows(
        torch.zeros(4, 1).double(), torch.zeros(4, 0, dtype=torch.int64), torch.full((4, 1), 1e150, dtype=torch.float64)
    )
    chosen = Recipe(net=MLP(widths=()), optimizer=SGD(learning_rate=1e9), epochs=1, batch_size="all")
    each = [chosen.with_strengths({"optimizer.learning_rate": rate}) for rate in (0.1, 1e9)]
    population = Population(each, inputs=Inputs((1,)), outputs=1, task="regression", dtype=torch.float64)
    population.state.parameters["0.bias"][1] = -1e153
    assert torch.isfinite(population.state.parameters["0.bias"]).all()
    population.state.strengths["optimizer.learning_rate"] = torch.tensor([0.1, 1e160], dtype=torch.float64)
    for _ in population.train(rows):
        pass
    assert population.record.failures == {1: Failure(1, "0.bias")}
    assert population.usable().tolist() == [0]


def test_leaving_within_the_first_epoch_and_settling_gives_answers(rows: Rows, validation: Rows) -> None:
    for held in (validation, None):
        population = build(recipe(), members=2)
        training = population.train(rows, held)
        next(training)
        training.close()
        assert population.record.epochs == 0
        population.settle(rows, held)
        assert population.usable().tolist() == [0, 1]
        assert population.outputs_of(validation).shape == (2, 60, 3)


@pytest.fixture
def two_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Switches between one worker for all members and two."""
    before = torch.get_num_threads()

    def switch(two: bool) -> None:
        torch.set_num_threads(2)
        monkeypatch.setattr(plan, "WORTH_A_WORKER", 1.0 if two else 1e30)

    yield switch
    torch.set_num_threads(before)


def images(n: int) -> Rows:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(n, 1, 8, 8, generator=draw, dtype=torch.float64)
    return Rows(x, torch.zeros(n, 0, dtype=torch.int64), (x[:, 0, 2, 2] > 0).long())


def test_two_workers_give_an_mlp_the_weights_that_one_gives(
    rows: Rows, validation: Rows, two_workers: Callable[[bool], None]
) -> None:
    found = []
    for two in (False, True):
        two_workers(two)
        population = build(recipe(techniques=EVERYTHING), members=5)
        assert len(population._training().ranges(5, 12)) == 1 + two
        found.append(trained(population, rows, validation))
        assert torch.get_num_threads() == 2
    one, two_of_them = found
    assert_same(one.record.best, two_of_them.record.best)
    torch.testing.assert_close(one.record.validation_loss, two_of_them.record.validation_loss, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(one.outputs_of(validation), two_of_them.outputs_of(validation), rtol=1e-8, atol=1e-8)


def test_two_workers_give_a_cnn_the_weights_that_one_gives(two_workers: Callable[[bool], None]) -> None:
    chosen = Recipe(
        net=CNN(channels=(3, 4), widths=(6,)), epochs=3, batch_size=10, techniques=(BatchNorm(), Dropout(rate=0.2))
    )
    found = []
    for two in (False, True):
        two_workers(two)
        population = Population(chosen, inputs=Inputs((1, 8, 8)), outputs=2, members=3, dtype=torch.float64)
        found.append(trained(population, images(60), images(20)))
    assert_same(found[0].record.best, found[1].record.best)
    assert torch.equal(found[0].record.best_epoch, found[1].record.best_epoch)


def test_two_workers_give_a_users_module_the_weights_that_one_gives(
    rows: Rows, validation: Rows, two_workers: Callable[[bool], None]
) -> None:
    """Each worker has a copy of the module of its own, because a module that is called is changed for the time."""
    found = []
    for two in (False, True):
        two_workers(two)
        population = Population(
            recipe(techniques=()), inputs=Inputs((6,)), outputs=3, members=4, factory=Custom, dtype=torch.float64
        )
        found.append(trained(population, rows, validation))
    assert_same(found[0].record.best, found[1].record.best)


def test_a_failure_in_one_workers_members_is_named_and_no_other_notices(
    rows: Rows, validation: Rows, two_workers: Callable[[bool], None]
) -> None:
    found = []
    for two in (False, True):
        two_workers(two)
        healthy = recipe(optimizer=SGD(learning_rate=0.01), techniques=(BatchNorm(), Dropout(rate=0.2)))
        population = build([healthy] * 4)
        population.state.parameters["4.bias"][3] = 1e308
        found.append(trained(population, rows, validation))
    assert found[0].record.failures == found[1].record.failures
    assert found[0].record.failures.keys() == {3}
    for name, tensor in found[0].record.best.items():
        torch.testing.assert_close(tensor[:3], found[1].record.best[name][:3], rtol=1e-9, atol=1e-9)


PACE: list[float] = []


@dataclass(frozen=True, kw_only=True)
class Paced(UpdateTechnique):
    """Writes down the strength of each step."""

    when: ClassVar[Literal["before", "after"]] = "after"
    amount: Strength = strength(2.0, valid=(0.0, 9.0), search=(0.0, 9.0))

    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        PACE.append(float(torch.as_tensor(self.amount).max()))


def test_strengths_follow_their_ramps(rows: Rows) -> None:
    PACE.clear()
    ramps = (Ramp(strength="Paced.amount", schedule=Steps(every=0.5, by=0.1)),)
    chosen = replace(recipe(epochs=2, techniques=(He(), Paced())), ramps=ramps)
    trained(build(chosen, members=2), rows)
    assert pytest.approx([2.0] * 10 + [0.2] * 10) == PACE


def test_strengths_inside_the_network_follow_theirs(rows: Rows) -> None:
    """A dropout that a ramp switches off at once trains as none; one whose ramp is constant as without a ramp."""
    dropping, still = (He(), Dropout(rate=0.5)), (He(), Dropout(rate=0.0))
    for schedule, same in ((Steps(every=(0.001,), by=0.0), still), (Constant(), dropping)):
        ramps = (Ramp(strength="Dropout.rate", schedule=schedule),)
        ramped = trained(build(replace(recipe(epochs=2, techniques=dropping), ramps=ramps), members=2), rows)
        assert_same(ramped.record.best, trained(build(recipe(epochs=2, techniques=same), members=2), rows).record.best)


def test_a_weight_is_moved_by_the_gradient_elsewhere(rows: Rows) -> None:
    """The steepest nearby point of a linear network, by PyTorch alone: SAM's step with plain gradient descent."""

    @dataclass(frozen=True, kw_only=True)
    class Uphill(PointTechnique):
        needs_gradients: ClassVar[bool] = True

        def point(self, parameters: Tensors, gradients: Tensors, key: Key) -> dict[str, Tensor]:
            return {name: p + 0.1 * gradients[name] for name, p in parameters.items()}

    linear = Recipe(
        net=MLP(widths=()), optimizer=SGD(learning_rate=0.5), epochs=1, batch_size="all", techniques=(Uphill(),)
    )
    for members in (1, 3):
        population = Population(linear, inputs=Inputs((6,)), outputs=3, members=members, dtype=torch.float64)
        start = {name: p.clone() for name, p in population.state.parameters.items()}
        trained(population, rows)
        for k in range(members):
            w, b = (start[name][k].clone().requires_grad_() for name in ("0.weight", "0.bias"))

            def slopes(w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
                loss = torch.nn.functional.cross_entropy(rows.x @ w.T + b, rows.y)
                return torch.autograd.grad(loss, (w, b))

            first = slopes(w, b)
            second = slopes(
                *(p.detach().add(g, alpha=0.1).requires_grad_() for p, g in zip((w, b), first, strict=True))
            )
            for name, p, g in zip(("0.weight", "0.bias"), (w, b), second, strict=True):
                torch.testing.assert_close(
                    population.record.best[name][k], p.detach() - 0.5 * g, rtol=1e-10, atol=1e-12
                )
