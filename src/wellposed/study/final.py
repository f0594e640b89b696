"""The networks that answer in the end: of the recipes that do best together, trained anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wellposed.bag import Bag
from wellposed.committee import Committee
from wellposed.inputs.dataset import Rows
from wellposed.inputs.parts import join_parts
from wellposed.recipe import Recipe
from wellposed.study.searching import network_seed
from wellposed.study.shard import Setting
from wellposed.study.study import Study

Refit: TypeAlias = Literal["train", "all"]
"""Which rows they are trained on: those that the search trained on, or the validation rows as well, then to the end of
their schedules."""


@dataclass(frozen=True)
class Group:
    """Networks of one structure.

    Attributes:
        recipes: One a network.
        seeds: Likewise; or one number, from which all are drawn.
    """

    recipes: tuple[Recipe, ...]
    seeds: tuple[int, ...] | int


@dataclass(frozen=True, eq=False)
class Seated:
    """A bag and its rows.

    Attributes:
        bag: The networks.
        rows: Those to train on, as they see them.
        validation: Those to stop by; None where they are trained on, too.
    """

    bag: Bag
    rows: Rows
    validation: Rows | None


def choose_groups(study: Study, networks: int) -> list[Group]:
    """So many networks of the trials that answer together best; the first of each trial has the trial's own seed."""
    found: dict[tuple[object, ...], tuple[list[Recipe], list[int]]] = {}
    for trial, count in study.bag(networks):
        recipes, seeds = found.setdefault(trial.recipe.structure(), ([], []))
        recipes += [trial.recipe] * count
        seeds += [trial.seed, *(network_seed(trial.seed, i) for i in range(1, count))]
    return [Group(tuple(recipes), tuple(seeds)) for recipes, seeds in found.values()]


def seat(groups: Sequence[Group], setting: Setting, *, refit: Refit) -> list[Seated]:
    """Untrained bags of these networks, and the rows of a setting as each of them sees them."""
    train = join_parts(setting.train, setting.validation) if refit == "all" else setting.train
    seated = []
    for group in groups:
        bag, rows = Bag.prepare(
            train,
            task=setting.task,
            recipe=group.recipes,
            members=len(group.recipes),
            seed=group.seeds,
            infinite_is_missing=setting.infinite_is_missing,
            device=setting.device,
        )
        held = setting.validation
        seated.append(Seated(bag, rows, None if refit == "all" else bag.rows(held.features, held.target)))
    return seated


def train_committee(study: Study, setting: Setting, *, networks: int, refit: Refit) -> Committee:
    """The networks that a study comes to, trained."""
    seated = seat(choose_groups(study, networks), setting, refit=refit)
    for one in seated:
        for _ in one.bag.train(one.rows, one.validation):
            pass
    return Committee(tuple(one.bag for one in seated))
