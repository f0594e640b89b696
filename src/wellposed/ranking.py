r"""Who is better over several data sets: signed ranks of two, ranks of many, and which ranks cannot be told apart.

$$\chi_F^2 = \frac{12 N}{k(k+1)} \Big[\sum_j R_j^2 - \frac{k(k+1)^2}{4}\Big], \qquad
F_F = \frac{(N-1)\chi_F^2}{N(k-1) - \chi_F^2}, \qquad \mathrm{CD} = q_\alpha \sqrt{\frac{k(k+1)}{6N}}$$

for $N$ data sets and the average ranks $R_j$ of $k$ competitors; $q_\alpha$ is the studentized range over $\sqrt 2$.
Ties share their ranks; the statistic is not corrected for them, which makes it cautious.

Sources: Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7 (2006), sections 3.1.3 and 3.2;
Wilcoxon 1945; Friedman 1937; Iman and Davenport 1980; Nemenyi 1963.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from wellposed.checks import check_number, refusal


@dataclass(frozen=True)
class Friedman:
    """A test of whether all competitors are alike.

    Attributes:
        chi_square: Friedman's statistic.
        p_value: By the chi-square distribution with k - 1 degrees of freedom.
        f: Iman and Davenport's statistic; infinite where all data sets agree.
        f_p_value: By the F distribution with k - 1 and (k - 1)(N - 1) degrees of freedom, which is less cautious.
    """

    chi_square: float
    p_value: float
    f: float
    f_p_value: float


def rank(scores: Float[np.ndarray, "N k"], *, higher_is_better: bool) -> Float[np.ndarray, "N k"]:
    """The rank of each competitor on each data set; 1 is the best, and equals share theirs.

    >>> rank(np.array([[0.9, 0.8, 0.8]]), higher_is_better=True).tolist()
    [[1.0, 2.5, 2.5]]
    """
    return np.asarray(stats.rankdata(-scores if higher_is_better else scores, axis=1))


def friedman(ranks: Float[np.ndarray, "N k"]) -> Friedman:
    """Friedman's test, with Iman and Davenport's correction.

    Args:
        ranks: Of at least two competitors on at least two data sets.
    """
    n, k = _sizes(ranks)
    mean = ranks.mean(0)
    chi_square = 12 * n / (k * (k + 1)) * float((mean**2).sum() - k * (k + 1) ** 2 / 4)
    chi_square = min(max(chi_square, 0.0), float(n * (k - 1)))  # rounding
    left = n * (k - 1) - chi_square
    f = math.inf if left <= 1e-9 else (n - 1) * chi_square / left
    f_p = 0.0 if math.isinf(f) else float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    return Friedman(chi_square, float(stats.chi2.sf(chi_square, k - 1)), f, f_p)


def critical_difference(k: int, n: int, *, level: float = 0.95) -> float:
    """Nemenyi's: average ranks that differ by as much or more are told apart, all pairs together at this level.

    >>> round(critical_difference(4, 14), 2)
    1.25

    Args:
        k: Competitors, at least two.
        n: Data sets.
        level: The share of repetitions without any false alarm, in (0, 1).
    """
    check_number("level", level, low=0, high=1, open="()")
    q = float(stats.studentized_range.ppf(level, k, np.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def cliques(mean_ranks: Sequence[float], difference: float) -> tuple[tuple[int, ...], ...]:
    """The largest groups of two or more whose average ranks differ by less, best first: the bars of the diagram.

    >>> cliques([1.2, 3.1, 2.0], 1.25)
    ((0, 2), (2, 1))
    """
    order = sorted(range(len(mean_ranks)), key=mean_ranks.__getitem__)
    found: list[tuple[int, ...]] = []
    for i, first in enumerate(order):
        group = tuple(j for j in order[i:] if mean_ranks[j] - mean_ranks[first] < difference)
        if len(group) > 1 and not (found and set(group) <= set(found[-1])):
            found.append(group)
    return tuple(found)


def signed_ranks(differences: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; the ranks of zeros are split between both sides."""
    d = np.asarray(differences, dtype=np.float64)
    if not d.any():
        return 1.0
    return float(stats.wilcoxon(d, zero_method="zsplit").pvalue)


def _sizes(ranks: Float[np.ndarray, "N k"]) -> tuple[int, int]:
    n, k = ranks.shape
    if n < 2 or k < 2:
        raise refusal("Ranks", "be of two competitors or more on two data sets or more", (n, k))
    return n, k
