r"""A controller that learns which choices are rewarded: independent categorical distributions, trained by REINFORCE.

A proposal is one option for each of $D$ decisions, drawn with $\pi(a) = \prod_d \mathrm{softmax}(\theta_d)_{a_d}$. A
round of $n$ proposals with rewards $r_i$ moves the logits along

$$\frac1n \sum_i \frac{r_i - b}{s}\,\nabla \log \pi(a_i) + \beta\,\nabla H(\pi), \qquad
\frac{\partial \log \pi(a)}{\partial \theta_{dj}} = [a_d = j] - \pi_{dj}, \qquad
\frac{\partial H}{\partial \theta_{dj}} = -\pi_{dj} (\log \pi_{dj} + H_d)$$

$b$ and $s$ are moving averages of the rewards' mean and deviation over the rounds before (in the first round, that
round's own, which shortens the step by $(n - 1)/n$ and does not turn it). The entropy $H$ keeps options open.

Sources: Williams, Simple statistical gradient-following algorithms for connectionist reinforcement learning, Machine
Learning 8 (1992), https://doi.org/10.1007/BF00992696, section 4 (the gradient, with a baseline); Zoph and Le, Neural
architecture search with reinforcement learning, 2017, https://arxiv.org/abs/1611.01578, section 3.2 (moving baseline);
Cubuk et al., AutoAugment, 2019, https://arxiv.org/abs/1805.09501, section 3 (the decisions; there a recurrent network
makes them, trained by proximal policy optimization).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import check_number, refusal
from wellposed.random import Key

LEAST_SPREAD = 1e-12
"""Deviation of rewards from which on they are told apart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Controller:
    """What is known after some rounds.

    Attributes:
        logits: For each decision one number an option.
        rate: How far a round moves the logits.
        entropy: How much the entropy weighs, in units of the rewards' deviation.
        pace: Share of the moving averages that a round replaces.
        mean: Of the rewards so far; NaN before the first round.
        deviation: Of the rewards so far; NaN likewise.
    """

    logits: tuple[Float64[Tensor, " _"], ...]
    rate: float = 2.0
    entropy: float = 0.02
    pace: float = 0.3
    mean: float = math.nan
    deviation: float = math.nan

    def __post_init__(self) -> None:
        if not self.logits or any(own.dim() != 1 or not len(own) for own in self.logits):
            raise refusal("Controller.logits", "be vectors with a number for each option", len(self.logits))
        check_number("Controller.rate", self.rate, low=0)
        check_number("Controller.entropy", self.entropy, low=0)
        check_number("Controller.pace", self.pace, low=0, high=1, open="(")

    @classmethod
    def start(
        cls, options: Sequence[int], *, rate: float = 2.0, entropy: float = 0.02, pace: float = 0.3
    ) -> "Controller":
        """Before the first round: all options of a decision are equally likely.

        >>> Controller.start([2, 3]).probabilities()[0].tolist()
        [0.5, 0.5]
        """
        logits = tuple(torch.zeros(n, dtype=torch.float64) for n in options)
        return cls(logits=logits, rate=rate, entropy=entropy, pace=pace)

    def probabilities(self) -> tuple[Float64[Tensor, " _"], ...]:
        """Of the options of each decision."""
        return tuple(own.softmax(0) for own in self.logits)

    def propose(self, n: int, *, key: Key) -> Int64[Tensor, "n D"]:
        """Draw proposals: the position of the option of each decision. `key` is one number.

        >>> Controller.start([2, 3]).propose(4, key=torch.tensor(1)).shape
        torch.Size([4, 2])
        """
        drawn = random.uniform(key, (len(self.logits), n), dtype=torch.float64)
        below = (p.cumsum(0)[:-1] for p in self.probabilities())  # the last sum may be a hair below 1
        return torch.stack([torch.searchsorted(c, u, right=True) for c, u in zip(below, drawn, strict=True)], dim=-1)

    def learned(self, choices: Int64[Tensor, "n D"], rewards: Float64[Tensor, " n"]) -> "Controller":
        """The controller after a round; higher rewards are better. Those that are not finite count as the worst.

        >>> controller = Controller.start([2]).learned(torch.tensor([[0], [1]]), torch.tensor([1.0, 0.0]).double())
        >>> controller.probabilities()[0][0] > 0.5
        tensor(True)
        """
        finite = rewards[rewards.isfinite()]
        if not len(finite):
            return self
        rewards = torch.where(rewards.isfinite(), rewards, finite.min())
        mean, deviation = float(rewards.mean()), float(rewards.std(correction=0))
        baseline = mean if math.isnan(self.mean) else self.mean
        spread = self.deviation if self.deviation >= LEAST_SPREAD else deviation  # nothing was told apart before
        advantages = (rewards - baseline) / (spread if spread >= LEAST_SPREAD else 1.0)
        steps = policy_gradient(self.logits, choices, advantages, entropy=self.entropy)
        return replace(
            self,
            logits=tuple(own + self.rate * step for own, step in zip(self.logits, steps, strict=True)),
            mean=baseline + self.pace * (mean - baseline),
            deviation=spread + self.pace * (deviation - spread),
        )


def policy_gradient(
    logits: Sequence[Float64[Tensor, " _"]],
    choices: Int64[Tensor, "n D"],
    advantages: Float64[Tensor, " n"],
    *,
    entropy: float = 0.0,
) -> tuple[Float64[Tensor, " _"], ...]:
    """The gradient of the mean of advantage times log-probability, plus `entropy` times the entropy. Usable alone.

    >>> policy_gradient([torch.zeros(2).double()], torch.tensor([[1]]), torch.tensor([2.0]).double())
    (tensor([-1.,  1.], dtype=torch.float64),)
    """
    found = []
    for own, chosen in zip(logits, choices.unbind(-1), strict=True):
        p, log_p = own.softmax(0), own.log_softmax(0)
        one_hot = torch.nn.functional.one_hot(chosen, len(own)).to(p)
        score = (advantages.unsqueeze(-1) * (one_hot - p)).mean(0)
        spread = -(p * log_p).sum()
        found.append(score - entropy * p * (log_p + spread))
    return tuple(found)
