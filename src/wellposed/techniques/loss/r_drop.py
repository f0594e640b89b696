r"""R-Drop: two answers to the same batch, under different dropout masks, must agree.

$$L' = L + \frac{\alpha}{2 B} \sum_b \bigl(\mathrm{KL}(p_b \,\Vert\, q_b) + \mathrm{KL}(q_b \,\Vert\, p_b)\bigr)$$

with $p$ the answer that is trained anyway and $q$ the other one; of numbers, the squared difference takes the place of
the divergence. The authors average the loss itself over both answers; here it is the first's alone, whose expectation
is the same. Needs dropout, or another layer that draws: else the answers are equal and nothing happens.

Good for models of much dropout, which answer differently in training and afterwards; costs a second pass. Bad for small
networks that underfit already.

Source: Liang et al., R-Drop: regularized dropout for neural networks, 2021, https://arxiv.org/abs/2106.14448,
equations 2 to 4.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.loss.rows import mean_over_rows
from wellposed.techniques.places import Answers, AnswerTechnique
from wellposed.techniques.technique import Strength, strength


def disagreement(one: Float[Tensor, "... C"], other: Float[Tensor, "... C"]) -> Float[Tensor, "..."]:
    """Mean of the two divergences between each row's class probabilities, given as logits. Usable alone.

    >>> import torch
    >>> disagreement(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    tensor(0.)
    """
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    return 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(-1)


@dataclass(frozen=True, kw_only=True)
class RDrop(AnswerTechnique):
    """Charge what two answers under different masks disagree in.

    Args:
        amount: What a nat of disagreement costs; 0 changes nothing.
    """

    differentiates_inputs: ClassVar[bool] = False
    amount: Strength = strength(1.0, valid=(0.0, 100.0), search=(0.1, 10.0), log=True)

    def penalize(self, answers: Answers, key: Key) -> Float[Tensor, " K"]:
        one, other = answers.outputs, answers.again(1)
        apart = disagreement(one, other) if one.shape[-1] > 1 else (one - other).square().sum(-1)
        return self.amount * mean_over_rows(apart, answers.batch.weight)
