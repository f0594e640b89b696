r"""Whether one of two is better, from differences over repeated random splits, which share rows and so depend.

$$t = \frac{\bar d}{\sqrt{(1/J + n_\mathrm{test}/n_\mathrm{train})\, s^2}}, \qquad J - 1 \text{ degrees of freedom}$$

for differences $d_1, \dots, d_J$ of mean $\bar d$ and variance $s^2$. The second term does not shrink with $J$: more
repeats of the same rows are not more rows.

Sources: Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52 (2003), section 5.2; Corani and
Benavoli, A Bayesian approach for comparing cross-validated algorithms on multiple data sets, Machine Learning 100
(2015), section 2 (the same distribution, read as that of the mean difference).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from wellposed.checks import check_number, refusal
from wellposed.statistics import Interval

MOST_REPEATS = 1_000_000
"""Beyond which nobody is told to go."""
LARGE = 500
"""Repeats from which a noncentral t is taken for a shifted normal distribution."""


@dataclass(frozen=True)
class CorrectedT:
    """A mean difference over repeats that depend, and how sure it is.

    >>> test = CorrectedT.of([0.02, 0.01, 0.03, 0.02], ratio=0.25)
    >>> round(test.error, 5), round(test.p_value, 4)
    (0.00577, 0.0405)

    Attributes:
        n: Repeats.
        mean: Of the differences.
        deviation: Their standard deviation.
        floor: The part of the mean's variance that stays however many repeats there are.
        freedom: Degrees of freedom.
    """

    n: int
    mean: float
    deviation: float
    floor: float
    freedom: int

    @classmethod
    def of(
        cls, differences: npt.ArrayLike, *, ratio: float = 0.0, floor: float = 0.0, most_freedom: int | None = None
    ) -> "CorrectedT":
        """The test of some differences.

        Args:
            differences: `J` finite numbers, at least two, one a repeat.
            ratio: Test rows over training rows, where each repeat draws them anew; 0 for repeats that are independent.
            floor: Variance of the mean that comes from elsewhere, such as from test rows that all repeats share.
            most_freedom: Degrees of freedom at most, those of `floor`.

        Raises:
            BadInput: Fewer than two differences, one that is not finite, or a negative ratio or floor.
        """
        d = np.asarray(differences, dtype=np.float64)
        if d.ndim != 1 or len(d) < 2 or not np.isfinite(d).all():
            raise refusal("differences", "be a list of at least two finite numbers", d.tolist())
        check_number("ratio", ratio, low=0)
        check_number("floor", floor, low=0)
        equal = bool((d == d[0]).all())  # rounding must not make a difference of equal numbers
        deviation = 0.0 if equal else float(d.std(ddof=1))
        freedom = len(d) - 1 if most_freedom is None else min(len(d) - 1, most_freedom)
        mean = float(d[0] if equal else d.mean())
        return cls(len(d), mean, deviation, floor + ratio * deviation**2, max(1, freedom))

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return math.sqrt(self.deviation**2 / self.n + self.floor)

    @property
    def p_value(self) -> float:
        """Two-sided, of a mean of zero.

        Where all differences are equal and not 0 there is no spread to measure them by: then it is that of a sign test.
        """
        if self.error == 0:
            return 1.0 if self.mean == 0 else 2.0 ** (1 - self.n)
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))

    @property
    def probability_above_zero(self) -> float:
        """Of the mean difference, by the Bayesian correlated t test with its prior that knows nothing."""
        if self.error == 0:
            return 0.5 if self.mean == 0 else float(self.mean > 0)
        return float(stats.t.cdf(self.mean / self.error, self.freedom))

    def interval(self, level: float = 0.95) -> Interval:
        """The interval for the mean difference."""
        check_number("level", level, low=0, high=1, open="()")
        half = float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return Interval(self.mean, self.mean - half, self.mean + half, level)

    def power(self, repeats: float, *, alpha: float = 0.05) -> float:
        """The chance that so many repeats (perhaps infinitely many) show a difference, were the one seen the true one.

        Args:
            repeats: How many, at least two.
            alpha: The chance of a false alarm.
        """
        error = math.sqrt(self.deviation**2 / repeats + self.floor)
        if error == 0:
            return 0.0 if self.mean == 0 else 1.0
        moved = abs(self.mean) / error
        capped = self.freedom < self.n - 1
        freedom = min(repeats - 1, self.freedom) if capped else repeats - 1
        if freedom >= LARGE:
            limit = float(stats.norm.ppf(1 - alpha / 2) if math.isinf(freedom) else stats.t.ppf(1 - alpha / 2, freedom))
            return float(stats.norm.sf(limit - moved) + stats.norm.cdf(-limit - moved))
        limit = float(stats.t.ppf(1 - alpha / 2, freedom))
        return float(stats.nct.sf(limit, freedom, moved) + np.nan_to_num(stats.nct.cdf(-limit, freedom, moved)))

    def repeats_needed(self, *, alpha: float = 0.05, power: float = 0.8) -> int | None:
        """Repeats that show the difference seen with this chance, were it the true one; None where none are enough."""
        if self.mean == 0 or self.power(MOST_REPEATS, alpha=alpha) < power:
            return None
        low, high = 1, 2
        while self.power(high, alpha=alpha) < power:
            low, high = high, min(2 * high, MOST_REPEATS)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(middle, alpha=alpha) >= power else (middle, high)
        return high


def share_above_zero(differences: npt.ArrayLike) -> float:
    """The share of the differences above 0, those of 0 counting half.

    >>> share_above_zero([1.0, 0.0, -1.0, 2.0])
    0.625
    """
    d = np.asarray(differences, dtype=np.float64)
    return float(((d > 0) + (d == 0) / 2).mean())
