"""The engine's four promises: alone as among others, PyTorch's own numbers, isolation of failures, best weights."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from wellposed.population.population import Population, member_seeds
from wellposed.population.train import epoch_of, order_of
from wellposed.recipe import Recipe
from wellposed.schedules import Cosine
from wellposed.techniques import (
    EMA,
    L2,
    BatchNorm,
    Bootstrap,
    ClipNorm,
    Dropout,
    He,
    InputNoise,
    LabelSmoothing,
    MaxNorm,
    Patience,
    WeightDecay,
)

EVERYTHING = (
    Bootstrap(),
    He(),
    LabelSmoothing(amount=0.1),
    InputNoise(deviation=0.1),
    BatchNorm(),
    Dropout(rate=0.3),
    L2(amount=1e-3),
    ClipNorm(limit=1.0),
    WeightDecay(amount=0.1),
    MaxNorm(limit=3.0),
    EMA(decay=0.9),
)
ROUND_OFF = {"rtol": 1e-9, "atol": 1e-9}
"""Of 50 steps in float64, whose products are summed in another order when there are more members. The absolute part is
for biases before batch norm: their gradient is round-off alone, which Adam divides by 1e-8."""


def recipe(*, epochs: int = 5, optimizer: Optimizer | None = None, techniques: tuple = EVERYTHING) -> Recipe:
    """Ten steps an epoch on 120 rows."""
    return Recipe(
        net=MLP(widths=(8, 8)), optimizer=optimizer or Adam(), epochs=epochs, batch_size=12, techniques=techniques
    )


def build(recipes: Recipe | Sequence[Recipe], *, seed: int | Sequence[int] = 0, members: int = 1) -> Population:
    return Population(recipes, inputs=Inputs((6,)), outputs=3, members=members, seed=seed, dtype=torch.float64)


def trained(population: Population, rows: Rows, validation: Rows | None = None) -> Population:
    for _ in population.train(rows, validation):
        pass
    return population


def weights(population: Population, member: int) -> dict[str, Tensor]:
    return {name: t[member] for name, t in population.record.best.items()}


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    for name in a:
        torch.testing.assert_close(a[name], b[name], **ROUND_OFF, msg=lambda text, name=name: f"{name}: {text}")


SEEDS = [11, 5, -3, 8, 2**40, 7, 99, 123]
RATES = [1e-3, 3e-3, 1e-2, 2e-3, 5e-4, 1e-3, 4e-3, 6e-3]
DROPS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def varied(i: int) -> Recipe:
    """Member i's own learning rate and dropout."""
    return recipe().with_strengths({"optimizer.learning_rate": RATES[i], "Dropout.rate": DROPS[i]})


@pytest.mark.parametrize("member", [0, 3, 7])
def test_alone_as_among_others_with_every_place_in_use(rows: Rows, validation: Rows, member: int) -> None:
    together = trained(build([varied(i) for i in range(8)], seed=SEEDS), rows, validation)
    alone = trained(build(varied(member), seed=[SEEDS[member]]), rows, validation)
    assert alone.state.step == 50
    assert_same(weights(alone, 0), weights(together, member))
    torch.testing.assert_close(alone.record.train_loss[-1][0], together.record.train_loss[-1][member], **ROUND_OFF)


def test_the_order_of_members_does_not_matter(rows: Rows) -> None:
    forward = trained(build([varied(i) for i in range(8)], seed=SEEDS), rows)
    backward = trained(build([varied(i) for i in reversed(range(8))], seed=SEEDS[::-1]), rows)
    for i in range(8):
        assert_same(weights(forward, i), weights(backward, 7 - i))


def test_draws_are_equal_to_the_bit_alone_and_among_others(rows: Rows) -> None:
    together, alone = build(recipe(), seed=SEEDS, members=8), build(recipe(), seed=SEEDS[2:3])
    for name, tensor in together.state.parameters.items():
        assert torch.equal(tensor[2], alone.state.parameters[name][0])
    training = together._training()
    orders = [order_of(p.state, epoch_of(training, p.state, rows)) for p in (together, alone)]
    assert torch.equal(orders[0][2], orders[1][0])


def test_a_members_seed_does_not_depend_on_how_many_there_are() -> None:
    assert torch.equal(member_seeds(3, 8)[:5], member_seeds(3, 5))
    assert len(set(member_seeds(3, 1000).tolist())) == 1000


class Plain(nn.Module):
    """The recipe's network, as anybody would write it."""

    def __init__(self, start: dict[str, Tensor]) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)).double()
        self.net.load_state_dict({name: t.clone() for name, t in start.items()})

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


OPTIMIZERS: dict[str, tuple[Optimizer, Callable[..., torch.optim.Optimizer]]] = {
    "SGD": (SGD(learning_rate=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (
        SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "Adam": (Adam(learning_rate=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    "AdamW": (AdamW(learning_rate=0.01), lambda p: torch.optim.AdamW(p, lr=0.01)),
    "RMSprop": (RMSprop(learning_rate=0.01), lambda p: torch.optim.RMSprop(p, lr=0.01)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_member_equals_a_plain_loop_given_the_same_batches(rows: Rows, name: str) -> None:
    ours, theirs = OPTIMIZERS[name]
    chosen = replace(recipe(optimizer=ours, techniques=()), schedule=Cosine())
    population = build(chosen, seed=[4])
    model = Plain({k: t[0] for k, t in population.state.parameters.items()})
    optimizer = theirs(model.parameters())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    training = population._training()
    for number in range(5):
        state = replace(population.state, step=10 * number)
        epoch = epoch_of(training, state, rows)
        order = order_of(state, epoch)[0]
        for first, last in zip(epoch.edges, epoch.edges[1:], strict=False):
            batch = order[first:last]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(rows.x[batch]), rows.y[batch]).backward()
            optimizer.step()
            schedule.step()
    trained(population, rows)
    assert_same(weights(population, 0), dict(model.net.state_dict()))


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), Adam(), AdamW(), RMSprop()], ids=lambda o: type(o).__name__)
def test_a_member_that_fails_is_named_and_the_others_never_notice(
    rows: Rows, validation: Rows, optimizer: Optimizer
) -> None:
    healthy = recipe(optimizer=optimizer)
    sick = healthy.with_strengths({"optimizer.learning_rate": 1e6, "MaxNorm.limit": math.inf})
    with_sick = trained(build([healthy, healthy, sick, healthy], seed=SEEDS[:4]), rows, validation)
    all_well = trained(
        build([healthy, healthy, healthy.with_strengths({"optimizer.learning_rate": 1e-4}), healthy], seed=SEEDS[:4]),
        rows,
        validation,
    )
    assert set(with_sick.record.failures) == {2} and not all_well.record.failures
    failure = with_sick.record.failures[2]
    assert 1 < failure.step <= 50
    assert failure.where in {name for name, _ in with_sick.blueprint.template.named_modules()} | set(
        with_sick.state.parameters
    )
    assert 0 < with_sick.record.ended[2] <= 5
    for member in (0, 1, 3):
        for name, tensor in weights(with_sick, member).items():
            assert torch.equal(tensor, weights(all_well, member)[name]), name


def test_a_failing_member_leaves_the_population_but_keeps_its_best_weights(rows: Rows, validation: Rows) -> None:
    sick = recipe(epochs=8, optimizer=SGD(learning_rate=1.0), techniques=())
    population = build([sick, sick.with_strengths({"optimizer.learning_rate": 1e-3})], seed=[1, 2])
    population.state.parameters["4.bias"][0, 0] = 1e308  # overflows within a step
    lengths = [len(population.state) for _ in population.train(rows, validation)]
    assert lengths[-1] == 0 and 1 in lengths
    assert population.record.failures[0].step == 1
    assert population.usable().tolist() == [1]
    assert torch.isfinite(population.predict(validation)).all()


def test_best_weights_are_those_of_the_best_epoch(rows: Rows, validation: Rows) -> None:
    """They are compared with what the state held at each epoch, whatever ended training."""
    stopping = recipe(epochs=40, optimizer=Adam(learning_rate=0.03), techniques=(He(), BatchNorm(), Patience(epochs=3)))
    population = build(stopping, members=3)
    seen: dict[tuple[int, int], dict[str, Tensor]] = {}

    before = None
    for progress in population.train(rows, validation):
        if before is not None and progress.epoch == int(progress.epoch):
            state, epoch = before, int(progress.epoch)
            for k, member in enumerate(state.ids.tolist()):
                seen[member, epoch] = {name: t[k].clone() for name, t in state.answering().items()}
        before = population.state
    losses = torch.stack(population.record.validation_loss)
    for member in range(3):
        curve = losses[:, member]
        best = int(curve.nan_to_num(math.inf).argmin()) + 1
        assert int(population.record.best_epoch[member]) == best
        assert int(population.record.ended[member]) == min(best + 3, 40)
        assert float(population.record.best_score[member]) == float(curve[best - 1])
    found = nn.functional.cross_entropy(population.outputs_of(validation)[1], validation.y)
    torch.testing.assert_close(found, population.record.best_score[1])


def test_leaving_the_training_early_and_settling_counts_what_was_reached(rows: Rows, validation: Rows) -> None:
    population = build(recipe(epochs=1000), members=2)
    for progress in population.train(rows, validation):
        if progress.epoch > 3:
            break
    population.settle(rows, validation)
    assert len(population.usable()) == 2
    assert population.record.best_epoch.max() <= population.record.epochs


def test_without_validation_the_last_weights_count(rows: Rows) -> None:
    population = build(recipe(epochs=2, techniques=(He(), BatchNorm())), members=2)
    last = {}
    for _ in population.train(rows):
        if len(population.state):
            last = {name: t.clone() for name, t in population.state.answering().items()}
    assert population.usable().tolist() == [0, 1]
    assert population.record.best_epoch.tolist() == [2, 2]
    assert last.keys() == population.record.best.keys()


class Custom(nn.Module):
    """A user's own network: its own control flow, batch norm, dropout, and a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.2)
        self.shared = nn.Linear(8, 8)
        self.last = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(torch.relu(self.norm(self.first(x))))
        return self.last(x + torch.tanh(self.shared(self.shared(x))))


def test_any_users_module_trains_alone_as_among_others(rows: Rows, validation: Rows) -> None:
    def population(seeds: list[int]) -> Population:
        return Population(
            recipe(techniques=()), inputs=Inputs((6,)), outputs=3, members=len(seeds), seed=seeds, factory=Custom,
            dtype=torch.float64,
        )  # fmt: skip

    generator = torch.random.get_rng_state()
    together = trained(population(SEEDS[:3]), rows, validation)
    alone = trained(population(SEEDS[1:2]), rows, validation)
    assert torch.equal(generator, torch.random.get_rng_state())
    assert_same(weights(alone, 0), weights(together, 1))
    assert float(together.record.best_score.max()) < float(together.record.validation_loss[0].max())


def test_tied_and_repeated_layers_in_a_sequential(rows: Rows) -> None:
    def factory() -> nn.Module:
        layer = nn.Linear(6, 6)
        return nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(6, 3))

    population = Population(
        recipe(techniques=()), inputs=Inputs((6,)), outputs=3, members=2, factory=factory, dtype=torch.float64
    )
    assert torch.isfinite(trained(population, rows).record.train_loss[-1]).all()


def test_the_callers_threads_and_generators_stay_as_they_were(rows: Rows) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    trained(build(recipe(epochs=1), members=2), rows)
    assert torch.get_num_threads() == 1 and torch.get_default_dtype() == torch.float32
    assert torch.equal(expected, torch.rand(3))


def test_row_weights_of_zero_are_as_absent_rows() -> None:
    from tests.population.conftest import made_rows

    some = made_rows(40)
    doubled = Rows(some.x.repeat(2, 1), some.codes.repeat(2, 1), torch.cat((some.y, (some.y + 1) % 3)),
                   torch.cat((torch.ones(40), torch.zeros(40))).double())  # fmt: skip
    full = Recipe(net=MLP(widths=(8,)), optimizer=SGD(learning_rate=0.1), epochs=20, batch_size="all")
    a, b = trained(build(full), some), trained(build(full), doubled)
    assert_same(weights(a, 0), weights(b, 0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": 0}, "at least 1. Got 0"),
        ({"seed": [1, 2, 3]}, "one a member"),
        ({"factory": lambda: 3}, "torch.nn.Module"),
        ({"factory": nn.ReLU}, "parameters to train"),
    ],
)
def test_bad_arguments_are_named(change: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Population(recipe(), inputs=Inputs((6,)), outputs=3, **change)


def test_recipes_of_two_structures_are_refused() -> None:
    with pytest.raises(BadInput, match="one structure"):
        build([recipe(), recipe(epochs=6)])


def test_weights_of_another_shape_are_refused() -> None:
    population = build(recipe())
    with pytest.raises(BadInput, match=r"'4\.weight' of the weights must have the shape"):
        population.restore(population.record.best | {"4.weight": torch.zeros(1, 2)})


def test_a_clip_that_never_fires_is_told(rows: Rows) -> None:
    clips = (He(), ClipNorm(limit=1e6), ClipNorm(limit=1e-3))
    population = build(recipe(epochs=1, techniques=clips), members=2)
    assert population.idle() == []
    trained(population, rows)
    assert population.idle() == ["ClipNorm"]
    assert population.record.fired == {1}
