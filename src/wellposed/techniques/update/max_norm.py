r"""Max-norm: after each step a unit whose incoming weights are longer than the limit gets them shortened to it.

$$w_j \leftarrow w_j \cdot \min\!\left(1, \frac{c}{\lVert w_j \rVert}\right)$$

with $w_j$ all weights that lead into unit (or channel) $j$; a category's embedding counts as one, too.

Source: Srivastava et al., Dropout, JMLR 15 (2014), 1929-1958, https://jmlr.org/papers/v15/srivastava14a.html,
section 5.1 and appendix A.2 (there for hidden units, with $c$ from 3 to 4).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from wellposed.techniques.places import Tensors, UpdateTechnique
from wellposed.techniques.selection import select_weights
from wellposed.techniques.technique import Strength, spread, strength


def project_units_(parameters: Tensors, limit: Strength) -> None:
    """Shorten each unit's incoming weights to `limit`, in place.

    Usable alone, under `torch.no_grad()`, with parameters `1 out in ...`, such as `p[None]`, which is a view.

    >>> weight = torch.tensor([[[3.0, 4.0], [0.3, 0.4]]])
    >>> project_units_({"weight": weight}, 1.0)
    >>> weight
    tensor([[[0.6000, 0.8000],
             [0.3000, 0.4000]]])
    """
    for weight in select_weights(parameters).values():
        norm = torch.linalg.vector_norm(weight, dim=tuple(range(2, weight.dim())), keepdim=True)
        weight.mul_((spread(limit, weight) / norm.clamp_min(torch.finfo(norm.dtype).tiny)).clamp_max(1))


@dataclass(frozen=True, kw_only=True)
class MaxNorm(UpdateTechnique):
    """Keep every unit's incoming weights in a ball, so that large learning rates cannot blow them up.

    Args:
        limit: Radius of the ball; infinity changes nothing.
    """

    when: ClassVar[Literal["before", "after"]] = "after"
    limit: Strength = strength(3.0, valid=(0.0, float("inf")), search=(0.5, 5.0), log=True)

    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        project_units_(parameters, self.limit)
