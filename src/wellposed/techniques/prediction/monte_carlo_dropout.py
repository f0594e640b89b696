r"""Monte-Carlo dropout: a network with dropout answers many times, with other masks; their spread is uncertainty.

$$\operatorname{E}[y] \approx \frac{1}{T} \sum_t \hat y_t, \qquad
\operatorname{Var}[y] \approx \tau^{-1} + \frac{1}{T} \sum_t \hat y_t^2 - \operatorname{E}[y]^2, \qquad
\tau = \frac{p\,l^2}{2 N \lambda}$$

with the probability $p$ to keep a unit, the prior's length scale $l$, $N$ training rows and the weight decay $\lambda$.
The density of a number $y$ is that of a mixture of normals:

$$\log p(y) \approx \operatorname{logsumexp}_t\!\big(-\tfrac{\tau}{2}(y - \hat y_t)^2\big)
- \log T - \tfrac{1}{2} \log 2\pi + \tfrac{1}{2} \log \tau$$

Good for a measure of uncertainty from one trained network, and for answers a little better than weight scaling's from
about 50 passes. Bad for speed, and its spread does not shrink with more training rows unless $\tau$ and the rate are
chosen anew.

Source: Gal & Ghahramani, Dropout as a Bayesian approximation, 2016, https://arxiv.org/abs/1506.02142, section 4; 50
passes: Srivastava et al., Dropout, 2014, section 7.5.
"""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_count
from wellposed.techniques.places import PassTechnique
from wellposed.techniques.technique import Technique


def model_precision(keep: float, *, length: float, rows: int, decay: float) -> float:
    """The precision of the observed numbers that goes with a network's dropout and weight decay.

    Usable alone.

    Args:
        keep: Probability to keep a unit, one minus the dropout rate.
        length: Length scale of the prior: the smaller, the faster the functions it expects vary.
        rows: Training rows.
        decay: The factor of the squared weights in a loss that is a mean over rows.

    >>> model_precision(0.5, length=2.0, rows=100, decay=0.01)
    1.0
    """
    return keep * length**2 / (2 * rows * decay)


def predictive_moments(
    answers: Float[Tensor, "T *shape"], *, precision: float = math.inf
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Mean and variance of `T` answers, with the variance of the observations where their precision is given.

    Usable alone.

    >>> import torch
    >>> predictive_moments(torch.tensor([[1.0], [3.0]]), precision=2.0)
    (tensor([2.]), tensor([1.5000]))
    """
    return answers.mean(0), answers.var(0, correction=0) + 1 / precision


def predictive_log_likelihood(
    answers: Float[Tensor, "T *shape"], y: Float[Tensor, "*shape"], *, precision: float
) -> Float[Tensor, "*shape"]:
    """The log-density of each number under the mixture of normals around the `T` answers.

    Usable alone; its mean over test rows is what papers report.

    >>> import torch
    >>> predictive_log_likelihood(torch.tensor([[0.0], [2.0]]), torch.tensor([1.0]), precision=1.0)
    tensor([-1.4189])
    """
    exponents = -precision / 2 * (y - answers).square()
    return exponents.logsumexp(0) - math.log(len(answers)) + (math.log(precision) - math.log(2 * math.pi)) / 2


@dataclass(frozen=True, kw_only=True)
class MonteCarloDropout(PassTechnique):
    """Ask each network several times with its layers drawing as in training; the mean is its answer.

    Args:
        passes: How often.
    """

    passes: int = 50

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("MonteCarloDropout.passes", self.passes)

    @property
    def draws(self) -> int:
        return self.passes
