"""A bag answers for raw rows, and is the same after a round trip through its folder; damage is told."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from wellposed.bag import Bag
from wellposed.errors import BadInput
from wellposed.inputs.dataset import Part
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.techniques import BatchNorm, Dropout, He, Robust, Standardize, Vote


def table(n: int = 90) -> Part:
    """Two numbers, a category and a date that decide between three classes."""
    draw = np.random.default_rng(0)
    label = draw.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "größe ": label + 0.3 * draw.standard_normal(n),
            "noise": draw.standard_normal(n),
            "town": np.array(["A", "B", None], dtype=object)[label],
            "day": pd.date_range("2024-01-01", periods=n).astype(str),
        }
    )
    frame.loc[3, "noise"] = np.nan
    return Part(frame, np.array(["no", "maybe", "yes"])[label])


RECIPE = Recipe(
    net=MLP(widths=(16,)), epochs=60, batch_size=16,
    techniques=(Robust(), Standardize(), He(), BatchNorm(), Dropout(rate=0.1), Vote()),
)  # fmt: skip


def trained(part: Part, *, task: str = "classification", recipe: Recipe = RECIPE) -> Bag:
    bag, rows = Bag.prepare(part, task=task, recipe=recipe, members=3, seed=1)
    for _ in bag.train(rows, bag.rows(part.features, part.target)):
        pass
    return bag


@pytest.fixture(scope="module")
def bag() -> Bag:
    return trained(table())


def test_it_learns_and_answers_in_the_words_of_the_target(bag: Bag) -> None:
    part = table()
    answer = bag.answer(part.features)
    np.testing.assert_allclose(answer.sum(1), 1, atol=1e-6)
    predicted = bag.predict(part.features)
    assert set(predicted) <= {"no", "maybe", "yes"} and (predicted == part.target).mean() > 0.9
    assert list(bag.target.classes) == ["maybe", "no", "yes"]
    assert (np.array(bag.target.classes)[answer.argmax(1)] == predicted).all()


def test_scaling_is_fitted_to_the_training_rows_alone() -> None:
    part = table()
    bag, rows = Bag.prepare(part, task="classification", recipe=RECIPE, members=1, seed=0)
    torch.testing.assert_close(rows.x.mean(0), torch.zeros(rows.x.shape[1]), atol=1e-5, rtol=0)
    shifted = part.features.assign(noise=part.features["noise"] + 10)
    assert float(bag.rows(shifted).x.mean()) > float(rows.x.mean())


def test_one_row_and_unseen_values_are_answered(bag: Bag) -> None:
    row = table().features.iloc[[5]].assign(town="Nowhere", noise=1e300)
    answer = bag.answer(row)
    assert answer.shape == (1, 3) and np.isfinite(answer).all()


def test_a_folder_and_back(bag: Bag, tmp_path: Path) -> None:
    bag.save(tmp_path / "model")
    again = Bag.load(tmp_path / "model")
    np.testing.assert_array_equal(again.answer(table().features), bag.answer(table().features))
    assert again.population.recipe == bag.population.recipe
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "manifest.json", "scales.safetensors", "weights.safetensors",
    ]  # fmt: skip


def test_regression_answers_in_the_targets_own_unit(tmp_path: Path) -> None:
    part = table()
    numbers = Part(part.features, 1000 + 50 * part.features["größe "].to_numpy())
    bag = trained(numbers, task="regression")
    assert np.corrcoef(bag.predict(numbers.features), numbers.target)[0, 1] > 0.9
    assert 900 < bag.predict(numbers.features).mean() < 1200
    bag.save(tmp_path)
    np.testing.assert_array_equal(Bag.load(tmp_path).predict(numbers.features), bag.predict(numbers.features))


def test_images_go_through_a_folder_too(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = (draw.integers(0, 60, (40, 8, 8)) + 150 * labels[:, None, None]).astype(np.uint8)
    recipe = Recipe(net=CNN(channels=(4,), widths=(8,)), epochs=10, batch_size=10, techniques=(Standardize(), He()))
    bag = trained(Part(images, labels), recipe=recipe)
    assert (bag.predict(images) == labels).mean() > 0.9
    bag.save(tmp_path)
    np.testing.assert_array_equal(Bag.load(tmp_path).predict(images), bag.predict(images))


def flip_a_bit(folder: Path) -> None:
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE = {
    "a flipped bit": (flip_a_bit, r"weights\.safetensors is damaged: its SHA-256 differs"),
    "cut short": (lambda f: (f / "weights.safetensors").write_bytes(b"abc"), "SHA-256 differs"),
    "a missing file": (lambda f: (f / "scales.safetensors").unlink(), r"'scales\.safetensors'\. Got none"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "Got no manifest.json"),
    "no JSON": (lambda f: (f / "manifest.json").write_text("{"), "must be JSON"),
    "a list": (lambda f: (f / "manifest.json").write_text("[]"), "is damaged"),
    "a newer format": (lambda f: rewrite(f, format=99), "format 99, this wellposed reads up to 1"),
    "a path out of the folder": (lambda f: rewrite(f, files={"../x": "0"}), r"'\.\./x'\. Got none"),
    "another size": (lambda f: rewrite(f, outputs=7), "must have the shape"),
    "a name of code": (
        lambda f: rewrite(f, recipe='[net]\nkind = "os.system"\n'),
        r"line 2: net\.kind must name a known kind. Got 'os\.system'",
    ),
    "a missing key": (lambda f: rewrite(f, target={}), "is damaged: KeyError"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told(bag: Bag, tmp_path: Path, damage: str) -> None:
    bag.save(tmp_path)
    spoil, words = DAMAGE[damage]
    spoil(tmp_path)
    with pytest.raises(BadInput, match=words):
        Bag.load(tmp_path)


def test_a_pickle_in_disguise_is_not_executed(bag: Bag, tmp_path: Path) -> None:
    import hashlib
    import pickle

    bag.save(tmp_path)
    sentinel = tmp_path / "executed"

    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (sentinel,))

    data = pickle.dumps(Evil())
    (tmp_path / "weights.safetensors").write_bytes(data)
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    rewrite(tmp_path, files=files | {"weights.safetensors": hashlib.sha256(data).hexdigest()})
    with pytest.raises(BadInput):
        Bag.load(tmp_path)
    assert not sentinel.exists()


def test_rows_that_lack_a_column_are_refused_by_name(bag: Bag) -> None:
    with pytest.raises(BadInput, match="noise"):
        bag.answer(table().features.drop(columns=["noise"]))
