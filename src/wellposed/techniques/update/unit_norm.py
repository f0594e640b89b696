r"""Unit norm: after each step every unit's incoming weights get length 1.

$$w_j \leftarrow \frac{w_j}{\lVert w_j \rVert}$$

with $w_j$ all weights that lead into unit (or channel) $j$. Only directions are learned; a unit whose weights are all 0
stays at 0. Good before norms, which ignore the length anyway, and for layers whose units are compared with each other.
Bad for output layers, whose logits then stay within the length of what comes in: leave them out by `where`.

Source: Salimans & Kingma, Weight normalization, 2016, https://arxiv.org/abs/1602.07868, section 2 (there by a change of
parameters, with a learned length); as a constraint in Keras' `constraints.UnitNorm`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from wellposed.techniques.places import Tensors, UpdateTechnique
from wellposed.techniques.selection import check_pattern, select_weights
from wellposed.techniques.technique import Strength, Technique


def normalize_units_(parameters: Tensors, where: str = "*") -> None:
    """Divide each unit's incoming weights by their length, in place.

    Usable alone, under `torch.no_grad()`, with parameters `1 out in ...`, such as `p[None]`, which is a view.

    >>> weight = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])
    >>> normalize_units_({"weight": weight})
    >>> weight
    tensor([[[0.6000, 0.8000],
             [0.0000, 0.0000]]])
    """
    for weight in select_weights(parameters, where).values():
        norm = torch.linalg.vector_norm(weight, dim=tuple(range(2, weight.dim())), keepdim=True)
        weight.div_(norm.clamp_min(torch.finfo(norm.dtype).tiny))


@dataclass(frozen=True, kw_only=True)
class UnitNorm(UpdateTechnique):
    """Keep every unit's incoming weights at length 1.

    Args:
        where: Names of the parameters that are kept so, with `*` for any text, such as "layers.0.*".
    """

    when: ClassVar[Literal["before", "after"]] = "after"
    where: str = "*"

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_pattern("UnitNorm.where", self.where)

    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        normalize_units_(parameters, self.where)
