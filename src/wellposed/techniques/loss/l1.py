r"""L1: the sum of absolute weights is added to the loss, so that weights that help little become (nearly) 0.

$$L' = L + \lambda \sum_{w} |w|$$

Over weights alone: no biases, no norms. Several terms with different `where` make one strength a layer.

Source: Tibshirani, Regression shrinkage and selection via the lasso, 1996; for networks Goodfellow, Bengio & Courville,
Deep Learning, 2016, https://www.deeplearningbook.org, section 7.1.2, equation 7.18.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.places import LossTechnique, Tensors
from wellposed.techniques.selection import check_pattern, select_weights
from wellposed.techniques.technique import Strength, Technique, strength


def sum_absolute(parameters: Tensors, where: str = "*") -> Float[Tensor, " K"]:
    """Sum of absolute weights of each member; 0 where no weight's name matches `where`.

    Usable alone with parameters `1 out in ...`, such as `p[None]`.

    >>> sum_absolute({"0.weight": torch.tensor([[[3.0, -4.0]]]), "0.bias": torch.tensor([[9.0]])})
    tensor([7.])
    """
    first = next(iter(parameters.values()))
    total = torch.zeros(first.shape[0], dtype=first.dtype, device=first.device)
    for weight in select_weights(parameters, where).values():
        total = total + weight.abs().flatten(1).sum(1)
    return total


@dataclass(frozen=True, kw_only=True)
class L1(LossTechnique):
    """Charge each weight its absolute value.

    Args:
        amount: What a weight of 1 costs; 0 changes nothing.
        where: Names of the parameters that pay, with `*` for any text, such as "layers.0.*".
    """

    amount: Strength = strength(1e-4, valid=(0.0, 1000.0), search=(1e-7, 1e-2), log=True)
    where: str = "*"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_pattern("L1.where", self.where)

    def penalty(self, parameters: Tensors) -> Float[Tensor, " K"]:
        return self.amount * sum_absolute(parameters, self.where)
