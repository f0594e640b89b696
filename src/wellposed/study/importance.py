"""Which dimensions matter: the share of the variation of the score that each explains by itself (functional ANOVA).

A forest of regression trees learns the score from the values; for each dimension alone, the variance of the forest's
mean over all others, as a share of its whole variance, is that dimension's importance,

$$I_d = \\mathrm{Var}_{x_d}\\bigl[\\mathrm{E}_{x_{-d}} f(x)\\bigr] / \\mathrm{Var}_x[f(x)].$$

Shares add up to at most 1; what is missing is what dimensions do together. Every dimension counts as evenly spread over
its range, on its own scale, wherever the sampler has looked most. Where a dimension does not exist it gets a random
value of its range, on which the score then does not depend: so it is important as far as the choices that bring it are
likely. By default the ranks of the scores are explained instead of the scores, of which a few that diverged would make
up nearly all the variation.

Source: Hutter, Hoos & Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, 2014, in Optuna's
implementation (64 trees).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from wellposed.checks import check_choice
from wellposed.search_space import Dimension, Value
from wellposed.study.positions import fits, position
from wellposed.study.samplers import derived_seed, quiet_optuna
from wellposed.study.trial import Trial

LEAST = 10
"""Complete trials without which nothing is said."""
POOR = 0.1
"""An explained share, on trials that the trees have not seen, below which the importances mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Importances:
    """What each dimension explains.

    Attributes:
        shares: Of the variation of the score, by the dimension's name, the largest first; empty where nothing can be
            said.
        explained: The share of the variation that the forest predicts for trials that it was not shown (R squared, out
            of the bag): how far the shares can be trusted; nan where there is no forest.
        n_trials: Complete trials that were looked at.
        note: What to keep in mind; empty where there is nothing.
    """

    shares: dict[str, float]
    explained: float
    n_trials: int
    note: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row a dimension, the most important first."""
        return pd.DataFrame({"dimension": list(self.shares), "importance": list(self.shares.values())})

    def to_json(self) -> dict[str, Any]:
        """The same as plain values; null where there is no forest."""
        explained = self.explained if math.isfinite(self.explained) else None
        return {"shares": self.shares, "explained": explained, "n_trials": self.n_trials, "note": self.note}

    def __str__(self) -> str:
        width = max(map(len, self.shares), default=0)
        lines = [f"  {name:<{width}}  {share:6.1%}" for name, share in self.shares.items()]
        if lines:
            left = max(0.0, 1 - sum(self.shares.values()))
            lines.insert(0, f"Share of the variation of the score that each explains alone ({self.n_trials} trials):")
            lines.append(f"  {'(together)':<{width}}  {left:6.1%}")
        return "\n".join([*lines, *([self.note] if self.note else [])])


def importances(
    dimensions: Sequence[Dimension],
    trials: Sequence[Trial],
    *,
    seed: int,
    explain: Literal["ranks", "scores"] = "ranks",
) -> Importances:
    """The importance of each dimension for the score.

    Args:
        dimensions: What varied.
        trials: The trials; those that are not complete, or whose values do not fit the dimensions, are left out.
        seed: Of the forest, and of the values of dimensions that do not exist.
        explain: The scores, or their ranks.

    >>> print(importances([], [], seed=0))
    Importances need at least 10 complete trials; there are 0.
    """
    check_choice("explain", explain, ("ranks", "scores"))
    complete = [t for t in trials if t.state == "complete" and math.isfinite(t.score) and fits(dimensions, t.values)]
    n = len(complete)
    scores = np.array([t.score for t in complete])
    silence = _silence(complete, scores)
    if silence:
        return Importances(shares={}, explained=math.nan, n_trials=n, note=silence)
    y = stats.rankdata(scores) / n if explain == "ranks" else scores
    rng = np.random.default_rng(derived_seed(seed, "importance"))
    rows = [_everywhere(dimensions, t.values, rng) for t in complete]
    with quiet_optuna():
        shares = _fanova(dimensions, rows, y, derived_seed(seed, "forest"))
        explained = _explained(dimensions, rows, y, derived_seed(seed, "forest"))
    note = ""
    if explained < POOR:
        note = f"The forest predicts {max(0.0, explained):.0%} of the variation of new trials: read nothing into this."
    ordered = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return Importances(shares=ordered, explained=explained, n_trials=n, note=note)


def _silence(complete: Sequence[Trial], scores: np.ndarray) -> str:
    """Why nothing can be said; empty where something can."""
    if len(complete) < LEAST:
        return f"Importances need at least {LEAST} complete trials; there are {len(complete)}."
    if (scores == scores[0]).all():
        return "All trials have the same score: nothing matters here."
    return "" if any(t.values != complete[0].values for t in complete) else "Nothing varied between the trials."


def _everywhere(dimensions: Sequence[Dimension], values: Mapping[str, Value], rng: np.random.Generator) -> list[float]:
    """Positions of numbers and indices of options; drawn from the whole range where a dimension does not exist."""
    row = []
    for d in dimensions:
        u = float(rng.random())  # one each, so that a value does not depend on what others exist
        if d.kind == "choice":
            row.append(float(d.options.index(str(values[d.name])) if d.name in values else int(u * len(d.options))))
        else:
            row.append(position(d, values[d.name]) if d.name in values else u)
    return row


def _fanova(
    dimensions: Sequence[Dimension], rows: Sequence[Sequence[float]], y: np.ndarray, seed: int
) -> dict[str, float]:
    """Importances by Optuna, from positions instead of values: the measure is then even on each range's own scale."""
    import optuna

    scales: dict[str, optuna.distributions.BaseDistribution] = {}
    for i, d in enumerate(dimensions):
        choice = optuna.distributions.CategoricalDistribution(range(len(d.options))) if d.options else None
        scales[str(i)] = choice or optuna.distributions.FloatDistribution(0.0, 1.0)
    study = optuna.create_study()
    for row, score in zip(rows, y, strict=True):
        params = {str(i): int(x) if dimensions[i].options else x for i, x in enumerate(row)}
        study.add_trial(optuna.trial.create_trial(value=float(score), params=params, distributions=scales))
    found = optuna.importance.FanovaImportanceEvaluator(seed=seed).evaluate(study)
    return {d.name: float(found[str(i)]) for i, d in enumerate(dimensions)}


def _explained(dimensions: Sequence[Dimension], rows: Sequence[Sequence[float]], y: np.ndarray, seed: int) -> float:
    """R squared of a like forest, each trial predicted by the trees that were not shown it."""
    from sklearn.ensemble import RandomForestRegressor

    columns = []
    for i, d in enumerate(dimensions):
        x = np.array([row[i] for row in rows])
        columns += [x == k for k in range(len(d.options))] if d.options else [x]
    forest = RandomForestRegressor(n_estimators=64, max_depth=64, oob_score=True, random_state=seed)
    return float(forest.fit(np.stack(columns, axis=1).astype(np.float64), y).oob_score_)
