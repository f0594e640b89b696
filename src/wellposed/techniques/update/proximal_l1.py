r"""Proximal L1: after each step every weight moves towards 0 by a fixed distance, and stays there once it arrives.

$$w \leftarrow \mathrm{sign}(w)\, \max(|w| - \eta \lambda, 0)$$

with $\eta$ the learning rate at this step. With plain gradient descent this is iterative soft thresholding, which
minimizes $L + \lambda \sum |w|$ and, unlike `L1`, ends at exact zeros. Under Adam each weight has a pace of its own
while the threshold is the same for all, so that $\lambda$ means something else. On weights alone: no biases, no norms.

Good for finding inputs that can be left out (`where` names the first layer, `dead_inputs` lists them). Bad with a
learning rate that decays fast: the thresholds decay along.

Source: Daubechies, Defrise & De Mol, An iterative thresholding algorithm for linear inverse problems, 2004,
https://arxiv.org/abs/math/0307152, equation 1.4; Parikh & Boyd, Proximal algorithms, 2014, section 6.5.2.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.techniques.places import Tensors, UpdateTechnique
from wellposed.techniques.selection import check_pattern, select_weights
from wellposed.techniques.technique import Strength, Technique, spread, strength


def shrink_weights_(parameters: Tensors, distance: Strength, where: str = "*") -> None:
    """Move each weight towards 0 by `distance`, at most to 0, in place; what is not a number stays so.

    Usable alone, under `torch.no_grad()`, with parameters `1 out in ...`, such as `p[None]`, which is a view.

    >>> import torch
    >>> weight = torch.tensor([[[1.0, -0.1, -2.0]]])
    >>> shrink_weights_({"weight": weight}, 0.5)
    >>> weight
    tensor([[[ 0.5000,  0.0000, -1.5000]]])
    """
    for weight in select_weights(parameters, where).values():
        bound = spread(distance, weight)
        weight.sub_(weight.clamp(-bound, bound))  # type: ignore[arg-type]  # both are numbers, or both tensors


def dead_inputs(weight: Float[Tensor, "out in ..."]) -> Int64[Tensor, " n"]:
    """Positions of the inputs from which every weight is exactly 0: the layer does not see them.

    >>> import torch
    >>> dead_inputs(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]))
    tensor([0])
    """
    return (weight.transpose(0, 1).flatten(1) == 0).all(1).nonzero().squeeze(1)


@dataclass(frozen=True, kw_only=True)
class ProximalL1(UpdateTechnique):
    """Pull every weight to exactly 0, unless its gradient pulls harder.

    Args:
        amount: Distance a step, before it is multiplied with the learning rate; 0 changes nothing.
        where: Names of the parameters that are pulled, with `*` for any text, such as "layers.0.*".
    """

    when: ClassVar[Literal["before", "after"]] = "after"
    amount: Strength = strength(1e-3, valid=(0.0, 1000.0), search=(1e-5, 1e-1), log=True)
    where: str = "*"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_pattern("ProximalL1.where", self.where)

    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        shrink_weights_(parameters, learning_rate * self.amount, self.where)
