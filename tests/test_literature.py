"""Published tables of figures, reproduced on MNIST within their tolerances.

Figures: K. Saito, Deep Learning from Scratch, 2016, chapter 6, as the outputs stored with its English peers' notebooks
have them. Each is of one run without a seed; ours are means of several seeds, trained as one population, so a bound
that allows for the published run's own chance allows for ours. Activations and signals by depth are compared in
`techniques/weights/test_signal.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from wellposed.inputs.dataset import Rows
from wellposed.inputs.idx import read_idx_pair
from wellposed.metrics import accuracy
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.nets.stacking import stack_forward
from wellposed.optimizers import SGD
from wellposed.population.population import Population
from wellposed.population.train import epoch_of, order_of, run_steps
from wellposed.recipe import Recipe
from wellposed.techniques import L2, BatchNorm, Dropout, Gaussian, He, LeCun
from wellposed.techniques.technique import Technique

pytestmark = pytest.mark.slow

BOOK = Recipe(optimizer=SGD(learning_rate=0.01))


def images(folder: Path, part: str, n: int | None = None) -> Rows:
    """Pixels between 0 and 1, flat, in the published order."""
    found = read_idx_pair(folder / "mnist", part)
    assert found is not None
    x = torch.from_numpy(found[0][:n]).float().flatten(1) / 255
    return Rows(x, torch.zeros(len(x), 0, dtype=torch.int64), torch.from_numpy(found[1][:n]).long())


def population_of(recipes: Recipe | Sequence[Recipe], members: int = 1) -> Population:
    return Population(recipes, inputs=Inputs((784,)), outputs=10, members=members)


def accuracies(population: Population, rows: Rows) -> Tensor:
    """Of each member, as it is now."""
    return accuracy(population.outputs_of(rows).double(), rows.y)


def trained(population: Population, rows: Rows, at: Sequence[int], *others: Rows) -> dict[int, list[Tensor]]:
    """Each member's accuracy on the rows, and on others, after so many epochs."""
    found = {}
    for _ in population.train(rows):
        epoch = population.record.epochs
        if epoch in at and epoch not in found:
            found[epoch] = [accuracies(population, given) for given in (rows, *others)]
    return found


@pytest.fixture(scope="module")
def mnist(shared_data: Path) -> Path:
    return shared_data


def test_starting_weights_decide_how_fast_four_layers_learn(mnist: Path) -> None:
    """784-100x4-10, ReLU, batches of 128: loss at some updates, mean of four seeds; after the update there, before it
    here, which is a hundredth. The book's "Xavier" draws with deviation 1 / sqrt(n_in), which is LeCun's."""
    rows = images(mnist, "train")
    found = {}
    for name, technique in {"std": Gaussian(deviation=0.01), "xavier": LeCun(), "he": He()}.items():
        recipe = replace(BOOK, net=MLP(widths=(100,) * 4), batch_size=128, epochs=5, techniques=(technique,))
        population = population_of(recipe, members=4)
        training, forward = population._training(), stack_forward(population.blueprint.template.train())
        losses, state = [], population.state
        while len(losses) < 2000:
            epoch = epoch_of(training, state, rows)
            losses += run_steps(
                training, state, forward, rows, order_of(state, epoch), epoch, range(epoch.steps)
            ).unbind(0)
            state = replace(state, step=state.step + epoch.steps)
        found[name] = torch.stack(losses[:2000])
    mean = {name: losses.mean(1) for name, losses in found.items()}
    assert (mean["std"] - 2.302).abs().max() <= 0.012 + 0.03  # of single batches; of hundred together below
    assert (mean["std"].view(20, 100).mean(1) - 2.302).abs().max() <= 0.012
    assert float(mean["he"][100]) == pytest.approx(1.56, abs=0.3)
    assert float(mean["he"][300]) == pytest.approx(0.53, abs=0.15)
    assert float(mean["xavier"][500]) == pytest.approx(1.06, abs=0.45)
    logged = range(700, 2000, 100)
    assert sum(bool(mean["xavier"][i] > mean["he"][i]) for i in logged) >= 0.9 * len(logged)
    for i, he, xavier in ((1000, 0.2050, 0.3555), (1500, 0.1966, 0.2649), (1900, 0.2864, 0.3769)):
        assert float(mean["he"][i - 25 : i + 25].mean()) == pytest.approx(he, abs=0.15)
        assert float(mean["xavier"][i - 25 : i + 25].mean()) == pytest.approx(xavier, abs=0.15)


WITH_NORM = [0.419, 0.498, 0.630, 0.763, 0.890, 0.950, 0.990, 1.0, 1.0, 0.998, 0.999, 0.831, 0.804, 0.595, 0.618, 0.523]


def test_batch_norm_learns_from_any_starting_weights(mnist: Path) -> None:
    """784-100x5-10 on 1000 images from 16 deviations of the starting weights: train accuracy after 19 epochs of ten
    updates. (The published column "e19" was written down after update 191.)"""
    rows, deviations = images(mnist, "train", 1000), torch.logspace(0, -4, 16).tolist()

    def after(*extra: Technique) -> Tensor:
        """Of five seeds."""
        recipes = [
            replace(
                BOOK,
                net=MLP(widths=(100,) * 5),
                batch_size=100,
                epochs=19,
                techniques=(Gaussian(deviation=deviation), *extra),
            )
            for _ in range(5)
            for deviation in deviations
        ]
        population = population_of(recipes)
        for _ in population.train(rows):
            pass
        scores = torch.full((80,), 0.097, dtype=torch.float64)  # overflown: what guessing one class gives
        scores[population.usable()] = accuracies(population, rows)
        return scores.view(5, 16)

    each, norm = after(), after(BatchNorm(momentum=0.1, eps=1e-6)).mean(0)
    plain = each.mean(0)
    for i, expected in enumerate(WITH_NORM):
        assert float(norm[i]) == pytest.approx(expected, abs=0.06 if i < 11 else 0.15), i
    assert ((plain[6:] >= 0.09) & (plain[6:] <= 0.125)).all(), plain
    assert each[:, 5].min() <= 0.125  # of 24 seeds 12 stay where they are, as the published run; others reach 0.19
    assert each[:, 5].max() <= 0.22
    assert (plain[:2] <= 0.15).all()
    assert plain[2] >= 0.93
    assert (norm[2:4] < plain[2:4]).all()  # where it does harm


def test_weight_decay_narrows_the_gap_and_lowers_the_score(mnist: Path) -> None:
    """784-100x6-10 on 300 images, 201 epochs of three updates: with a decay of 0.1, and without."""
    rows, test = images(mnist, "train", 300), images(mnist, "t10k")
    recipe = replace(BOOK, net=MLP(widths=(100,) * 6), batch_size=100, epochs=201)
    decayed = trained(population_of(replace(recipe, techniques=(He(), L2(amount=0.1))), 8), rows, [201], test)
    free = trained(population_of(replace(recipe, techniques=(He(),)), 8), rows, [201], test)
    train, held = (float(a.mean()) for a in decayed[201])
    assert train == pytest.approx(0.927, abs=0.05)
    assert held == pytest.approx(0.721, abs=0.04)
    train_free, held_free = (float(a.mean()) for a in free[201])
    assert train_free == 1.0
    assert held_free == pytest.approx(0.75, abs=0.04)
    assert train - held < train_free - held_free


def test_dropout_keeps_the_small_network_from_learning_by_heart(mnist: Path) -> None:
    """The same network with a dropout of 0.2, weights scaled afterwards, 301 epochs; means of 24 seeds.

    At epoch 100 the published run stands out: 0.460, where 48 runs of a plain loop of PyTorch have 0.347 with a
    deviation of 0.061. There it must lie within 2.5 deviations of ours, elsewhere within 0.10 of our mean.
    """
    rows, test = images(mnist, "train", 300), images(mnist, "t10k")
    dropped = (He(), Dropout(rate=0.2, scaling="classical"))
    recipe = replace(BOOK, net=MLP(widths=(100,) * 6), batch_size=100, epochs=301, techniques=dropped)
    found = trained(population_of(recipe, 24), rows, [50, 100, 200, 250, 301], test)
    published = {50: (0.290, 0.236), 200: (0.523, 0.449), 250: (0.600, 0.508), 301: (0.670, 0.548)}
    for epoch, (train, held) in published.items():
        ours = [float(a.mean()) for a in found[epoch]]
        assert ours[0] == pytest.approx(train, abs=0.10), epoch
        assert ours[1] == pytest.approx(held, abs=0.10), epoch
    for ours, run in zip(found[100], (0.460, 0.392), strict=True):
        assert abs(float(ours.mean()) - run) <= 2.5 * float(ours.std())
    assert (found[301][0] < 1).all()
