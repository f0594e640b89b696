"""Every technique in a recipe: a population of its kind of data trains with it, answers, and goes on answering."""

import pytest
import torch
from tests.contracts.case import Case
from tests.contracts.cases import CASES
from tests.contracts.stage import WORDS

from wellposed.inputs.dataset import Rows
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs, Net
from wellposed.nets.recurrent import Recurrent
from wellposed.population.population import Population
from wellposed.recipe import RAMPED, Recipe
from wellposed.techniques import BackTranslation, Dropout, Fixup, VAEGrowth
from wellposed.techniques.places import (
    BranchTechnique,
    LayerTechnique,
    PassTechnique,
    SnapshotTechnique,
)
from wellposed.techniques.technique import Technique, strength_fields

ALONE = (BackTranslation,)
"""What acts before there are rows; its own test trains with it."""
EVERY = [pytest.param(case, id=kind.__name__) for kind, case in CASES.items() if kind not in ALONE]


def rows_of(kind: str, n: int = 48) -> tuple[Rows, Inputs, Net]:
    """Rows of three classes, and a small net that reads them."""
    draw = torch.Generator().manual_seed(0)
    y, none = torch.arange(n) % 3, torch.zeros(n, 0, dtype=torch.int64)
    if kind == "images":
        x = torch.rand(n, 1, 8, 8, generator=draw) + y.view(n, 1, 1, 1)
        return Rows(x, none, y), Inputs((1, 8, 8)), CNN(channels=(4, 8), widths=(8,))
    if kind == "steps":
        x = torch.randn(n, 9, 2, generator=draw) + y.view(n, 1, 1)
        x[:, 7:] = 0
        return Rows(x, torch.full((n, 1), 7), y), Inputs((9, 2)), Recurrent(states=(6,), widths=(6,))
    if kind == "tokens":
        words = torch.randint(2, len(WORDS), (n, 9), generator=draw)
        rows = Rows(torch.zeros(n, 0), words, y, None, WORDS)
        return rows, Inputs((0,), (), len(WORDS)), BagOfWords(embedding=6, widths=(8,))
    x = torch.randn(n, 6, generator=draw) + torch.nn.functional.one_hot(y, 6)
    return Rows(x, none, y), Inputs((6,)), MLP(widths=(8, 8, 8))


def kind_of(technique: Technique, case: Case) -> str:
    """The data on which a technique acts."""
    if isinstance(technique, VAEGrowth) or (isinstance(technique, LayerTechnique) and 1 not in technique.axes):
        return "images"
    return case.kind


def prepared(case: Case) -> tuple[Recipe, Rows, Inputs]:
    """A recipe that holds the technique's example, and data for it."""
    technique = case.example
    rows, inputs, net = rows_of(kind_of(technique, case))
    beside: tuple[Technique, ...] = (Dropout(rate=0.3),) if isinstance(technique, PassTechnique) else ()
    if isinstance(technique, BranchTechnique | Fixup):
        net = MLP(widths=(8,) * 5, residual=True, block=2)
    epochs = technique.slots if isinstance(technique, SnapshotTechnique) else 2
    recipe = Recipe(net=net, epochs=epochs, batch_size=16, techniques=(technique, *beside))
    return recipe, rows, inputs


@pytest.mark.parametrize("case", EVERY)
def test_trains_answers_and_equals_itself(case: Case) -> None:
    """Twice the same numbers, finite; members of their own strengths; and the numbers of members that start alone.

    Weights at 0 may learn nothing, but answer. In float64; 1e-6 for sums in another order, which Adam divides by 1e-8
    where a gradient is round-off alone.
    """
    recipe, rows, inputs = prepared(case)
    named = {f"{type(case.example).__name__}.{f.name}": f for f in strength_fields(type(case.example))}
    each = [
        recipe.with_strengths({name: float(f.metadata["search"][k]) for name, f in named.items()}) for k in range(2)
    ]
    found = []
    for own, seeds in ((each, [1, 2]), (each, [1, 2]), (each[1:], [2])):
        population = Population(own, inputs=inputs, outputs=3, seed=seeds, dtype=torch.float64)
        for _ in population.train(rows, rows):
            pass
        found.append(population.raw_outputs(rows))
        answer = population.predict(rows)
        assert answer.shape == (len(rows), 3)
        assert torch.isfinite(answer).all()
    assert torch.equal(found[0], found[1])
    together = found[0].view(-1, 2, len(rows), 3)[:, 1]
    torch.testing.assert_close(together, found[2].view(together.shape), rtol=1e-6, atol=1e-6)


STEPWISE = [p for p in EVERY if isinstance(p.values[0].example, RAMPED) and strength_fields(type(p.values[0].example))]


@pytest.mark.parametrize("case", STEPWISE)
def test_each_strength_may_follow_a_ramp(case: Case) -> None:
    """A ramp that is constant changes nothing."""
    recipe, rows, inputs = prepared(case)
    for f in strength_fields(type(case.example)):
        name, text = f"{type(case.example).__name__}.{f.name}", recipe.to_toml()
        still = text + f'\n[[ramp]]\nstrength = "{name}"\n[ramp.schedule]\nkind = "Constant"\n'
        population = Population(Recipe.from_toml(still), inputs=inputs, outputs=3, members=2)
        plain = Population(recipe, inputs=inputs, outputs=3, members=2)
        for trained in (population, plain):
            for _ in trained.train(rows, rows):
                pass
        torch.testing.assert_close(population.raw_outputs(rows), plain.raw_outputs(rows), rtol=1e-4, atol=1e-5)
