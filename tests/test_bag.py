"""A bag answers for raw rows, and is the same after a round trip through its folder; damage is told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from wellposed.bag import Bag
from wellposed.errors import BadInput
from wellposed.inputs.dataset import Part, Sequences, Texts
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.recurrent import Recurrent
from wellposed.optimizers import SGD
from wellposed.recipe import Recipe
from wellposed.schedules import CosineRestarts
from wellposed.techniques import (
    SWA,
    BatchNorm,
    Bootstrap,
    Dropout,
    GreedySelection,
    He,
    MonteCarloDropout,
    Robust,
    SnapshotEnsemble,
    Standardize,
    TemperatureScaling,
    Vote,
)
from wellposed.techniques.places import PassTechnique, TextTechnique
from wellposed.techniques.technique import Technique


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


AFTER_TRAINING: dict[str, tuple[Technique, ...]] = {
    "snapshots": (SnapshotEnsemble(count=3),),
    "passes": (Dropout(rate=0.4), MonteCarloDropout(passes=4)),
    "temperature and selection": (TemperatureScaling(), GreedySelection(steps=7)),
    "selection": (GreedySelection(steps=7),),
    "bootstrap": (Bootstrap(), SWA(), BatchNorm()),
    "all": (
        *(Bootstrap(), Dropout(rate=0.4), SnapshotEnsemble(count=2), TemperatureScaling()),
        *(MonteCarloDropout(passes=2), GreedySelection(steps=5)),
    ),
}


@pytest.mark.parametrize("name", AFTER_TRAINING)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_what_answers_after_training_goes_through_a_folder_too(name: str, task: str, tmp_path: Path) -> None:
    part, chosen = table(), AFTER_TRAINING[name]
    if task == "regression":
        part = Part(part.features, 50 * part.features["größe "].to_numpy())
        chosen = tuple(t for t in chosen if not isinstance(t, TemperatureScaling))
    recipe = Recipe(
        net=MLP(widths=(8,)), schedule=CosineRestarts(cycles=3), epochs=6, batch_size=16,
        techniques=(Standardize(), He(), *chosen),
    )  # fmt: skip
    bag = trained(part, task=task, recipe=recipe)
    bag.save(tmp_path)
    again = Bag.load(tmp_path)
    np.testing.assert_array_equal(again.answer(part.features), bag.answer(part.features))
    if not recipe.of(PassTechnique):  # a row's masks are those of its place among the rows
        few = again.answer(part.features[7:9])
        np.testing.assert_allclose(few, again.answer(part.features)[7:9], rtol=1e-4, atol=1e-5)
    rows = bag.rows(part.features)
    assert torch.equal(again.population.outputs_of(rows), bag.population.outputs_of(rows))
    again.save(tmp_path / "copy")
    np.testing.assert_array_equal(Bag.load(tmp_path / "copy").answer(part.features), bag.answer(part.features))


def test_without_rows_to_choose_by_all_members_answer(tmp_path: Path) -> None:
    part = table()
    recipe = replace(RECIPE, epochs=2, techniques=(Standardize(), TemperatureScaling(), GreedySelection()))
    bag, rows = Bag.prepare(part, task="classification", recipe=recipe, members=3, seed=1)
    for _ in bag.train(rows, None):
        pass
    answer = bag.answer(part.features)
    expected = bag.population.raw_outputs(bag.rows(part.features)).softmax(-1).mean(0)
    np.testing.assert_allclose(answer, expected.numpy(), rtol=1e-6)
    bag.save(tmp_path)
    np.testing.assert_array_equal(Bag.load(tmp_path).answer(part.features), answer)


def test_a_bag_without_a_sound_network_says_where_it_failed() -> None:
    part = table()
    bag, _ = Bag.prepare(part, task="classification", recipe=RECIPE, members=2, seed=1)
    with pytest.raises(BadInput, match=r"Got 'none: it was left before its first step'"):
        bag.refuse_untrained()
    recipe = Recipe(net=MLP(widths=(16, 16)), optimizer=SGD(learning_rate=1e8), epochs=20)
    bag = trained(Part(part.features, 1e3 * np.arange(90.0)), task="regression", recipe=recipe)
    with pytest.raises(BadInput, match=r"none: member 0 failed at step \d+ in .*Lower the learning rate"):
        bag.refuse_untrained()


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
    "a newer format": (lambda f: rewrite(f, format=99), "format 99, this wellposed reads up to 2"),
    "a path out of the folder": (lambda f: rewrite(f, files={"../x": "0"}), r"'\.\./x'\. Got none"),
    "another size": (lambda f: rewrite(f, outputs=7), "must have the shape"),
    "a name of code": (
        lambda f: rewrite(f, recipes=['[net]\nkind = "os.system"\n'] * 3),
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


def texts(n: int = 60) -> Part:
    """Short texts whose class is a word in them."""
    draw = np.random.default_rng(0)
    label = draw.integers(0, 2, n)
    other = draw.choice(["and", "so", "on", "then", "why"], (n, 3))
    words = [" ".join([*row, ["good", "bad"][code]]) for row, code in zip(other, label, strict=True)]
    return Part(Texts(np.array([*words, ""], dtype=object), "said"), np.array(["+", "-"])[np.append(label, 0)])


READING = Recipe(
    net=BagOfWords(embedding=8, widths=(8,)), epochs=40, batch_size=16, techniques=(He(), Dropout(rate=0.1), Vote())
)


def test_texts_go_through_a_folder_too(tmp_path: Path) -> None:
    part = texts()
    bag = trained(part, recipe=READING)
    assert (bag.predict(part.features) == part.target).mean() > 0.95
    assert bag.population.inputs.vocabulary == len(bag.encoder.words) == 9
    bag.save(tmp_path)
    again = Bag.load(tmp_path)
    np.testing.assert_array_equal(again.answer(part.features), bag.answer(part.features))
    assert again.encoder == bag.encoder
    unseen = Texts(np.array(["", "zzz", "good " * 500], dtype=object), "said")
    assert np.isfinite(again.answer(unseen)).all()


@dataclass(frozen=True, kw_only=True)
class Answering(TextTechnique):
    """Puts a word before each text."""

    word: str = "well"

    def texts(self, texts: Sequence[str]) -> list[str]:
        return [f"{self.word} {text}" for text in texts]


def test_other_versions_of_texts_are_rows_behind_the_training_texts() -> None:
    part, n = texts(), 61
    recipe = Recipe(net=READING.net, techniques=(Answering(), Answering(word="now")))
    weight = np.linspace(1, 2, n)
    bag, rows = Bag.prepare(part, task="classification", recipe=recipe, members=1, seed=0, weight=weight)
    assert len(rows) == 3 * n and "well" in bag.encoder.words and "now" in rows.words
    for i, word in enumerate((None, "well", "now")):
        own = rows.take(torch.arange(i * n, (i + 1) * n))
        assert own.y.tolist() == rows.y[:n].tolist()
        assert own.weight is not None and own.weight.tolist() == torch.as_tensor(weight).float().tolist()
        written = [rows.words[code] for code in own.codes[0].tolist() if code]
        assert written == str(part.features.values[0]).split() if word is None else written[0] == word
    assert torch.equal(bag.rows(part.features).codes, rows.codes[:n])  # rows to answer for have one version


def test_techniques_for_another_kind_of_data_are_refused() -> None:
    with pytest.raises(BadInput, match=r"Robust must go with numbers. Got 'texts'. Leave it out of the recipe"):
        Bag.prepare(texts(), task="classification", recipe=RECIPE, members=1, seed=0)
    recipe = Recipe(techniques=(Answering(),))
    with pytest.raises(BadInput, match=r"Answering must go with texts. Got 'a table'"):
        Bag.prepare(table(), task="classification", recipe=recipe, members=1, seed=0)


def sequences(n: int = 40) -> Part:
    """Sequences of 3 to 8 steps that rise or fall."""
    draw = np.random.default_rng(0)
    lengths, label = draw.integers(3, 9, n), draw.integers(0, 2, n)
    slopes = [np.arange(k) * (1 if up else -1) for k, up in zip(lengths, label, strict=True)]
    steps = pd.DataFrame({"a": 50 + np.concatenate(slopes) + 0.1 * draw.standard_normal(lengths.sum())})
    steps["b"] = draw.standard_normal(len(steps)) * 1000
    return Part(Sequences(steps, lengths, np.arange(n), "id", "t"), np.array(["down", "up"])[label])


FOLLOWING = Recipe(
    net=Recurrent(states=(8,), widths=(8,)), epochs=30, batch_size=10, techniques=(Standardize(), He(), Vote())
)


def test_sequences_are_scaled_by_their_steps_and_not_by_the_padding() -> None:
    part = sequences()
    weight = np.linspace(1, 2, 40)
    bag, rows = Bag.prepare(part, task="classification", recipe=FOLLOWING, members=1, seed=0, dtype=torch.float64)
    steps, lengths = part.features.steps, part.features.lengths
    oracle = StandardScaler().fit_transform(steps)
    real = torch.arange(8) < torch.as_tensor(lengths)[:, None]
    np.testing.assert_allclose(rows.x[real].numpy(), oracle, rtol=1e-10)
    assert (rows.x[~real] == 0).all() and rows.codes.flatten().tolist() == lengths.tolist()
    assert bag.population.inputs.shape == (8, 2)
    torch.testing.assert_close(bag.rows(part.features).x, rows.x, rtol=0, atol=0)
    _, rows = Bag.prepare(
        part, task="classification", recipe=FOLLOWING, members=1, seed=0, weight=weight, dtype=torch.float64
    )
    oracle = StandardScaler().fit(steps, sample_weight=np.repeat(weight, lengths)).transform(steps)
    np.testing.assert_allclose(rows.x[real].numpy(), oracle, rtol=1e-10)


@pytest.mark.parametrize("net", [FOLLOWING.net, MLP(widths=(8,))])
def test_sequences_go_through_a_folder_too(tmp_path: Path, net: Recurrent | MLP) -> None:
    part = sequences()
    bag = trained(part, recipe=Recipe(net=net, epochs=30, batch_size=10, techniques=(Standardize(), He(), Vote())))
    assert (bag.predict(part.features) == part.target).mean() > 0.9
    bag.save(tmp_path)
    np.testing.assert_array_equal(Bag.load(tmp_path).answer(part.features), bag.answer(part.features))


def test_a_model_of_the_first_format_is_read(bag: Bag, tmp_path: Path) -> None:
    """It had one recipe for all members."""
    bag.save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    rewrite(tmp_path, format=1, recipe=manifest["recipes"][0])
    part = table()
    np.testing.assert_array_equal(Bag.load(tmp_path).answer(part.features), bag.answer(part.features))
