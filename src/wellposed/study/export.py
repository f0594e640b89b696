"""A finished study as a study in an Optuna database, for its dashboard and for whatever else reads those.

Formats: Optuna 5, https://optuna.readthedocs.io/en/v5.0.0/reference/generated/optuna.trial.create_trial.html.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from wellposed.checks import refusal
from wellposed.search_space import Dimension
from wellposed.study.positions import fits
from wellposed.study.samplers import quiet_optuna
from wellposed.study.trial import Trial

if TYPE_CHECKING:
    import optuna  # slow to import: elsewhere within the functions that need it

EXAMPLE = "For a file: sqlite:///optuna.db."


def export_optuna(trials: Sequence[Trial], url: str, *, name: str, dimensions: Sequence[Dimension]) -> None:
    """Write the trials that have ended as a new study, all or none.

    Values inside their dimension are parameters, any other is an attribute "value: …". The curve becomes the
    intermediate values, by epoch from 1. Number, generation, shard, seed, epochs, best epoch, metric, seconds, failure
    and the recipe as TOML are attributes; those that are not known are left out.

    Args:
        trials: Those still queued are left out.
        url: Of the database, as SQLAlchemy reads it, such as "sqlite:///optuna.db".
        name: Of the study there.
        dimensions: What varied.

    Raises:
        BadInput: The database cannot be written, or has a study of this name.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    refused = (optuna.exceptions.OptunaError, SQLAlchemyError, ImportError, UnicodeError, OSError)
    known = {dimension.name: dimension for dimension in dimensions}
    frozen = [_frozen(trial, known) for trial in trials if trial.state != "queued"]
    with quiet_optuna():
        try:
            storage = optuna.storages.RDBStorage(url)
            try:
                study = optuna.create_study(storage=storage, study_name=name, direction="minimize")
                try:
                    study.add_trials(frozen)
                except BaseException:
                    optuna.delete_study(study_name=name, storage=storage)
                    raise
            finally:
                storage.remove_session()
                storage.engine.dispose()
        except optuna.exceptions.DuplicatedStudyError as error:
            do = "Name another, or delete that one there."
            raise refusal("The study in the Optuna database", "have a new name", name, do) from error
        except refused as error:
            found = str(error.__cause__ or error).splitlines()[0]
            raise refusal("The Optuna database", "be a URL that can be written to", found, EXAMPLE) from error


def _frozen(trial: Trial, dimensions: dict[str, Dimension]) -> "optuna.trial.FrozenTrial":
    """A trial that has ended, as Optuna keeps it."""
    import optuna

    states = {
        "complete": optuna.trial.TrialState.COMPLETE,
        "pruned": optuna.trial.TrialState.PRUNED,
        "failed": optuna.trial.TrialState.FAIL,
    }
    known = [replace(dimensions[name], when=None) for name in trial.values if name in dimensions]
    inside = {d.name: _distribution(d) for d in known if fits([d], {d.name: trial.values[d.name]})}
    facts: dict[str, Any] = {
        "number": trial.number,
        "generation": trial.generation,
        "shard": trial.shard,
        "seed": trial.seed,
        "epochs": trial.epochs,
        "best_epoch": trial.best_epoch or math.nan,
        "metric": trial.metric,
        "seconds": trial.seconds,
        "failure": trial.failure or math.nan,
        "recipe": trial.recipe.to_toml(),
        **{f"value: {name}": value for name, value in trial.values.items() if name not in inside},
    }
    unscored = math.isnan(trial.score)
    frozen = optuna.trial.create_trial(
        state=states["failed" if unscored and trial.state == "complete" else trial.state],
        value=None if unscored or trial.state == "failed" else trial.score,
        params={name: trial.values[name] for name in inside},
        distributions=inside,
        user_attrs={name: v for name, v in facts.items() if not isinstance(v, float) or math.isfinite(v)},
        intermediate_values=dict(enumerate(trial.curve, start=1)),
    )
    if frozen.datetime_complete is not None and math.isfinite(trial.seconds):
        frozen.datetime_start = frozen.datetime_complete - timedelta(seconds=trial.seconds)
    return frozen


def _distribution(dimension: Dimension) -> "optuna.distributions.BaseDistribution":
    """A dimension as Optuna declares it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.kind == "choice":
        return CategoricalDistribution(dimension.options)
    if dimension.kind == "whole":
        return IntDistribution(math.ceil(dimension.low), math.floor(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
