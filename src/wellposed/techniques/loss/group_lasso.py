r"""Group lasso: lengths of whole groups of weights are added to the loss, so that groups become (nearly) 0 together.

$$L' = L + \lambda \sum_g \sqrt{n_g}\, \lVert w_g \rVert_2$$

with $n_g$ the number of weights in group $g$: all that leave an input of a layer, or all that lead into a unit of it
(for convolutions: a channel). Good for finding inputs or units that can be left out; of groups of one weight it is L1.
By gradients alone groups come near 0 and not to it. Over weights alone: no biases, no norms.

Source: Yuan & Lin, Model selection and estimation in regression with grouped variables, 2006,
https://doi.org/10.1111/j.1467-9868.2005.00532.x, section 2.1; for networks Scardapane et al., Group sparse
regularization for deep neural networks, 2017, https://arxiv.org/abs/1607.00485, section 3.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.places import LossTechnique, Tensors
from wellposed.techniques.selection import check_pattern, select_weights
from wellposed.techniques.technique import Strength, Technique, strength

Group: TypeAlias = Literal["input", "output"]


def sum_lengths(parameters: Tensors, group: Group, where: str = "*") -> Float[Tensor, " K"]:
    """Sum of each member's lengths of groups, times the root of their size; 0 where no name matches `where`.

    Usable alone with parameters `1 out in ...`, such as `p[None]`.

    >>> sum_lengths({"weight": torch.tensor([[[3.0, 0.0], [4.0, 0.0]]])}, "input") / 2**0.5
    tensor([5.])
    """
    first = next(iter(parameters.values()))
    total = torch.zeros(first.shape[0], dtype=first.dtype, device=first.device)
    for weight in select_weights(parameters, where).values():
        grouped = weight.transpose(1, 2) if group == "input" else weight
        flat = grouped.flatten(2)
        total = total + math.sqrt(flat.shape[2]) * torch.linalg.vector_norm(flat, dim=2).sum(1)
    return total


@dataclass(frozen=True, kw_only=True)
class GroupLasso(LossTechnique):
    """Charge groups of weights their lengths.

    Args:
        group: Weights that leave an "input" of a layer together, or that lead into an "output".
        amount: What a group of one weight of 1 costs; 0 changes nothing.
        where: Names of the parameters that pay, with `*` for any text, such as "layers.0.*".
    """

    group: Group = "input"
    amount: Strength = strength(1e-4, valid=(0.0, 1000.0), search=(1e-7, 1e-2), log=True)
    where: str = "*"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_pattern("GroupLasso.where", self.where)

    def penalty(self, parameters: Tensors) -> Float[Tensor, " K"]:
        return self.amount * sum_lengths(parameters, self.group, self.where)
