r"""Hyperband's brackets: how many candidates start with how much training, and how many go on.

With at most $R$ of a resource for one candidate (epochs, say) and a factor $\eta$, bracket $s$ of
$s_{\max} = \lfloor \log_\eta R \rfloor, \dots, 0$ starts with

$$n = \left\lceil \frac{s_{\max} + 1}{s + 1}\, \eta^s \right\rceil, \qquad r = R\, \eta^{-s}$$

and its rung $i$ gives $\lfloor n \eta^{-i} \rfloor$ candidates $r \eta^i$ each. (An early version of the paper prints
27, 9, 6 and 5 starts for $R = 81$, $\eta = 3$, which the formula does not give.)

Source: Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, Hyperband, JMLR 18 (2018), 1-52,
https://jmlr.org/papers/v18/16-558.html, algorithm 1.
"""

from typing import NamedTuple

from wellposed.checks import check_count


class Rung(NamedTuple):
    """So many candidates, each with so much of the resource."""

    candidates: int
    resource: int


def list_brackets(most: int, *, eta: int = 3) -> tuple[tuple[Rung, ...], ...]:
    """Hyperband's brackets, from the most candidates to the fewest; resources are rounded to whole units.

    Args:
        most: Of the resource, for one candidate.
        eta: Of so many candidates one goes on.

    >>> [[tuple(rung) for rung in bracket] for bracket in list_brackets(9)]
    [[(9, 1), (3, 3), (1, 9)], [(5, 3), (1, 9)], [(3, 9)]]
    """
    check_count("most", most)
    check_count("eta", eta, least=2)
    last = 0
    while eta ** (last + 1) <= most:  # in whole numbers: the logarithm of 243 to the base 3 comes out below 5
        last += 1
    return tuple(_rungs(most, eta, last, s) for s in range(last, -1, -1))


def _rungs(most: int, eta: int, last: int, s: int) -> tuple[Rung, ...]:
    n = -(-(last + 1) * eta**s // (s + 1))
    return tuple(Rung(n // eta**i, max(1, round(most * eta**i / eta**s))) for i in range(s + 1))
