r"""Lookahead: the optimizer runs ahead a few steps, slow weights follow a part of the way, and it starts from them.

$$\phi_{t} = \phi_{t-1} + \alpha\,(\theta_{t,k} - \phi_{t-1}), \qquad \theta_{t+1,0} = \phi_t$$

with $k$ steps of any optimizer from $\theta_{t,0}$ to $\theta_{t,k}$. Answers come from the slow weights $\phi$.

Good with a learning rate near the largest that works: what the fast weights tremble cancels out. Bad for short
training, since the slow weights lag behind. What the optimizer remembers (its moments) is kept, as the paper advises.

Parameters and the norms' running statistics move alike, so that the statistics stay near those of the slow weights.

Source: Zhang, Lucas, Hinton & Ba, Lookahead optimizer: k steps forward, 1 step back, 2019,
https://arxiv.org/abs/1907.08610, algorithm 1 ($k = 5$ and $\alpha = 0.5$: section 5; moments: appendix C.1).
"""

from dataclasses import dataclass

from wellposed.checks import check_count
from wellposed.techniques.average.ema import move_average_
from wellposed.techniques.places import AverageTechnique, Moment, Tensors
from wellposed.techniques.technique import Strength, Technique, strength


def synchronize_(slow: Tensors, fast: Tensors, alpha: Strength) -> None:
    """Move slow weights towards the fast ones by a share `alpha`, and set the fast ones back to them, in place.

    Usable alone after every few steps of an optimizer, with `dict(model.named_parameters())` as the fast weights, under
    `torch.no_grad()`.

    >>> import torch
    >>> slow, fast = torch.tensor([[1.0]]), torch.tensor([[3.0]])
    >>> synchronize_({"w": slow}, {"w": fast}, 0.5)
    >>> slow, fast
    (tensor([[2.]]), tensor([[2.]]))
    """
    move_average_(slow, fast, 1 - alpha)
    for name, tensor in slow.items():
        fast[name].copy_(tensor)


@dataclass(frozen=True, kw_only=True)
class Lookahead(AverageTechnique):
    """Let the optimizer run ahead and follow it slowly; the slow weights give the answers.

    Args:
        alpha: Share of the way that the slow weights follow; 1 is the optimizer as it is.
        every: Steps from one meeting of slow and fast weights to the next.
    """

    alpha: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.2, 0.8))
    every: int = 5

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("Lookahead.every", self.every)

    def average_(self, mean: Tensors, tensors: Tensors, moment: Moment) -> None:
        if moment.step % self.every == 0:
            synchronize_(mean, tensors, self.alpha)

    @property
    def refreshes(self) -> bool:
        return False
