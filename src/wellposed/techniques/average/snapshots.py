r"""Snapshot ensemble: the weights at the end of each of several cycles of one training answer together.

With $M$ cycles over $E$ epochs, cycle $i$ ends after epoch $\lfloor i E / M \rfloor$. The learning rate falls to
nothing within each cycle and starts anew: the schedule `CosineRestarts(cycles=M)` is made for it.

Good where training one network is dear: its ensemble costs no more than one. Bad where the cycles are too short to
converge, or where the members of a population are independent and cheap: snapshots of one training are alike.

Source: Huang, Li, Pleiss, Liu, Hopcroft & Weinberger, Snapshot ensembles: train 1, get M for free, 2017,
https://arxiv.org/abs/1704.00109, section 3 and equation 2.
"""

from dataclasses import dataclass

from wellposed.checks import check_count, refusal
from wellposed.techniques.places import SnapshotTechnique
from wellposed.techniques.technique import Technique


def cycle_ended(epoch: int, epochs: int, count: int) -> int | None:
    """Which of `count` equal cycles, counted from 0, ends after an epoch, counted from 1; None within a cycle.

    Usable alone.

    >>> [cycle_ended(epoch, 6, 3) for epoch in range(1, 7)]
    [None, 0, None, 1, None, 2]
    """
    cycle = -(-epoch * count // epochs)
    return cycle - 1 if cycle * epochs // count == epoch else None


@dataclass(frozen=True, kw_only=True)
class SnapshotEnsemble(SnapshotTechnique):
    """Keep the weights at the ends of equal cycles of training; all of them answer.

    Args:
        count: Cycles, and so snapshots, of each member; at most as many as epochs.
    """

    count: int = 5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("SnapshotEnsemble.count", self.count)

    @property
    def slots(self) -> int:
        return self.count

    def slot(self, epoch: int, epochs: int) -> int | None:
        if epochs < self.count:
            raise refusal("SnapshotEnsemble.count", f"be at most the number of epochs, {epochs}", self.count)
        return cycle_ended(epoch, epochs, self.count)
