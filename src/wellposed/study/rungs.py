r"""Rungs: after which epochs the worst trials of a generation leave, and which stay.

Successive halving lets the best $1/\eta$ of a generation go on at each rung. Hyperband's generations are its brackets,
from many trials with early rungs to few without any (`wellposed.brackets`). Asynchronous halving (ASHA) waits for
nobody: a shard's trials are held against those of earlier generations and of the shard itself at the same rung. What
other shards of the same generation do is not looked at, so that the result does not depend on who is faster.

Source: Jamieson & Talwalkar, Non-stochastic best arm identification, 2016, https://arxiv.org/abs/1502.07943, figure 3;
Li et al., Hyperband, 2018, algorithm 1; Li et al., A system for massively parallel hyperparameter tuning, 2020,
https://arxiv.org/abs/1810.05934, algorithm 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wellposed.brackets import list_brackets
from wellposed.checks import check_choice, check_count, refusal

Halving: TypeAlias = Literal["none", "successive", "hyperband", "asha"]
HALVINGS: tuple[Halving, ...] = ("none", "successive", "hyperband", "asha")


@dataclass(frozen=True, kw_only=True)
class Rungs:
    """When trials leave.

    Args:
        halving: "none", "successive", "hyperband" or "asha".
        eta: Of so many trials one goes on.
        least: The share of all epochs at the first rung; those that follow are `eta` times as late.

    >>> Rungs(halving="successive", eta=3, least=0.1).shares(0)
    (0.1111111111111111, 0.3333333333333333)
    """

    halving: Halving = "none"
    eta: int = 3
    least: float = 1 / 9

    def __post_init__(self) -> None:
        check_choice("halving", self.halving, HALVINGS)
        check_count("eta", self.eta, least=2)
        if not 0 < self.least <= 1:
            raise refusal("least", "be a share of the epochs, above 0", self.least)

    def shares(self, generation: int) -> tuple[float, ...]:
        """The shares of all epochs after which trials of this generation leave."""
        if self.halving == "none":
            return ()
        last = self._last
        if self.halving == "hyperband":
            last -= generation % (last + 1)
        return tuple(float(self.eta) ** (i - last) for i in range(last))

    def size(self, generation: int, asked: int) -> int:
        """How many trials a generation has where `asked` would do: Hyperband's brackets have sizes of their own."""
        if self.halving != "hyperband":
            return asked
        brackets = list_brackets(self.eta**self._last, eta=self.eta)
        return brackets[generation % len(brackets)][0].candidates

    @property
    def _last(self) -> int:
        """How many rungs there are before the last epoch."""
        return max(0, math.floor(math.log(1 / self.least, self.eta) + 1e-9))


def epoch_of(share: float, epochs: int) -> int:
    """The epoch at which a share of so many is done, one at least."""
    return max(1, round(share * epochs))


def stay(scores: Mapping[int, float], *, eta: int, rivals: Mapping[int, float] | None = None) -> set[int]:
    """Who goes on: the best `1 / eta`, one at least, of all whose score at the rung is a number.

    Of equals the one of the lower number is the better, whether it is asked for or a rival.

    Args:
        scores: By trial, lower is better.
        eta: Of so many one goes on.
        rivals: Scores of others at the same rung, who take places but are not asked.

    >>> sorted(stay({1: 0.3, 2: 0.1, 3: 0.2, 4: float("nan"), 5: 0.4, 6: 0.5, 7: 0.6}, eta=3))
    [2, 3]
    """
    every = {**(rivals or {}), **scores}.items()
    ranked = sorted((score, number) for number, score in every if math.isfinite(score))
    return {number for _, number in ranked[: max(1, len(ranked) // eta)]} & scores.keys()
