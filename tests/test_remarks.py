"""What is told of a bag after training: dead features by name, idle clips, bagging's identity, out-of-bag scores."""

import numpy as np
import pandas as pd
import pytest
import torch

from wellposed.bag import Bag
from wellposed.inputs.dataset import Part, Rows
from wellposed.metrics import classification_metrics
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD
from wellposed.recipe import Recipe
from wellposed.remarks import (
    answering,
    answers_of,
    ask,
    by_network,
    dead_features,
    measure_bagging,
    networks_of,
    passes_of,
    remark,
)
from wellposed.techniques import (
    Bootstrap,
    ClipNorm,
    ClipValue,
    Dropout,
    MixtureGrowth,
    MonteCarloDropout,
    ProximalL1,
    SnapshotEnsemble,
    Standardize,
    TemperatureScaling,
)


def a_table(n: int = 200) -> pd.DataFrame:
    """Two columns that decide the target, and two numbers and a category that have nothing to do with it."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "noise one": draw.standard_normal(n),
            "signal": draw.standard_normal(n),
            "noise two": draw.standard_normal(n),
            "town": draw.choice(["Aber", "Bex"], n),
            "moon": draw.choice(["full", "new"], n),
        }
    )


def numbers() -> Part:
    frame = a_table()
    return Part(frame, (3 * frame["signal"] + 6 * (frame["town"] == "Bex")).to_numpy())


def classes() -> Part:
    part = numbers()
    return Part(part.features, np.array(["low", "mid", "high"])[np.digitize(part.target, [1.0, 5.0])])


def trained(part: Part, recipe: Recipe, *, members: int = 3, stops: bool = True) -> tuple[Bag, Rows]:
    task = "classification" if part.target.dtype.kind in "UO" else "regression"
    bag, rows = Bag.prepare(part, task=task, recipe=recipe, members=members, seed=1, dtype=torch.float64)
    for _ in bag.train(rows, bag.rows(part.features, part.target) if stops else None):
        pass
    return bag, rows


def test_dead_features_are_named_numbers_and_categories() -> None:
    techniques = (Standardize(), ProximalL1(amount=0.7, where="body.0.*"))
    recipe = Recipe(
        net=MLP(widths=(8,)), optimizer=SGD(learning_rate=0.05), epochs=80, batch_size=20, techniques=techniques
    )
    bag, _ = trained(numbers(), recipe, stops=False)
    assert dead_features(bag) == ["noise one", "noise two", "moon"]
    assert remark(bag) == ("ProximalL1 took all weight from 3 features: noise one, noise two, moon.",)
    shuffled = numbers().features.assign(moon="full", **{"noise one": 0.0, "noise two": 9.0})
    np.testing.assert_array_equal(bag.predict(shuffled), bag.predict(numbers().features))


def test_features_that_live_are_told_and_without_the_technique_nothing_is() -> None:
    recipe = Recipe(net=MLP(widths=(8,)), epochs=2, techniques=(Standardize(), ProximalL1(amount=1e-9)))
    assert remark(trained(numbers(), recipe)[0]) == ("ProximalL1 left every feature some weight.",)
    assert remark(trained(numbers(), Recipe(net=MLP(widths=(8,)), epochs=1, techniques=(Standardize(),)))[0]) == ()


def test_of_images_channels_are_inputs_and_long_lists_are_cut() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 255, (40, 6, 6, 3)).astype(np.uint8)
    techniques = (Standardize(), ProximalL1(amount=1e3))
    recipe = Recipe(net=CNN(channels=(2,), widths=()), epochs=5, batch_size=10, techniques=techniques)
    bag, _ = trained(Part(images, np.array(["a", "b"])[np.arange(40) % 2]), recipe)
    assert dead_features(bag) == ["input 0", "input 1", "input 2"]
    wide = pd.DataFrame(draw.standard_normal((40, 23)), columns=[f"n{i}" for i in range(23)])
    recipe = Recipe(net=MLP(widths=(4,)), epochs=5, batch_size=10, techniques=techniques)
    (sentence,) = remark(trained(Part(wide, np.arange(40.0)), recipe)[0])
    assert sentence.startswith("ProximalL1 took all weight from 23 features: n0, ")
    assert sentence.endswith("n19 and 3 more.")


def test_a_clip_that_never_fires_is_told_and_one_that_does_is_not() -> None:
    techniques = (Standardize(), ClipNorm(limit=1e9), ClipValue(limit=1e-3))
    bag, _ = trained(numbers(), Recipe(net=MLP(widths=(8,)), epochs=1, techniques=techniques))
    assert remark(bag) == ("ClipNorm never changed a gradient: it has no effect.",)


@pytest.mark.parametrize("part", [numbers(), classes()], ids=["regression", "classification"])
def test_baggings_identity_holds(part: Part) -> None:
    bag, rows = trained(part, Recipe(net=MLP(widths=(8,)), epochs=3, techniques=(Standardize(),)), members=5)
    test = bag.rows(part.features, part.target)
    found = measure_bagging([bag], ask(bag, test), ask(bag, rows))
    assert set(found) == {"v", "c", "predicted", "measured"}
    assert found["measured"] == pytest.approx(found["v"] / 5 + 4 * found["c"] / 5, rel=1e-10)
    assert found["predicted"] == pytest.approx(found["measured"], rel=1e-10)
    answer = bag.answer(part.features)
    if bag.task == "regression":
        _, deviation = bag.target.scale
        expected = np.mean(((answer[:, 0] - part.target) / deviation) ** 2)
    else:
        errors = answer - (part.target[:, None] == np.array(bag.target.classes))
        expected = np.mean(np.sum(errors**2, axis=1))  # the Brier score
    assert found["measured"] == pytest.approx(expected, rel=1e-6)
    assert 0 < found["c"] < found["v"]


def slow_out_of_bag(bag: Bag, rows: Rows, answers: torch.Tensor) -> tuple[int, float]:
    """The number of rows that somebody does not own, and the mean squared error or the share of right answers."""
    owned = [set(own) for own in bag.population.owned(len(rows)).tolist()]
    scores = []
    for i in range(len(rows)):
        free = [answers[k, i] for k in range(len(answers)) if i not in owned[k]]
        if free:
            mean = sum(free) / len(free)
            right = bag.task == "classification"
            scores.append(float(mean.argmax() == rows.y[i]) if right else float((mean - rows.y[i]).square()))
    return len(scores), sum(scores) / len(scores)


@pytest.mark.parametrize("more", [(), (SnapshotEnsemble(count=2),), (Dropout(rate=0.3), MonteCarloDropout(passes=3))])
@pytest.mark.parametrize("part", [numbers(), classes()], ids=["regression", "classification"])
def test_out_of_bag_is_that_of_a_slow_loop(part: Part, more: tuple) -> None:
    recipe = Recipe(net=MLP(widths=(8,)), epochs=4, techniques=(Standardize(), Bootstrap(), *more))
    bag, rows = trained(part, recipe)
    found = measure_bagging([bag], ask(bag, bag.rows(part.features, part.target)), ask(bag, rows))["out_of_bag"]
    n, score = slow_out_of_bag(bag, rows, answers_of(bag.population, bag.population.outputs_of(rows)))
    assert found["rows"] == n < len(rows)
    if bag.task == "classification":
        assert found["accuracy"] == pytest.approx(score)
    else:
        assert found["rmse"] == pytest.approx(score**0.5 * bag.target.scale[1])


def test_with_rows_added_nobody_owns_a_part_of_the_given_ones() -> None:
    recipe = Recipe(net=MLP(widths=(8,)), epochs=1, techniques=(Standardize(), MixtureGrowth(), Bootstrap()))
    bag, rows = trained(classes(), recipe)
    assert "out_of_bag" not in measure_bagging([bag], ask(bag, rows), ask(bag, rows))


def test_passes_are_one_answer_and_snapshots_are_several_of_one_network() -> None:
    techniques = (Standardize(), Dropout(rate=0.3), MonteCarloDropout(passes=4), SnapshotEnsemble(count=2))
    bag, rows = trained(
        classes(), Recipe(net=MLP(widths=(8,)), epochs=4, techniques=(*techniques, TemperatureScaling()))
    )
    population = bag.population
    outputs = population.outputs_of(rows)
    assert passes_of(population) == 4 and outputs.shape == (4 * 2 * 3, 200, 3)
    answers = answers_of(population, outputs)
    torch.testing.assert_close(answers[4], outputs[[4, 10, 16, 22]].softmax(-1).mean(0))
    torch.testing.assert_close(answers.mean(0), population.predict(rows))
    assert networks_of(population).tolist() == [0, 1, 2, 0, 1, 2]
    assert by_network(population, torch.arange(6.0)).tolist() == [1.5, 2.5, 3.5]
    population.record.best_epoch[1] = population.record.best_epoch[4] = population.record.best_epoch[3] = 0
    assert networks_of(population).tolist() == [0, 2, 2] and answering(population) == [0, 2]
    assert by_network(population, torch.tensor([1.0, 5.0, 7.0])).tolist() == [1.0, 6.0]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_measured_error_is_the_brier_score_of_the_table(n_classes: int) -> None:
    part = classes()
    part = Part(part.features, np.array([f"c{i % n_classes}" for i in range(len(part))]))
    bag, rows = trained(part, Recipe(net=MLP(widths=(8,)), epochs=2, techniques=(Standardize(),)), members=3)
    test = bag.rows(part.features, part.target)
    table = classification_metrics(bag.population.predict(test).double(), test.y)
    assert measure_bagging([bag], ask(bag, test), ask(bag, rows))["measured"] == pytest.approx(table["brier"], rel=1e-5)
