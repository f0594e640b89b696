r"""L2: half the sum of squared weights is added to the loss, so that large weights must earn their keep.

$$L' = L + \frac{\lambda}{2} \sum_{w} w^2$$

With the half the gradient is $\lambda w$, which is what PyTorch's optimizers add for `weight_decay` $= \lambda$. Under
plain gradient descent it is the same as `WeightDecay`; under Adam it is not. Over weights alone: no biases, no norms.
Several terms with different `where` make one strength a layer.

Source: Krogh & Hertz, A simple weight decay can improve generalization, 1991, equation 2; Goodfellow, Bengio &
Courville, Deep Learning, 2016, https://www.deeplearningbook.org, section 7.1.1, equation 7.2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.places import LossTechnique, Tensors
from wellposed.techniques.selection import check_pattern, select_weights
from wellposed.techniques.technique import Strength, Technique, strength


def sum_squares(parameters: Tensors, where: str = "*") -> Float[Tensor, " K"]:
    """Sum of squared weights of each member; 0 where no weight's name matches `where`.

    Usable alone with parameters `1 out in ...`, such as `p[None]`.

    >>> sum_squares({"0.weight": torch.tensor([[[3.0, -4.0]]]), "0.bias": torch.tensor([[9.0]])})
    tensor([25.])
    """
    first = next(iter(parameters.values()))
    total = torch.zeros(first.shape[0], dtype=first.dtype, device=first.device)
    for weight in select_weights(parameters, where).values():
        total = total + weight.square().flatten(1).sum(1)
    return total


@dataclass(frozen=True, kw_only=True)
class L2(LossTechnique):
    """Charge each weight half its square.

    Args:
        amount: The gradient that a weight of 1 gets; 0 changes nothing.
        where: Names of the parameters that pay, with `*` for any text, such as "layers.0.*".
    """

    amount: Strength = strength(1e-4, valid=(0.0, 1000.0), search=(1e-7, 1e-1), log=True)
    where: str = "*"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_pattern("L2.where", self.where)

    def penalty(self, parameters: Tensors) -> Float[Tensor, " K"]:
        return 0.5 * self.amount * sum_squares(parameters, self.where)
