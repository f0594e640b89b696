r"""Stochastic weight averaging: late in training, weights of many epochs are averaged, all with the same share.

$$\bar\theta_{n} = \bar\theta_{n-1} + \frac{\theta_n - \bar\theta_{n-1}}{n}$$

Over the weights $\theta_1$ at the end of epoch $s$, where averaging starts, and $\theta_2, \theta_3, \dots$ every $c$
epochs from there. Until the start the average is the weights themselves.

Good with a learning rate that stays high at the end, constant or cyclic, so that the weights wander around a wide
minimum whose middle is found. Bad after a rate that has fallen to nothing: there is nothing to average. The running
statistics of norms do not fit averaged weights; they are measured anew before answering unless `refresh` is off.

Source: Izmailov, Podoprikhin, Garipov, Vetrov & Wilson, Averaging weights leads to wider optima and better
generalization, 2018, https://arxiv.org/abs/1803.05407, algorithm 1; the same numbers as
`torch.optim.swa_utils.AveragedModel`, asked at those epochs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wellposed.checks import check_count
from wellposed.techniques.average.ema import move_average_
from wellposed.techniques.places import AverageTechnique, Moment, Tensors
from wellposed.techniques.technique import Strength, Technique, strength


def averaging_share(start_share: Strength, moment: Moment, *, cycle: int = 1) -> Strength:
    """The share of the average that the present weights take: 1 until the start, then 1/n at the end of each cycle.

    Usable alone.

    >>> [averaging_share(0.5, Moment(step, 1, 8)) for step in range(1, 9)]
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.3333333333333333, 0.25, 0.2]
    >>> averaging_share(torch.tensor([0.0, 1.0]), Moment(1, 1, 8))
    tensor([0.5000, 1.0000])
    """
    epoch, within = divmod(moment.step - 1, moment.epoch_steps)
    start = torch.as_tensor(start_share, dtype=None if isinstance(start_share, Tensor) else torch.float64)
    past = epoch + 1 - (start * (moment.total // moment.epoch_steps)).round()
    due = (past.remainder(cycle) == 0) & (within == moment.epoch_steps - 1)
    counted = 1 / (past.div(cycle, rounding_mode="floor") + 1)
    share = torch.where(past <= 0, 1.0, torch.where(due, counted, 0.0)).to(start.dtype)
    return share if isinstance(start_share, Tensor) else float(share)


@dataclass(frozen=True, kw_only=True)
class SWA(AverageTechnique):
    """Answer with the mean of the weights at the ends of the last epochs.

    Args:
        start_share: Share of the planned epochs after which the first weights are taken; 1 is the last weights, and 0
            counts the starting weights, too.
        cycle: Epochs from one to the next.
        refresh: Measure the norms' running statistics anew for the averaged weights.
    """

    start_share: Strength = strength(0.75, valid=(0.0, 1.0), search=(0.5, 0.95))
    cycle: int = 1
    refresh: bool = True

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("SWA.cycle", self.cycle)

    def average_(self, mean: Tensors, tensors: Tensors, moment: Moment) -> None:
        move_average_(mean, tensors, 1 - averaging_share(self.start_share, moment, cycle=self.cycle))

    @property
    def refreshes(self) -> bool:
        return self.refresh
