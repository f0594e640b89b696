"""How sure a number is: intervals for a mean, a paired difference, any statistic and a share; many tests at once.

Sources: Student, The Probable Error of a Mean, 1908; Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 14 (BCa); Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979; Wilson, Probable Inference, the
Law of Succession, and Statistical Inference, 1927.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from wellposed.checks import refusal


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval that covers what it estimates in a share `level` of repetitions.

    >>> 0.0 in Interval(estimate=0.02, low=0.01, high=0.03, level=0.95)
    False

    Attributes:
        estimate: What was found.
        low: The lower end, which may be minus infinity.
        high: The upper end, which may be infinity.
        level: The share, in (0, 1).
    """

    estimate: float
    low: float
    high: float
    level: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def mean_interval(values: npt.ArrayLike, *, level: float = 0.95) -> Interval:
    r"""Student's interval for the mean of independent values, $\bar x \pm t_{n-1} s / \sqrt n$.

    One value alone says nothing of the spread: its interval is the whole line. Equal values give an interval of no
    width.

    >>> mean_interval([1.0])
    Interval(estimate=1.0, low=-inf, high=inf, level=0.95)

    Args:
        values: `N` finite numbers, at least one.
        level: The share of repetitions in which the interval covers the mean, in (0, 1).

    Raises:
        BadInput: No values, a value that is not finite, or a level outside (0, 1).
    """
    x = _sample("values", values)
    _check_level(level)
    mean = float(x.mean())
    if len(x) == 1:
        return Interval(mean, -math.inf, math.inf, level)
    if (x == x[0]).all():  # the mean may be rounded away from them
        return Interval(float(x[0]), float(x[0]), float(x[0]), level)
    half = float(stats.t.ppf((1 + level) / 2, len(x) - 1)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return Interval(mean, mean - half, mean + half, level)


def paired_interval(a: npt.ArrayLike, b: npt.ArrayLike, *, level: float = 0.95) -> Interval:
    """Student's interval for the mean of `a - b`, whose values belong together pair by pair.

    >>> paired_interval([3.0, 4.0, 5.0], [1.0, 2.0, 3.0])
    Interval(estimate=2.0, low=2.0, high=2.0, level=0.95)

    Args:
        a: `N` finite numbers.
        b: As many, in the same order.
        level: The share of repetitions in which the interval covers the mean difference, in (0, 1).

    Raises:
        BadInput: Their numbers differ, and whatever `mean_interval` refuses.
    """
    first, second = _sample("a", a), _sample("b", b)
    if len(first) != len(second):
        raise refusal("a and b", "have as many values", (len(first), len(second)))
    return mean_interval(first - second, level=level)


def bootstrap_interval(
    values: npt.ArrayLike,
    statistic: Callable[..., Any],
    *,
    seed: int,
    level: float = 0.95,
    n_resamples: int = 9999,
) -> Interval:
    """The BCa bootstrap interval of a statistic of independent values.

    Where BCa is not defined (a statistic that hardly varies, such as the median of values with many ties) the
    percentile interval stands in. One value alone gives the whole line, equal values an interval of no width.

    Args:
        values: `N` finite numbers, at least one.
        statistic: From `N` numbers to one. When it has a parameter `axis`, as NumPy's do, it is called once for all
            resamples, which is much faster.
        seed: What the resamples are drawn from; the same seed gives the same interval.
        level: The share of repetitions in which the interval covers the statistic, in (0, 1).
        n_resamples: How many resamples.

    Raises:
        BadInput: No values, a value that is not finite, a level outside (0, 1), or no resamples.
    """
    x = _sample("values", values)
    _check_level(level)
    if n_resamples < 1:
        raise refusal("n_resamples", "be at least 1", n_resamples)
    estimate = float(statistic(x))
    if len(x) == 1:
        return Interval(estimate, -math.inf, math.inf, level)
    if (x == x[0]).all():
        return Interval(estimate, estimate, estimate, level)
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of degenerate resamples, which are answered here
            found = stats.bootstrap(
                (x,),
                statistic,
                confidence_level=level,
                n_resamples=n_resamples,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            break
    return Interval(estimate, float(found.low), float(found.high), level)


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P-values adjusted for their number: those below `a` keep the chance of any false rejection below `a`.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]

    Args:
        p_values: `M` numbers in [0, 1]; there may be none.

    Returns:
        `M` adjusted values in [0, 1], in the order given.

    Raises:
        BadInput: A number is outside [0, 1] or not a number.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise refusal("p_values", "be a list of numbers in [0, 1]", p.tolist())
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def proportion_interval(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Wilson's interval for a share, in [0, 1] also when none or all of `n` succeeded; an accuracy on `n` rows, say.

    Raises:
        BadInput: `n` is not positive, `successes` is not in 0 to `n`, or the level is outside (0, 1).
    """
    if n < 1:
        raise refusal("n", "be at least 1", n)
    if not 0 <= successes <= n:
        raise refusal("successes", f"be in [0, {n}]", successes)
    _check_level(level)
    z, share = float(stats.norm.ppf((1 + level) / 2)), successes / n
    middle = share + z**2 / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low = 0.0 if successes == 0 else (middle - half) / (1 + z**2 / n)
    high = 1.0 if successes == n else (middle + half) / (1 + z**2 / n)
    return Interval(share, low, high, level)


def _sample(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The values as `N` numbers, refused when there are none or one is not finite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0:
        raise refusal(name, "be a list of at least one number", x.shape)
    if not np.isfinite(x).all():
        raise refusal(name, "be finite", x[~np.isfinite(x)][0].item())
    return x


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise refusal("level", "be in (0, 1)", level)
