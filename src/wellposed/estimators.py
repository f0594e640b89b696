"""Bags of networks under scikit-learn's conventions: conversion of what comes and goes, and nothing else.

scikit-learn asks for inheritance, so these two classes inherit, from scikit-learn alone; what they share is functions.
"""

from dataclasses import replace
from operator import index
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from wellposed.bag import Bag
from wellposed.checks import nearest, refusal
from wellposed.committee import Committee
from wellposed.devices import find_device
from wellposed.files import read_json, write_json
from wellposed.inputs.conventions import Weights, class_factors, read_features, read_training, tagged
from wellposed.inputs.dataset import Kind, Part, Task
from wellposed.inputs.encode import ImageEncoder
from wellposed.inputs.encoders import FORMS, kind_of
from wellposed.inputs.split import holdout
from wellposed.presets import PRESETS
from wellposed.recipe import Recipe
from wellposed.search_space import space
from wellposed.spaces import default_space
from wellposed.study.engine import LocalEngine
from wellposed.study.final import train_committee
from wellposed.study.searching import Plan, Search
from wellposed.study.shard import Setting

UNSEARCHED = ("optimizer.momentum", "optimizer.decay", "*Norm.momentum")
"""Strengths that a search leaves as they are written."""
FEWEST_ROWS = 20
"""Rows below which none is held out for early stopping."""
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class WellposedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A bag of networks that tells classes apart.

    Args:
        recipe: A preset's name (`plain`, `sound`, `book`), the path of a recipe's `.toml` file, or a `Recipe`.
        trials: How many recipes are tried first: around the one that is asked for, or in the default space where that
            is `sound`; 0 for none. The networks are then of those that did best together on the held-out rows, and are
            trained on these as well.
        members: How many networks are trained, and asked for each answer.
        epochs: In place of the recipe's.
        batch_size: In place of the recipe's.
        validation_share: Share of the rows held out, stratified by class, for early stopping and for the choice of each
            network's best weights; 0 for none. None is held out from fewer than 20 rows, or where fewer rows than
            classes would be held out; the last weights count then.
        class_weight: What the weights of a class's rows are multiplied by: a number for each label, 1 where none is
            given; or "balanced", so that all classes weigh the same.
        dtype: Of the networks and of `predict_proba`: "float32" or "float64".
        device: Where they train; "auto" is a GPU where there is one.
        random_state: The same number gives the same result.

    Attributes:
        committee_: The networks, and how rows are encoded for them.
        study_: What was tried; None where nothing was.
        recipe_: What each network is; of a search, the best trial's recipe.
        classes_: The labels, sorted.
        n_iter_: Epochs done until the last network had stopped.
        n_features_in_: Columns seen; not for images.
        feature_names_in_: Their names, where they came as a frame with names.

    Features are numbers (an array; NaN is missing), a data frame of pandas, polars or another library with numbers,
    categories, text, dates and missing values, or images (an array `N H W` or `N H W C`). Rows of weight 0 are
    left out before anything else: a class that only they have is not known.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = WellposedClassifier(members=2, epochs=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (150, 3)
    """

    def __init__(
        self,
        *,
        recipe: str | Path | Recipe = "sound",
        trials: int = 0,
        members: int = 16,
        epochs: int | None = None,
        batch_size: int | Literal["all"] | None = None,
        validation_share: float = 0.2,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        dtype: Literal["float32", "float64"] = "float32",
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.recipe = recipe
        self.trials = trials
        self.members = members
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_share = validation_share
        self.class_weight = class_weight
        self.dtype = dtype
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "WellposedClassifier":
        """Train on rows and their labels.

        Args:
            X: `N` rows of features.
            y: `N` labels of at least two classes: text, booleans or whole numbers.
            sample_weight: `N` weights of the rows, not negative; all weigh the same by default.
        """
        part, weight = read_training(self, X, y, sample_weight, task="classification")
        classes, codes = np.unique(part.target, return_inverse=True)
        if len(classes) < 2:
            raise refusal("Classifier can't train when only one class is present. y", "have two classes", [*classes])
        if self.class_weight is not None:
            weight = weight * class_factors(self.class_weight, part.target, classes, codes, weight)[codes]
        train(self, part, weight, task="classification")
        labels = self.committee_.target.decode(np.arange(len(classes)))
        self.classes_ = labels.astype(part.target.dtype)
        return self

    def predict_proba(self, X: Any) -> Float[np.ndarray, "N C"]:
        """The probability of each class, in the order of `classes_`."""
        return np.asarray(answer(self, X), dtype=str(self.committee_.bags[0].population.dtype).removeprefix("torch."))

    def predict(self, X: Any) -> Shaped[np.ndarray, " N"]:
        """The most probable label of each row."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])

    def save(self, folder: str | Path) -> None:
        """Write a folder of tensors and JSON, no pickle."""
        save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> "WellposedClassifier":
        """Read what `save` wrote. Of the arguments, `recipe`, `members` and `dtype` are as they were in use.

        Raises:
            BadInput: The folder holds no classifier, or is damaged.
        """
        estimator = cls(device=device)
        load(estimator, Path(folder), task="classification")
        estimator.classes_ = estimator.committee_.target.decode(np.arange(len(estimator.committee_.target.classes)))
        return estimator

    def __sklearn_tags__(self) -> Tags:
        return tagged(super().__sklearn_tags__())


class WellposedRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A bag of networks that predicts a number.

    Args:
        recipe: A preset's name (`plain`, `sound`, `book`), the path of a recipe's `.toml` file, or a `Recipe`.
        trials: How many recipes are tried first: around the one that is asked for, or in the default space where that
            is `sound`; 0 for none. The networks are then of those that did best together on the held-out rows, and are
            trained on these as well.
        members: How many networks are trained, and asked for each answer.
        epochs: In place of the recipe's.
        batch_size: In place of the recipe's.
        validation_share: Share of the rows held out for early stopping and for the choice of each network's best
            weights; 0 for none. None is held out from fewer than 20 rows; the last weights count then.
        dtype: Of the networks: "float32" or "float64".
        device: Where they train; "auto" is a GPU where there is one.
        random_state: The same number gives the same result.

    Attributes and features are those of `WellposedClassifier`; there is no `classes_`.

    >>> X = np.linspace(-1, 1, 60).reshape(-1, 1)
    >>> model = WellposedRegressor(members=2, epochs=5, random_state=0).fit(X, X[:, 0] ** 2)
    >>> model.predict(X).shape
    (60,)
    """

    def __init__(
        self,
        *,
        recipe: str | Path | Recipe = "sound",
        trials: int = 0,
        members: int = 16,
        epochs: int | None = None,
        batch_size: int | Literal["all"] | None = None,
        validation_share: float = 0.2,
        dtype: Literal["float32", "float64"] = "float32",
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.recipe = recipe
        self.trials = trials
        self.members = members
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_share = validation_share
        self.dtype = dtype
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "WellposedRegressor":
        """Train on rows and their numbers.

        Args:
            X: `N` rows of features.
            y: `N` finite numbers.
            sample_weight: `N` weights of the rows, not negative; all weigh the same by default.
        """
        part, weight = read_training(self, X, y, sample_weight, task="regression")
        train(self, part, weight, task="regression")
        return self

    def predict(self, X: Any) -> Float[np.ndarray, " N"]:
        """The number of each row, in the target's own unit."""
        return answer(self, X)[:, 0]

    def save(self, folder: str | Path) -> None:
        """Write a folder of tensors and JSON, no pickle."""
        save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> "WellposedRegressor":
        """Read what `save` wrote. Of the arguments, `recipe`, `members` and `dtype` are as they were in use.

        Raises:
            BadInput: The folder holds no regressor, or is damaged.
        """
        estimator = cls(device=device)
        load(estimator, Path(folder), task="regression")
        return estimator

    def __sklearn_tags__(self) -> Tags:
        return tagged(super().__sklearn_tags__())


Estimator: TypeAlias = WellposedClassifier | WellposedRegressor


def choose_recipe(estimator: Estimator, kind: Kind, rows: int) -> Recipe:
    """The recipe that is asked for, for this many training rows.

    >>> choose_recipe(WellposedRegressor(recipe="book", epochs=7), "table", 100).epochs
    7
    """
    recipe = estimator.recipe
    if isinstance(recipe, str | Path) and str(recipe).endswith(".toml"):
        recipe = Recipe.read(Path(recipe))
    elif isinstance(recipe, str) and recipe in PRESETS:
        recipe = PRESETS[recipe](kind, rows)
    if not isinstance(recipe, Recipe):
        hint = nearest(str(recipe), PRESETS)
        raise refusal("recipe", "be a preset's name, the path of a .toml file, or a Recipe", recipe, hint)
    if estimator.epochs is not None:
        recipe = replace(recipe, epochs=index(estimator.epochs))
    size = estimator.batch_size
    return recipe if size is None else replace(recipe, batch_size="all" if size == "all" else index(size))


def hold_out(task: Task, target: np.ndarray, *, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows to train on and of those to stop by: none from few rows, or with more classes than those.

    >>> [len(rows) for rows in hold_out("regression", np.arange(40.0), share=0.25, seed=0)]
    [30, 10]
    >>> [len(rows) for rows in hold_out("regression", np.arange(19.0), share=0.25, seed=0)]
    [19, 0]
    """
    n = len(target)
    enough = 1 if task == "regression" else len(np.unique(target))
    if n < FEWEST_ROWS or round(share * n) < enough:
        return np.arange(n), np.arange(0)
    return holdout(task, target, share=share, seed=seed)


def train(estimator: Estimator, part: Part, weight: Weights, *, task: Task) -> None:
    """Train the bag, and note what came of it in the estimator."""
    if not 0 <= estimator.validation_share < 1:
        raise refusal("validation_share", "be in [0, 1)", estimator.validation_share)
    if estimator.dtype not in DTYPES:
        raise refusal("dtype", "be 'float32' or 'float64'", estimator.dtype)
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    kept, held = hold_out(task, part.target, share=estimator.validation_share, seed=seed)
    kind: Kind = "table" if isinstance(part.features, pd.DataFrame) else "images"
    scaled = None if weight.min() == weight.max() else weight / weight.mean()
    trials = index(estimator.trials)
    if trials < 0:
        raise refusal("trials", "be 0 or more", trials)
    if trials:
        train_best(estimator, part, kept, held, scaled, kind=kind, trials=trials, seed=seed, task=task)
        return
    bag, rows = Bag.prepare(
        part.take(kept),
        task=task,
        recipe=choose_recipe(estimator, kind, len(kept)),
        members=index(estimator.members),
        seed=seed,
        weight=None if scaled is None else scaled[kept],
        dtype=DTYPES[estimator.dtype],
        device=find_device(estimator.device),
    )
    validation = None
    if len(held):
        stop_by = part.take(held)
        validation = bag.rows(stop_by.features, stop_by.target, None if scaled is None else scaled[held])
    for _ in bag.train(rows, validation):
        pass
    bag.refuse_untrained()
    estimator.committee_, estimator.study_, estimator.recipe_ = Committee((bag,)), None, bag.population.recipe
    estimator.n_iter_ = bag.population.record.epochs


def train_best(
    estimator: Estimator,
    part: Part,
    kept: np.ndarray,
    held: np.ndarray,
    scaled: np.ndarray | None,
    *,
    kind: Kind,
    trials: int,
    seed: int,
    task: Task,
) -> None:
    """Search recipes, train the bag that they make together, and note what came of it in the estimator."""
    if not len(held):
        must = f"hold out rows for a search: a positive share of {FEWEST_ROWS} rows at least"
        raise refusal("validation_share", must, estimator.validation_share, "Set trials to 0, or give more rows.")
    if scaled is not None:
        raise refusal("sample_weight", "be all the same for a search", "different weights", "Set trials to 0.")
    if estimator.dtype != "float32":
        raise refusal("dtype", "be 'float32' for a search", estimator.dtype, "Set trials to 0.")
    recipe = choose_recipe(estimator, kind, len(kept))
    source = space(recipe, fixed=UNSEARCHED) if estimator.recipe != "sound" else default_space(kind, len(kept), task)
    source = replace(source, base=replace(source.base, epochs=recipe.epochs, batch_size=recipe.batch_size))
    setting = Setting(task, part.take(kept), part.take(held), device=find_device(estimator.device))
    running = Search(setting, source, plan=Plan(trials=trials, seed=seed), engine=LocalEngine(setting), store=None)
    for _ in running.run():
        pass
    study = running.study()
    committee = train_committee(study, setting, networks=index(estimator.members), refit="all")
    estimator.committee_, estimator.study_, estimator.recipe_ = committee, study, study.recipe
    estimator.n_iter_ = max(bag.population.record.epochs for bag in committee.bags)


def answer(estimator: Estimator, X: Any) -> Float[np.ndarray, "N C"]:
    """What the bag says of rows: probabilities, or one column of numbers."""
    check_is_fitted(estimator)
    committee = estimator.committee_
    return np.asarray(committee.answer(read_features(estimator, X, images=isinstance(committee.encoder, ImageEncoder))))


def save(estimator: Estimator, folder: Path) -> None:
    """Write the bag, and beside it what the estimator knows of the columns."""
    check_is_fitted(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    seen = {
        "n_iter": estimator.n_iter_,
        "n_features_in": getattr(estimator, "n_features_in_", None),
        "feature_names_in": None if names is None else list(names),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "estimator.json", seen)
    estimator.committee_.save(folder)


def load(estimator: Estimator, folder: Path, *, task: Task) -> None:
    """Read what `save` wrote into an estimator."""
    committee = Committee.load(folder, device=find_device(estimator.device))
    if committee.task != task:
        raise refusal(f"{folder}", f"hold a model for {task}", committee.task)
    if kind_of(committee.encoder) not in ("table", "images"):
        do = "Ask it with `wellposed predict`."
        raise refusal(f"{folder}", "hold a model for tables or images", FORMS[kind_of(committee.encoder)], do)
    path = folder / "estimator.json"
    try:
        n_iter, n_features, names = (read_json(path)[key] for key in ("n_iter", "n_features_in", "feature_names_in"))
    except (KeyError, TypeError) as error:
        raise refusal(f"{path}", "hold what `save` wrote", str(error), "Restore it, or train again.") from error
    recipe, members = committee.bags[0].population.recipe, sum(len(bag.population) for bag in committee.bags)
    estimator.committee_, estimator.study_, estimator.recipe_, estimator.n_iter_ = committee, None, recipe, n_iter
    dtype = str(committee.bags[0].population.dtype).removeprefix("torch.")
    estimator.set_params(recipe=recipe, members=members, dtype=dtype)
    if n_features is not None:
        estimator.n_features_in_ = n_features
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
