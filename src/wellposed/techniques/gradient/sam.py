r"""Sharpness-aware minimization: the gradient is taken where, near the present weights, the loss is highest.

$$g = \nabla L\!\left(w + \rho\, \frac{\nabla L(w)}{\lVert \nabla L(w) \rVert}\right)$$

and the step is made from $w$. The norm is over all parameters of one member. The adaptive form measures distance in
units of the weights, so that it does not matter how the scale is shared between layers: with $T = |w| + 0.01$ for
weights and 1 for the rest, the point is $w + \rho\, T^2 \nabla L / \lVert T \nabla L \rVert$.

Good for flat minima, which often generalize better; it makes noise in labels hurt less. Costs a second gradient a step.

Source: Foret et al., Sharpness-aware minimization, 2021, https://arxiv.org/abs/2010.01412, equations 2 and 3; adaptive:
Kwon et al., ASAM, 2021, https://arxiv.org/abs/2102.11600, equation 4 (with $\rho$ some ten times as large).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.places import PointTechnique, Tensors
from wellposed.techniques.selection import select_weights
from wellposed.techniques.technique import Strength, spread, strength


def climb(parameters: Tensors, gradients: Tensors, radius: Strength) -> dict[str, Tensor]:
    """The parameters moved by `radius` along each member's gradient; those without a slope stay.

    Usable alone with parameters and gradients `1 ...`, such as `p.detach()[None]` and `p.grad[None]`.

    >>> climb({"w": torch.tensor([[1.0, 1.0]])}, {"w": torch.tensor([[3.0, 4.0]])}, 0.5)
    {'w': tensor([[1.3000, 1.4000]])}
    """
    step = radius / _length(gradients)
    return {name: w + gradients[name] * spread(step, w) for name, w in parameters.items()}


def climb_adaptively(
    parameters: Tensors, gradients: Tensors, radius: Strength, *, floor: float = 0.01
) -> dict[str, Tensor]:
    """The same with distances in units of each weight's size, to which `floor` is added.

    >>> climb_adaptively({"w": torch.tensor([[[2.0, 0.0]]])}, {"w": torch.tensor([[[1.0, 1.0]]])}, 0.5, floor=0.0)
    {'w': tensor([[[3., 0.]]])}
    """
    units = {name: w.abs() + floor for name, w in select_weights(parameters).items()}
    scaled = {name: g * units[name] if name in units else g for name, g in gradients.items()}
    step = radius / _length(scaled)
    along = {name: g * units[name] if name in units else g for name, g in scaled.items()}
    return {name: w + along[name] * spread(step, w) for name, w in parameters.items()}


def _length(gradients: Tensors) -> Float[Tensor, " K"]:
    """Each member's norm over all gradients; never 0, so that it can divide."""
    norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients.values()])
    length: Tensor = torch.linalg.vector_norm(norms, dim=0).clamp_min(1e-12)
    return length


@dataclass(frozen=True, kw_only=True)
class SAM(PointTechnique):
    """Look for weights in whose neighborhood no loss is high.

    Args:
        adaptive: Measure the neighborhood in units of the weights.
        radius: Of the neighborhood; 0 changes nothing.
    """

    needs_gradients: ClassVar[bool] = True
    adaptive: bool = False
    radius: Strength = strength(0.05, valid=(0.0, 100.0), search=(0.005, 0.5), log=True)

    def point(self, parameters: Tensors, gradients: Tensors, key: Key) -> dict[str, Tensor]:
        move = climb_adaptively if self.adaptive else climb
        return move(parameters, gradients, self.radius)
