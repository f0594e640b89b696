r"""Elastic net: absolute and squared weights are both added to the loss, one part for zeros, one for stability.

$$L' = L + \lambda \sum_w \Bigl(\rho\,|w| + \tfrac{1 - \rho}{2}\, w^2\Bigr)$$

L1 at $\rho = 1$, L2 at $\rho = 0$. Over weights alone: no biases, no norms. Good where inputs say nearly the same: L1
alone keeps one of them by chance, the square keeps them together. By gradients alone weights come near 0 and not to it;
for exact zeros there is `ProximalL1`.

Source: Zou & Hastie, Regularization and variable selection via the elastic net, 2005,
https://doi.org/10.1111/j.1467-9868.2005.00503.x, equation 3; $\lambda$ and $\rho$ as in scikit-learn's `ElasticNet`
(there `alpha` and `l1_ratio`, for half the mean squared error).
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.loss.l1 import sum_absolute
from wellposed.techniques.loss.l2 import sum_squares
from wellposed.techniques.places import LossTechnique, Tensors
from wellposed.techniques.selection import check_pattern
from wellposed.techniques.technique import Strength, Technique, strength


def blend_norms(parameters: Tensors, l1_share: Strength, where: str = "*") -> Float[Tensor, " K"]:
    """Sum of absolute weights and half that of squared ones, blended; 0 where no weight's name matches `where`.

    Usable alone with parameters `1 out in ...`, such as `p[None]`.

    >>> import torch
    >>> blend_norms({"0.weight": torch.tensor([[[3.0, -4.0]]])}, 0.5)
    tensor([9.7500])
    """
    return l1_share * sum_absolute(parameters, where) + (1 - l1_share) * 0.5 * sum_squares(parameters, where)


@dataclass(frozen=True, kw_only=True)
class ElasticNet(LossTechnique):
    """Charge each weight its absolute value and its square.

    Args:
        amount: What is charged in all; 0 changes nothing.
        l1_share: Share of the absolute value: 1 is L1, 0 is L2.
        where: Names of the parameters that pay, with `*` for any text, such as "layers.0.*".
    """

    amount: Strength = strength(1e-4, valid=(0.0, 1000.0), search=(1e-7, 1e-2), log=True)
    l1_share: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.0, 1.0))
    where: str = "*"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_pattern("ElasticNet.where", self.where)

    def penalty(self, parameters: Tensors) -> Float[Tensor, " K"]:
        return self.amount * blend_norms(parameters, self.l1_share, self.where)
