r"""Jacobian penalty: how steeply the outputs change with the inputs is added to the loss.

$$L' = L + \frac{\lambda}{2}\, \frac1B \sum_b \lVert J(x_b) \rVert_F^2, \qquad
J_{ci} = \frac{\partial z_c}{\partial x_i}$$

with $z$ the logits, or the number. Exactly, a backward pass for each output; or by random directions $v$ on the unit
sphere of the outputs, as $\lVert J \rVert_F^2 = C\, \mathbb E \lVert v^\top J \rVert^2$, a backward pass for each.

Good against small changes of the inputs, noise or adversary, and where the answer is known to be smooth. Costs two to
three times the time. Categories and tokens have no derivative. Behind a batch norm in training, rows count each other's
inputs, too.

Source: Hoffman, Roberts & Yaida, Robust learning with Jacobian regularization, 2019, https://arxiv.org/abs/1908.02729,
equations 4 and 6, algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_count, refusal
from wellposed.random import Key, make_key, normal
from wellposed.techniques.loss.rows import mean_over_rows
from wellposed.techniques.places import Answers, AnswerTechnique
from wellposed.techniques.technique import Strength, Technique, strength


def square_jacobian(
    outputs: Float[Tensor, "K B C"], x: Float[Tensor, "K B ..."], *, projections: int = 0, key: Key
) -> Float[Tensor, "K B"]:
    """Squared Frobenius norm of each row's Jacobian, exact for 0 `projections`; differentiable.

    Usable alone with `outputs` that were computed from an `x` which requires a gradient; `key` holds one number a
    member, and is not used where the norm is exact.

    >>> x = torch.tensor([[[1.0, 2.0]]], requires_grad=True)
    >>> square_jacobian(3 * x, x, key=torch.tensor([0]))
    tensor([[18.]])
    """
    k, b, c = outputs.shape
    total = outputs.new_zeros(k, b)
    for number in range(projections or c):
        if projections:
            dtype = torch.promote_types(outputs.dtype, torch.float32)
            direction = normal(make_key(key, step=number, place="projection"), (b, c), dtype=dtype)
            length = torch.linalg.vector_norm(direction, dim=2, keepdim=True)
            seen = (direction / length).to(outputs.dtype) * outputs
        else:
            seen = outputs[..., number]
        (slope,) = torch.autograd.grad(seen.sum(), x, create_graph=True, materialize_grads=True)
        total = total + slope.flatten(2).square().sum(2)
    return total * (c / projections) if projections else total


@dataclass(frozen=True, kw_only=True)
class JacobianPenalty(AnswerTechnique):
    """Charge outputs that change steeply with the inputs.

    Args:
        projections: Random directions by which the norm is estimated; 0 is exact, with one pass for each output.
        amount: Twice what a squared slope of 1 costs; 0 changes nothing.
    """

    differentiates_inputs: ClassVar[bool] = True
    projections: int = 1
    amount: Strength = strength(0.01, valid=(0.0, 1000.0), search=(1e-5, 1.0), log=True)

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("JacobianPenalty.projections", self.projections, least=0)

    def penalize(self, answers: Answers, key: Key) -> Float[Tensor, " K"]:
        x = answers.batch.x
        if x.numel() == 0:
            do = "Leave it out for texts and categories."
            raise refusal("Inputs under JacobianPenalty", "be numbers", "none", do)
        squares = square_jacobian(answers.outputs, x, projections=self.projections, key=key)
        return 0.5 * self.amount * mean_over_rows(squares, answers.batch.weight)
