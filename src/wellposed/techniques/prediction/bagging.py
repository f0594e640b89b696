r"""Bagging's theory: the error of a mean of members from their own errors, and an estimate from rows they do not own.

For errors $\epsilon_i$ of $k$ members with mean square $v = \operatorname{mean}_i \operatorname{E}[\epsilon_i^2]$ and
mean product $c = \operatorname{mean}_{i \ne j} \operatorname{E}[\epsilon_i \epsilon_j]$, exactly:

$$\operatorname{E}\Big[\Big(\frac{1}{k} \sum_i \epsilon_i\Big)^2\Big] = \frac{v}{k} + \frac{(k - 1)\,c}{k}$$

The out-of-bag answer for a training row is the mean over the members that were not trained on it.

Sources: Goodfellow, Bengio & Courville, Deep Learning, 2016, https://www.deeplearningbook.org, section 7.11; Breiman,
Out-of-bag estimation, 1996, https://www.stat.berkeley.edu/~breiman/OOBestimation.pdf.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class BaggedErrors(NamedTuple):
    """What the members' errors say of the mean's.

    Attributes:
        v: Mean square of one member's error.
        c: Mean product of two members' errors; 0 where there is one member.
        predicted: Mean square of the mean's error, by the identity.
        measured: The same, measured.
    """

    v: float
    c: float
    predicted: float
    measured: float


def decompose_errors(errors: Float[Tensor, "K N"]) -> BaggedErrors:
    """Split the squared error of the members' mean answer into their own errors and what these have in common.

    Usable alone.

    Args:
        errors: Of each member on each row: its number minus the true one.

    >>> decompose_errors(torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    BaggedErrors(v=1.0, c=0.0, predicted=0.5, measured=0.5)
    """
    k, n = errors.shape
    products = errors @ errors.T / n
    v = products.diagonal().mean()
    c = (products.sum() - products.diagonal().sum()) / max(1, k * (k - 1))
    measured = errors.mean(0).square().mean()
    return BaggedErrors(float(v), float(c), float(v / k + (k - 1) * c / k), float(measured))


def out_of_bag(outputs: Float[Tensor, "K N C"], owned: Int64[Tensor, "K M"]) -> Float[Tensor, "N C"]:
    """The mean answer for each training row over the members that do not own it; NaN where all own it.

    Usable alone.

    Args:
        outputs: Of each member on all training rows: probabilities or numbers.
        owned: Positions of the rows that each member was trained on, repeated or not.

    >>> out_of_bag(torch.tensor([[[1.0], [2.0], [3.0]], [[5.0], [6.0], [7.0]]]), torch.tensor([[0, 0], [0, 1]]))
    tensor([[nan],
            [2.],
            [5.]])
    """
    free = torch.ones(outputs.shape[:2], dtype=torch.bool, device=outputs.device).scatter_(1, owned, False)
    total = torch.where(free.unsqueeze(-1), outputs, 0.0).sum(0)
    return total / free.sum(0).unsqueeze(-1)
