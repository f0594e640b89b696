r"""Adversarial training: each row counts twice, as it is and moved a small step to where the network errs more.

$$L' = (1 - s)\, L(x) + s\, L(x + \varepsilon\, \mathrm{sign}\, \nabla_x L(x))$$

The step is a constant for the gradient of the weights (the fast gradient sign method). Every number of a row moves by
$\varepsilon$, in the scale that the network sees: of standardized columns, in standard deviations, and as far out as it
leads. Pixels stay within the range of the training images' pixels. Categories and tokens have no gradient, and stay.
Both losses are of the same draws, such as dropout masks.

Good against small changes of the inputs, noise or adversary, and as a regularizer on few rows; good for numbers and
classes alike. Bad where a small change of a column does change the answer. Costs a second pass both ways, and a third
one back for the inputs' gradient.

Source: Goodfellow, Shlens & Szegedy, Explaining and harnessing adversarial examples, 2015,
https://arxiv.org/abs/1412.6572, sections 4 and 6 (there with equal shares).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.random import Key
from wellposed.techniques.batch.images import bounds_of
from wellposed.techniques.places import Answers, AnswerTechnique, Batch
from wellposed.techniques.technique import Strength, spread, strength


def climb(x: Float[Tensor, "K B ..."], slope: Float[Tensor, "K B ..."], epsilon: Strength) -> Float[Tensor, "K B ..."]:
    """Rows moved by `epsilon` in the direction of each sign of the loss's gradient. Usable alone, with rows `x[None]`.

    >>> climb(torch.zeros(1, 1, 3), torch.tensor([[[7.0, 0.0, -0.1]]]), 0.5)
    tensor([[[ 0.5000,  0.0000, -0.5000]]])
    """
    return x + slope.sign() * spread(epsilon, x)


def within_range(moved: Float[Tensor, "K B ..."], batch: Batch) -> Float[Tensor, "K B ..."]:
    """Pixels no further out than the training images' are, or than they were; other numbers as they are."""
    if batch.x.dim() != 5 or batch.facts is None:
        return moved
    low, high = bounds_of(batch)
    return torch.minimum(torch.maximum(moved, torch.minimum(batch.x, low)), torch.maximum(batch.x, high))


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining(AnswerTechnique):
    """Train on rows as they are, and as they would mislead the network most.

    Args:
        epsilon: How far each number is moved; 0 changes nothing but the order of sums.
        share: Of the loss that is that of moved rows; 0 changes nothing.
    """

    differentiates_inputs: ClassVar[bool] = True
    epsilon: Strength = strength(0.1, valid=(0.0, 100.0), search=(0.01, 0.3), log=True)
    share: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.1, 0.9))

    def penalize(self, answers: Answers, key: Key) -> Float[Tensor, " K"]:
        x = answers.batch.x
        if x.numel() == 0:
            do = "Leave it out for texts and categories."
            raise refusal("Inputs under AdversarialTraining", "be numbers", "none", do)
        (slope,) = torch.autograd.grad(answers.loss.sum(), x, retain_graph=True, materialize_grads=True)
        with torch.no_grad():
            moved = within_range(climb(x, slope, self.epsilon), answers.batch)
        return self.share * (answers.loss_at(moved) - answers.loss)
