"""How much too good the best of many looks on the rows that it was chosen by.

`optimism` asks the trials' own validation answers, without training anything (bootstrap bias correction): the rows are
drawn with replacement, the trial that is best on the rows drawn is judged on the rows not drawn, and the mean of these
judgements over many resamples estimates what the chosen one is worth on new rows. The rows drawn hold only 63 % of the
rows there are, so that the choice is a little worse than the one made with all rows: the corrected value errs on the
safe side. What a trial chose by the same rows within itself, such as its best epoch, is not undone.

`best_of` averages instead of choosing: trial $s$ counts with the probability $w_s$ that its true score is the least,

$$w_s = P(Z_s < Z_{s'}\\ \\forall s' \\ne s),\\ Z \\sim N(\\mu, V), \\qquad \\mu_* = \\sum_s w_s \\mu_s, \\qquad
\\sigma_*^2 = \\sum_s w_s (\\mu_s^2 + \\sigma_s^2) - \\mu_*^2.$$

Sources: Tsamardinos, Greasidou & Borboudakis, Bootstrapping the out-of-sample predictions for efficient and accurate
cross-validation, Machine Learning 107 (2018), algorithm 3 (BBC); Bergstra & Bengio, Random Search for Hyper-Parameter
Optimization, 2012, equations 5 and 6.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float, Float64, Int64
from scipy import stats
from torch import Tensor

from wellposed.checks import check_choice, check_count, check_number, refusal
from wellposed.statistics import Interval

Score: TypeAlias = Literal["accuracy", "log_loss", "squared_error"]
CHUNK = 1 << 22
"""Counts of rows that are held at once."""


@dataclass(frozen=True, kw_only=True)
class Optimism:
    """The best of many on the rows that chose it, and what is left of it.

    Attributes:
        score: What is measured: "accuracy" (larger is better), "log_loss" or "squared_error" (smaller is better).
        apparent: The best trial's, on all validation rows.
        corrected: What the choice is worth on new rows, with an interval (percentiles of the resamples; wide, for each
            is judged on a third of the rows).
        optimism: How much too good the apparent one is, positive whichever way is better.
        chosen_share: The share of resamples that choose the apparently best trial again; ties count as one choice.
        n_trials: Among how many was chosen.
        n_rows: By how many rows.
    """

    score: Score
    apparent: float
    corrected: Interval
    optimism: float
    chosen_share: float
    n_trials: int
    n_rows: int

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        return pd.DataFrame([self.to_json()])

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "score": self.score,
            "apparent": self.apparent,
            "corrected": self.corrected.estimate,
            "low": self.corrected.low,
            "high": self.corrected.high,
            "level": self.corrected.level,
            "optimism": self.optimism,
            "chosen_share": self.chosen_share,
            "n_trials": self.n_trials,
            "n_rows": self.n_rows,
        }

    def __str__(self) -> str:
        c, name = self.corrected, self.score.replace("_", " ")
        return (
            f"The best of {self.n_trials} has {name} {self.apparent:.4g} on the {self.n_rows} rows that chose it; "
            f"on new rows expect {c.estimate:.4g} ({c.level:.0%} interval {c.low:.4g} to {c.high:.4g}): "
            f"{abs(self.optimism):.2g} {'worse' if self.optimism >= 0 else 'better'}. "
            f"{self.chosen_share:.0%} of resamples choose it again."
        )


class BestOf(NamedTuple):
    """What the best of some trials scores, when it is not certain which one is best."""

    weights: npt.NDArray[np.float64]
    mean: float
    variance: float


def optimism(
    answers: Float[Tensor, "K N C"],
    y: Int64[Tensor, " N"] | Float[Tensor, "N 1"],
    *,
    score: Score,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Optimism:
    """How optimistic the best of `K` trials is, as judged by the validation rows that chose it.

    Args:
        answers: Of each trial on the validation rows: probabilities, or one number a row.
        y: The classes; or the numbers, scaled as the answers are.
        score: What chooses and judges. A probability of the right class below 1e-7 counts as that.
        seed: Of the resamples.
        resamples: How many.
        level: Of the interval.

    >>> y = torch.tensor([0, 1, 1, 0])
    >>> perfect = torch.nn.functional.one_hot(y).float()[None]
    >>> print(optimism(perfect, y, score="accuracy", seed=0))
    The best of 1 has accuracy 1 on the 4 rows that chose it; on new rows expect 1 (95% interval 1 to 1): 0 worse. 100%
    of resamples choose it again.

    Raises:
        BadInput: No trials, fewer than two rows, or an answer that is not finite.
    """
    check_choice("score", score, ("accuracy", "log_loss", "squared_error"))
    check_count("resamples", resamples)
    check_number("level", level, low=0, high=1, open="()")
    n_trials, n = answers.shape[:2]
    if n_trials < 1 or n < 2:
        raise refusal("answers", "hold at least one trial and two rows", tuple(answers.shape))
    if not bool(answers.isfinite().all()):
        raise refusal("answers", "be finite", "nan or infinity", "Leave out the trials that failed.")
    losses = _losses(answers, y, score)
    apparent = losses.mean(1)
    best = int(apparent.argmin())
    rng = np.random.default_rng(seed)
    judged, again = [], 0.0
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        counts = torch.from_numpy(_draws(rng, min(step, resamples - start), n))
        drawn = counts @ losses.T / n
        left = (counts == 0).double()
        unseen = left @ losses.T / left.sum(1, keepdim=True)
        chosen = drawn.argmin(1, keepdim=True)
        judged.append(unseen.gather(1, chosen).squeeze(1))
        again += float((drawn[:, best] <= drawn.amin(1)).sum())
    values = torch.cat(judged).numpy()
    sign = -1.0 if score == "accuracy" else 1.0
    ends = sorted(sign * float(end) for end in np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))
    mean = float(values.mean())
    return Optimism(
        score=score,
        apparent=sign * float(apparent[best]) + 0.0,
        corrected=Interval(sign * mean + 0.0, ends[0] + 0.0, ends[1] + 0.0, level),
        optimism=mean - float(apparent[best]),
        chosen_share=again / resamples,
        n_trials=n_trials,
        n_rows=n,
    )


def best_of(
    scores: npt.ArrayLike,
    variances: npt.ArrayLike,
    *,
    judged: npt.ArrayLike | None = None,
    judged_variances: npt.ArrayLike | None = None,
) -> BestOf:
    """The score of the best of `K` trials, each counting with the probability that it is the best.

    Args:
        scores: `K` validation scores, of which the least is best.
        variances: Of each as an estimate (of a mean over rows: the variance between rows by their number).
        judged: `K` scores on other rows, which are averaged; those given where None.
        judged_variances: Of these.

    >>> best_of([0.1, 0.1, 9.0], [1e-4, 1e-4, 1e-4]).weights.round(3).tolist()
    [0.5, 0.5, 0.0]
    """
    mean, variance = _numbers("scores", scores), _numbers("variances", variances)
    other = mean if judged is None else _numbers("judged", judged)
    spread = variance if judged is None and judged_variances is None else _numbers("judged_variances", judged_variances)
    if not len(mean) == len(variance) == len(other) == len(spread):
        lengths = tuple(map(len, (mean, variance, other, spread)))
        raise refusal("scores and variances", "be as many", lengths)
    if (variance < 0).any() or (spread < 0).any():
        raise refusal("variances", "be at least 0", float(min(variance.min(), spread.min())))
    w = _chance_of_least(mean, np.sqrt(variance))
    middle = float(w @ other)
    return BestOf(w, middle, max(0.0, float(w @ (spread + (other - middle) ** 2))))


def _losses(answers: Tensor, y: Tensor, score: Score) -> Float64[Tensor, "K N"]:
    """One number a trial and row, of which less is better."""
    if score == "squared_error":
        return (answers.double() - y.double().reshape(1, -1, 1)).square().sum(-1)
    if score == "accuracy":
        return -(answers.argmax(-1) == y).double()
    right = answers.double().gather(-1, y.expand(len(answers), -1)[..., None]).squeeze(-1)
    return -right.clamp(1e-7, 1.0).log()


def _draws(rng: np.random.Generator, resamples: int, n: int) -> npt.NDArray[np.float64]:
    """How often each of `n` rows is drawn in each resample; resamples that leave no row out are drawn again."""
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    while (full := (counts > 0).all(1)).any():
        counts[full] = rng.multinomial(n, np.full(n, 1 / n), size=int(full.sum()))
    return counts.astype(np.float64)


def _chance_of_least(mean: npt.NDArray[np.float64], sd: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The probability that each of independent normal numbers is the least, as a sum over steps of all their CDFs.

    The steps lie at quantiles of every number that has a chance. What is known exactly gets a spread that is
    negligible beside the others', so that ties share.
    """
    scale = max(float(np.ptp(mean)), float(sd.max()), float(np.abs(mean).max()) * 1e-6, 1e-300)
    sd = np.maximum(sd, 1e-9 * scale)
    alive = np.flatnonzero(mean - 8 * sd <= (mean + 8 * sd).min())
    m, s = mean[alive, None], sd[alive, None]
    points = max(8, 8192 // len(alive))
    quantiles = stats.norm.ppf(np.arange(1, points) / points)
    z = np.sort((m + s * np.concatenate([[-8.0], quantiles, [8.0]])).ravel())
    steps = np.diff(np.asarray(stats.norm.cdf(z, m, s)), axis=1)
    log_above = np.asarray(stats.norm.logsf((z[1:] + z[:-1]) / 2, m, s))
    weights = (steps * np.exp(log_above.sum(0) - log_above)).sum(1)
    result = np.zeros(len(mean))
    result[alive] = weights / weights.sum()
    return result


def _numbers(name: str, values: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
    x = np.asarray(np.nan if values is None else values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise refusal(name, "be a list of finite numbers", values)
    return x
