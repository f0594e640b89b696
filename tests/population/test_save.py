"""Saving: the resumed training equals the uninterrupted one; a kill leaves the old or the new; others are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.population.conftest import made_rows
from tests.population.test_population import EVERYTHING, RATES, SEEDS, assert_same, build, recipe, trained, varied

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.nets.net import Inputs
from wellposed.optimizers import SGD, RMSprop
from wellposed.population import save, train
from wellposed.population.population import Population
from wellposed.population.save import resume_training, save_training
from wellposed.techniques import Patience

ROUND_OFF = {"rtol": 1e-9, "atol": 1e-9}


def everybody() -> Population:
    """Three members with their own strengths and every place in use."""
    return build([varied(i) for i in range(3)], seed=SEEDS[:3])


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the members after each step, or nearly, however fast the machine is."""
    monkeypatch.setattr(train, "SEGMENT_SECONDS", 1e-9)


def interrupted(
    make: Callable[[], Population], rows: Rows, validation: Rows | None, folder: Path, stops: list[float]
) -> Population:
    """Trained with a new population after each stop, from what the one before had saved."""
    population = make()
    for stop in stops:
        for progress in population.train(rows, validation):
            if progress.epoch >= stop:
                break
        save_training(population, folder)
        population = make()
        resume_training(population, folder)
    return trained(population, rows, validation)


def assert_same_training(a: Population, b: Population) -> None:
    assert_same(a.record.best, b.record.best)
    for ours, theirs in zip(save.curves(a).values(), save.curves(b).values(), strict=True):
        torch.testing.assert_close(ours, theirs, **ROUND_OFF, equal_nan=True)
    torch.testing.assert_close(a.record.best_score, b.record.best_score, **ROUND_OFF)
    assert a.record.best_epoch.tolist() == b.record.best_epoch.tolist()
    assert a.record.ended.tolist() == b.record.ended.tolist()
    assert a.record.failures == b.record.failures
    assert a.state.step == b.state.step


@pytest.mark.parametrize("stops", [[1.0, 3.0], [0.1, 2.5, 4.3]], ids=["at epochs", "between them"])
def test_the_resumed_training_is_the_uninterrupted_one(
    rows: Rows, validation: Rows, tmp_path: Path, stops: list[float], short_segments: None
) -> None:
    whole = trained(everybody(), rows, validation)
    assert_same_training(interrupted(everybody, rows, validation, tmp_path, stops), whole)
    assert whole.state.step == 50


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), SGD(), RMSprop(momentum=0.5)])
def test_members_that_stopped_or_failed_stay_so(
    rows: Rows, validation: Rows, tmp_path: Path, optimizer: SGD | RMSprop, short_segments: None
) -> None:
    chosen = recipe(epochs=8, optimizer=optimizer, techniques=(*EVERYTHING, Patience(epochs=1)))

    def make() -> Population:
        each = [chosen.with_strengths({"optimizer.learning_rate": rate}) for rate in (0.05, 1e-3, 1e-2, 5e-3)]
        population = build(each, seed=SEEDS[:4])
        if not population.state.step:
            population.state.parameters["8.bias"][1, 0] = 1e308
        return population

    whole = trained(make(), rows, validation)
    assert 1 in whole.record.failures
    assert_same_training(interrupted(make, rows, validation, tmp_path, [0.5, 1.0, 2.2, 4.0, 5.5]), whole)


def test_without_validation_too(rows: Rows, tmp_path: Path, short_segments: None) -> None:
    assert_same_training(interrupted(everybody, rows, None, tmp_path, [0.7, 3.0]), trained(everybody(), rows))


def test_a_training_that_is_over_stays_over(rows: Rows, validation: Rows, tmp_path: Path) -> None:
    whole = trained(everybody(), rows, validation)
    save_training(whole, tmp_path)
    again = everybody()
    resume_training(again, tmp_path)
    assert list(again.train(rows, validation)) == []
    assert_same_training(again, whole)
    assert torch.equal(again.predict(validation), whole.predict(validation))


def begun(rows: Rows) -> Population:
    """A population after one epoch."""
    population = everybody()
    next(p for p in population.train(rows) if p.epoch >= 1)
    return population


def test_one_file_of_tensors_is_kept(rows: Rows, tmp_path: Path) -> None:
    population = begun(rows)
    for _ in range(3):
        save_training(population, tmp_path / "deep" / "er")
    names = sorted(p.name for p in (tmp_path / "deep" / "er").iterdir())
    assert len(names) == 2
    assert names[1] == "training.json"


@pytest.mark.parametrize("moved", [False, True], ids=["same step", "later step"])
def test_killed_between_the_two_writes_the_old_training_is_there(
    rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    population = begun(rows)
    save_training(population, tmp_path)
    before = {name: t.clone() for name, t in population.state.parameters.items()}
    for p in population.state.parameters.values():
        p.add_(1)
    if moved:
        population.state = replace(population.state, step=17)

    def killed(path: Path, value: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(save, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            save_training(population, tmp_path)
    again = everybody()
    resume_training(again, tmp_path)
    assert again.state.step == 10
    torch.testing.assert_close(again.state.parameters, before, rtol=0, atol=0)
    save_training(population, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    resume_training(again, tmp_path)
    torch.testing.assert_close(again.state.parameters, population.state.parameters, rtol=0, atol=0)


def damage_tensors(folder: Path) -> None:
    (path,) = folder.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def shorten_tensors(folder: Path) -> None:
    (path,) = folder.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])


def remove_tensors(folder: Path) -> None:
    (path,) = folder.glob("*.safetensors")
    path.unlink()


def name_another(folder: Path) -> None:
    """A manifest cannot make the reader open a file elsewhere."""
    path = folder / "training.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"file": "../../elsewhere.safetensors"}))


@pytest.mark.parametrize("damage", [damage_tensors, shorten_tensors, remove_tensors, name_another])
def test_damaged_tensors_are_refused(rows: Rows, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    save_training(begun(rows), tmp_path)
    damage(tmp_path)
    with pytest.raises(BadInput, match=r"safetensors is damaged: its SHA-256 differs from the manifest's. Train again"):
        resume_training(everybody(), tmp_path)


@pytest.mark.parametrize("content", ["[1]", "{}", "3", '{"step": 3}'])
def test_another_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "training.json").write_text(content)
    with pytest.raises(BadInput, match=r"training.json must be the manifest of a training. Got another content.$"):
        resume_training(everybody(), tmp_path)


def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(BadInput, match=r"training.json must be JSON"):
        resume_training(everybody(), tmp_path)


def test_where_nothing_was_saved_nothing_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        resume_training(everybody(), tmp_path)
    assert str(error.value) == f"{tmp_path} must hold a training to resume. Got no training.json in it."


def wider() -> Population:
    return Population(
        [varied(i) for i in range(3)], inputs=Inputs((7,)), outputs=3, seed=SEEDS[:3], dtype=torch.float64
    )


OTHERS: dict[str, tuple[Callable[[], Population], str]] = {
    "recipe": (lambda: build([recipe(epochs=9)] * 3, seed=SEEDS[:3]), "Got another recipe: '"),
    "rates": (
        lambda: build(
            [varied(0), varied(1), varied(2).with_strengths({"optimizer.learning_rate": RATES[2] / 2})], seed=SEEDS[:3]
        ),
        "Got another strengths: '",
    ),
    "members": (lambda: build([varied(i) for i in range(4)], seed=SEEDS[:4]), "Got another "),
    "seeds": (
        lambda: build([varied(i) for i in range(3)], seed=[11, 5, 4]),
        "Got another seeds: [11, 5, -3], not [11, 5, 4].",
    ),
    "type": (
        lambda: Population([varied(i) for i in range(3)], inputs=Inputs((6,)), outputs=3, seed=SEEDS[:3]),
        "Got another dtype: 'torch.float64', not 'torch.float32'.",
    ),
    "width": (wider, "must belong to this network. Got tensors of other names or shapes."),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_belongs_to_another_training_is_refused(rows: Rows, tmp_path: Path, name: str) -> None:
    save_training(begun(rows), tmp_path)
    make, words = OTHERS[name]
    population = make()
    before = population.state
    with pytest.raises(BadInput) as error:
        resume_training(population, tmp_path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert population.state is before


def test_another_format_is_refused(rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_training(begun(rows), tmp_path)
    monkeypatch.setattr(save, "FORMAT", 2)
    with pytest.raises(BadInput, match="Got another format: 1, not 2"):
        resume_training(everybody(), tmp_path)


def test_resumed_tensors_are_in_memory_of_their_own(rows: Rows, tmp_path: Path) -> None:
    population = begun(rows)
    save_training(population, tmp_path)
    again = everybody()
    resume_training(again, tmp_path)
    next(iter(again.train(made_rows())))
    saved = everybody()
    resume_training(saved, tmp_path)
    torch.testing.assert_close(saved.state.parameters, population.state.parameters, rtol=0, atol=0)
