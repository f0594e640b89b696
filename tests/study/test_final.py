"""The networks in the end: of the chosen trials, the first of each as the search trained it."""

import numpy as np
import pytest
import torch

from wellposed.inputs.load import load
from wellposed.inputs.parts import split
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.search_space import space
from wellposed.study.engine import LocalEngine
from wellposed.study.final import Group, choose_groups, seat, train_committee
from wellposed.study.searching import Plan, Search
from wellposed.study.shard import Setting
from wellposed.study.study import Study
from wellposed.techniques import Dropout, LayerNorm, Standardize

SPACE = space(
    Recipe(net=MLP(widths=(8,)), epochs=4, batch_size=48, techniques=(Standardize(), Dropout())),
    choices={"norm": (None, LayerNorm())},
)


@pytest.fixture(scope="module")
def setting() -> Setting:
    data = load("iris")
    parts = split(data, test_share=0.2, seed=0)
    return Setting(data.task, parts.train, parts.validation)


@pytest.fixture(scope="module")
def study(setting: Setting) -> Study:
    search = Search(setting, SPACE, plan=Plan(trials=8, sampler="random"), engine=LocalEngine(setting), store=None)
    for _ in search.run():
        pass
    return search.study()


def test_groups_hold_the_chosen_trials_by_structure(study: Study) -> None:
    groups = choose_groups(study, 6)
    assert sum(len(group.recipes) for group in groups) == 6
    seeds = [seed for group in groups for seed in group.seeds]  # type: ignore[union-attr]
    assert len(set(seeds)) == 6 and {trial.seed for trial, _ in study.bag(6)} <= set(seeds)
    assert all(len({recipe.structure() for recipe in group.recipes}) == 1 for group in groups)


def test_trained_on_the_same_rows_a_trials_network_is_what_it_was(study: Study, setting: Setting) -> None:
    trial = study.best
    pair = Group((trial.recipe, trial.recipe), (trial.seed, 5))
    (one,) = seat([pair], setting, refit="train")
    for _ in one.bag.train(one.rows, one.validation):
        pass
    answers = one.bag.population.outputs_of(one.validation)[0].double().softmax(-1)  # type: ignore[arg-type]
    torch.testing.assert_close(answers.float(), trial.answers, rtol=1e-4, atol=1e-5)


def test_trained_on_all_rows_nothing_is_held_out(study: Study, setting: Setting) -> None:
    (one, *_) = seat(choose_groups(study, 2), setting, refit="all")
    assert one.validation is None and len(one.rows) == len(setting.train) + len(setting.validation)
    committee = train_committee(study, setting, networks=4, refit="all")
    assert np.mean(committee.predict(setting.train.features) == setting.train.target) > 0.5
