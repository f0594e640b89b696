"""Between epochs: statistics measured on all rows, snapshots, curves that rules of the end see."""

from dataclasses import dataclass

import torch
from tests.population.test_population import build, recipe, trained
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader

from wellposed.inputs.dataset import Rows
from wellposed.nets.net import Inputs
from wellposed.population.population import Population
from wellposed.techniques import BatchNorm, Dropout, He
from wellposed.techniques.places import AverageTechnique, Curves, EndTechnique, Moment, SnapshotTechnique, Tensors


@dataclass(frozen=True, kw_only=True)
class Last(AverageTechnique):
    """The last weights, whose statistics are measured."""

    def average_(self, mean: Tensors, tensors: Tensors, moment: Moment) -> None:
        for name, tensor in mean.items():
            tensor.copy_(tensors[name])

    @property
    def refreshes(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Every(SnapshotTechnique):
    """After each second epoch."""

    @property
    def slots(self) -> int:
        return 2

    def slot(self, epoch: int, epochs: int) -> int | None:
        return epoch // 2 - 1 if epoch % 2 == 0 else None


class WithNorm(nn.Module):
    """A user's network, whose norm is PyTorch's."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.parts(x)
        return out


def test_measured_statistics_are_those_of_update_bn(rows: Rows, validation: Rows) -> None:
    """Of a user's norm and of this package's, with dropout off as it is when the networks answer."""
    chosen = recipe(epochs=2, techniques=(Last(),))
    for factory, name in ((WithNorm, "parts.1"), (None, "1")):
        own = chosen if factory else recipe(epochs=2, techniques=(He(), BatchNorm(), Dropout(rate=0.4), Last()))
        population = Population(own, inputs=Inputs((6,)), outputs=3, members=3, factory=factory, dtype=torch.float64)
        trained(population, rows, validation)
        best = population.record.best
        for k in range(3):
            network = WithNorm().double()
            if factory is None:
                network.parts = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8)).double()
            known = {n: best[f"{n}" if factory else n.removeprefix("parts.")][k] for n, _ in network.named_parameters()}
            network.load_state_dict(known, strict=False)
            for module in network.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0
            update_bn(DataLoader(rows.x, batch_size=12), network)
            expected = network.parts[1]
            torch.testing.assert_close(best[f"{name}.running_mean"][k], expected.running_mean, rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(best[f"{name}.running_var"][k], expected.running_var, rtol=1e-10, atol=1e-12)


def test_snapshots_are_kept_and_answer_as_members(rows: Rows, validation: Rows) -> None:
    population = build(recipe(epochs=4, techniques=(He(), Every())), members=3)
    seen = []
    for _ in population.train(rows, validation):
        if population.record.epochs in (2, 4) and population.state.step % 10 == 0:
            seen.append({name: p.clone() for name, p in population.state.parameters.items()})
    assert population.usable().tolist() == list(range(6))
    assert population.record.best_epoch.tolist() == [2, 2, 2, 4, 4, 4]
    for name, kept in population.record.best.items():
        assert torch.equal(kept[:3], seen[0][name])
    assert population.outputs_of(validation).shape == (6, 60, 3)
    assert population.seeds_of_usable().tolist() == population.seeds.tolist() * 2
    expected = population.outputs_of(validation).softmax(-1).mean(0)
    torch.testing.assert_close(population.predict(validation), expected)


@dataclass(frozen=True, kw_only=True)
class StopAfter(EndTechnique):
    """Stops every member after so many epochs."""

    epochs: int = 1

    def ended(self, curves: Curves) -> Tensor:
        return torch.full((len(curves.train),), curves.train.shape[1] >= self.epochs)


def test_the_first_snapshot_is_kept_whatever_it_scores(rows: Rows, validation: Rows) -> None:
    population = build(recipe(epochs=4, techniques=(He(), Every())), members=3)
    population.record.best_score[:] = 0.0  # no loss is lower
    trained(population, rows, validation)
    assert population.record.best_epoch.tolist() == [2, 2, 2, 4, 4, 4]


def test_members_that_stop_before_their_first_snapshot_answer_with_what_they_have(rows: Rows, validation: Rows) -> None:
    for stop, expected in ((1, [1, 1, 0, 0]), (2, [2, 2, 0, 0]), (3, [2, 2, 0, 0])):
        chosen = recipe(epochs=6, techniques=(He(), Every(), StopAfter(epochs=stop)))
        population = trained(build(chosen, members=2), rows, validation)
        assert population.record.best_epoch.tolist() == expected and population.record.ended.tolist() == [stop] * 2
        without = trained(build(chosen, members=2), rows)
        assert without.record.best_epoch.tolist() == expected


def test_training_that_is_left_spoils_no_snapshot(rows: Rows, validation: Rows) -> None:
    for after, expected in ((1, [1, 1, 0, 0]), (2, [2, 2, 0, 0]), (3, [2, 2, 0, 0]), (5, [2, 2, 4, 4])):
        population = build(recipe(epochs=20, techniques=(He(), Every())), members=2)
        kept = {}
        for _ in population.train(rows, validation):
            if population.record.epochs == 2 and population.state.step % 10 == 0:
                kept = {name: tensor.clone() for name, tensor in population.record.best.items()}
            if population.record.epochs == after:
                break
        population.settle(rows, validation)
        assert population.record.best_epoch.tolist() == expected
        for name, tensor in population.record.best.items() if after > 1 else ():
            assert torch.equal(tensor[:2], kept[name][:2])


SEEN: list[Curves] = []


@dataclass(frozen=True, kw_only=True)
class Spy(EndTechnique):
    """Never stops."""

    def ended(self, curves: Curves) -> Tensor:
        found = curves.gradients()
        SEEN.append(curves._replace(gradients=lambda: found))
        return torch.zeros(len(curves.train), dtype=torch.bool)


def test_rules_of_the_end_see_curves_time_and_gradients(rows: Rows, validation: Rows) -> None:
    SEEN.clear()
    population = trained(build(recipe(epochs=3, techniques=(He(), Spy())), members=2), rows, validation)
    last = SEEN[-1]
    torch.testing.assert_close(last.validation, torch.stack(population.record.validation_loss).T)
    torch.testing.assert_close(last.train, torch.stack(population.record.train_loss).T)
    assert [curves.seconds for curves in SEEN] == sorted(curves.seconds for curves in SEEN)
    count = sum(p.numel() for p in population.blueprint.template.parameters())
    assert last.gradients().shape == (2, 32, count)


def test_a_key_is_no_statistic(rows: Rows, validation: Rows) -> None:
    """Dropout beside a measured norm keeps drawing what it drew without the measuring."""
    techniques = (He(), BatchNorm(), Dropout(rate=0.4))
    plain = trained(build(recipe(epochs=2, techniques=techniques), members=2), rows, validation)
    measured = trained(build(recipe(epochs=2, techniques=(*techniques, Last())), members=2), rows, validation)
    assert torch.equal(torch.stack(plain.record.train_loss), torch.stack(measured.record.train_loss))
