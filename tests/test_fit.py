"""The main job on small data: parts that share no row, metrics that scikit-learn confirms, a result that is plain."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics

from wellposed.errors import BadInput
from wellposed.fit import Fit
from wellposed.inputs.dataset import Data
from wellposed.inputs.load import load
from wellposed.inputs.parts import split
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.mlp import MLP
from wellposed.nets.recurrent import Recurrent
from wellposed.recipe import Recipe
from wellposed.techniques import (
    BatchNorm,
    Bootstrap,
    Dropout,
    He,
    MonteCarloDropout,
    Patience,
    SnapshotEnsemble,
    Standardize,
)
from wellposed.techniques.places import TextTechnique

SMALL = Recipe(
    net=MLP(widths=(32,)), epochs=25, batch_size=32, techniques=(Standardize(), He(), BatchNorm(), Patience(epochs=5))
)


@dataclass(frozen=True, kw_only=True)
class Doubling(TextTechnique):
    """Each text once more."""

    def texts(self, texts: Sequence[str]) -> list[str]:
        return list(texts)


@pytest.fixture(scope="module")
def wine() -> Data:
    return load("wine")


def finished(data: Data, **options: object) -> tuple[Fit, dict]:
    fitting = Fit.prepare(data, **({"recipe": SMALL, "members": 3} | options))
    for _ in fitting.train():
        pass
    return fitting, fitting.finish()


def test_the_three_parts_share_no_row_and_make_up_the_whole(wine: Data) -> None:
    parts = split(wine, test_share=0.25, seed=3)
    kept = [part.features.index.to_numpy() for part in (parts.train, parts.validation, parts.test)]
    assert sorted(np.concatenate(kept)) == list(range(178))
    assert len(kept[2]) == pytest.approx(0.25 * 178, abs=2)
    again = split(wine, test_share=0.25, seed=3)
    assert (again.test.features.index == kept[2]).all()


def test_the_metrics_are_scikit_learns(wine: Data) -> None:
    fitting, result = finished(wine)
    test = fitting.split.test
    probabilities = fitting.committee.answer(test.features)
    scores = result["metrics"]["test"]
    assert scores["accuracy"] == sklearn.metrics.accuracy_score(test.target, fitting.committee.predict(test.features))
    expected = sklearn.metrics.log_loss(test.target, probabilities / probabilities.sum(1, keepdims=True))
    assert scores["cross_entropy"] == pytest.approx(expected, rel=1e-4)
    assert scores["accuracy"] > 0.9
    members = result["members"]
    gaps = np.array(members["accuracy"]["train"]) - np.array(members["accuracy"]["test"])
    assert result["gap"]["estimate"] == pytest.approx(gaps.mean())
    assert result["gap"]["low"] <= result["gap"]["estimate"] <= result["gap"]["high"]
    assert result["split"] == {part: len(getattr(fitting.split, part)) for part in ("train", "validation", "test")}


def test_regression_is_measured_in_the_targets_unit() -> None:
    fitting, result = finished(load("diabetes"))
    test = fitting.split.test
    error = sklearn.metrics.root_mean_squared_error(test.target, fitting.committee.predict(test.features))
    assert result["metrics"]["test"]["rmse"] == pytest.approx(error, rel=1e-5)
    assert 40 < error < 75


def test_the_result_is_plain_json_and_the_same_again(wine: Data, tmp_path: Path) -> None:
    first, result = finished(wine)
    _, again = finished(wine)
    result["seconds"] = again["seconds"] = 0
    assert json.dumps(result) == json.dumps(again)
    first.save(tmp_path, result)
    stored = json.loads((tmp_path / "result.json").read_text())
    assert stored["metrics"]["test"]["accuracy"] == result["metrics"]["test"]["accuracy"]
    assert Recipe.read(tmp_path / "recipe.toml") == SMALL


def test_training_that_is_left_counts_what_was_reached(wine: Data) -> None:
    fitting = Fit.prepare(wine, recipe=replace(SMALL, epochs=1000), members=2)
    for _, progress in fitting.train():
        if progress.epoch > 20:
            break
    result = fitting.finish()
    assert result["interrupted"] and result["members"]["usable"] == 2
    assert result["metrics"]["test"]["accuracy"] > 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [({"members": 0}, "--members must be at least 1. Got 0"), ({"test_share": 1.5}, "--test must be a share")],
)
def test_bad_options_are_named(wine: Data, options: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Fit.prepare(wine, **options)


def test_ten_columns_of_real_rows_with_everything_missing_somewhere(shared_data: Path) -> None:
    _, result = finished(load(str(shared_data / "tabular" / "horse_colic.csv")))
    assert result["metrics"]["test"]["accuracy"] > 0.6


def test_sequences_are_split_whole_and_what_is_cut_is_told(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lines = ["sequence_id,step,a,y"]
    for i in range(40):
        lines += [f"s{i},{t},{draw.normal() + 3 * (i % 2)},{'uv'[i % 2]}" for t in range(4 + 2 * (i == 0))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    recipe = replace(SMALL, net=Recurrent(states=(8,), widths=(8,)), epochs=3)
    cut = 0
    for seed in range(3):
        fitting, result = finished(load(str(tmp_path / "a.csv")), recipe=recipe, members=2, seed=seed)
        parts = (fitting.split.train, fitting.split.validation, fitting.split.test)
        names = [set(part.features.ids) for part in parts]
        assert sum(map(len, names)) == len(set.union(*names)) == 40 == sum(result["split"].values())
        told = [note for note in result["notes"] if "cut at 4 steps" in note]
        assert bool(told) == ("s0" not in names[0])
        cut += bool(told)
        assert result["data"]["flags"] == ["--sequence", "sequence_id", "--step", "step"]
    assert cut


def test_texts_are_measured_without_their_other_versions(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "said,y\n" + "".join(f"it is {'good' if i % 2 else 'bad'},{i % 2}\n" for i in range(60))
    )
    recipe = Recipe(net=BagOfWords(embedding=4, widths=()), epochs=40, batch_size=16, techniques=(Doubling(),))
    fitting, result = finished(load(str(tmp_path / "a.csv"), text="said"), recipe=recipe, members=2)
    assert len(fitting.rows[0]) == 2 * len(fitting.split.train)
    assert result["metrics"]["train"]["accuracy"] == 1.0 and result["data"]["kind"] == "text"


AFTER = (Standardize(), Dropout(rate=0.3), Bootstrap(), SnapshotEnsemble(count=2), MonteCarloDropout(passes=3))


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_snapshots_and_passes_count_as_their_network(name: str) -> None:
    fitting, result = finished(load(name), recipe=replace(SMALL, epochs=4, techniques=AFTER))
    members, metric = result["members"], result["gap"]["metric"]
    assert (members["count"], members["usable"], members["snapshots"], members["passes"]) == (3, 3, 2, 3)
    assert members["kept_epochs"] == [[2, 4]] * 3 and members["best_epoch"] == [4] * 3
    assert [len(members[metric][part]) for part in ("train", "validation", "test")] == [3] * 3
    population, test = fitting.committee.bags[0].population, fitting.split.test
    rows = fitting.committee.bags[0].rows(test.features, test.target)
    outputs = population.outputs_of(rows).double().unflatten(0, (3, 2, 3))  # passes, snapshots, networks
    if metric == "accuracy":
        own = (outputs.softmax(-1).mean(0).argmax(-1) == rows.y).double().mean(-1)
    else:
        own = (outputs.mean(0) - rows.y).square().mean((-1, -2)).sqrt() * fitting.committee.bags[0].target.scale[1]
    assert members[metric]["test"] == pytest.approx(own.mean(0).tolist(), rel=1e-6)
    assert result["bagging"]["out_of_bag"]["rows"] > 50


def test_a_member_that_fails_is_left_out_and_none_left_is_refused(wine: Data) -> None:
    fitting = Fit.prepare(wine, recipe=SMALL, members=2)
    fitting.committee.bags[0].population.state.parameters["0.weight"][1] = float("nan")
    for _ in fitting.train():
        pass
    members = fitting.finish()["members"]
    assert members["usable"] == 1 and [f["member"] for f in members["failed"]] == [1]
    assert members["kept_epochs"][1] == [] and len(members["accuracy"]["test"]) == 1
    fitting = Fit.prepare(wine, recipe=SMALL, members=1)
    fitting.committee.bags[0].population.state.parameters["0.weight"][:] = float("nan")
    for _ in fitting.train():
        pass
    with pytest.raises(BadInput, match="Training must give finite numbers in at least one member"):
        fitting.finish()


def test_preflight_advice_is_among_the_notes(wine: Data) -> None:
    _, result = finished(wine, recipe=replace(SMALL, epochs=1, batch_size=4))
    assert any("Batch norm sees 4 rows at once" in note for note in result["notes"])
