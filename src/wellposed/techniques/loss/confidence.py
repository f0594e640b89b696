r"""Confidence penalty: the entropy of the answers is subtracted from the loss, so that certainty must be earned.

$$L' = L - \beta\, \frac1B \sum_b H(p_b), \qquad H(p) = -\sum_c p_c \log p_c$$

Good against overconfident classifiers, much as label smoothing is (which turns the divergence around, and pulls wrong
answers as well). Bad where probabilities should be sharp because classes are certain. For classification alone.

Source: Pereyra et al., Regularizing neural networks by penalizing confident output distributions, 2017,
https://arxiv.org/abs/1701.06548, section 3.1.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.random import Key
from wellposed.techniques.loss.rows import mean_over_rows
from wellposed.techniques.places import Answers, AnswerTechnique
from wellposed.techniques.technique import Strength, strength


def entropies(logits: Float[Tensor, "... C"]) -> Float[Tensor, "..."]:
    """Entropy of each row's class probabilities, in nats. Usable alone.

    >>> import torch
    >>> entropies(torch.zeros(1, 2))
    tensor([0.6931])
    """
    logs = logits.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)


@dataclass(frozen=True, kw_only=True)
class ConfidencePenalty(AnswerTechnique):
    """Reward answers that leave something open.

    Args:
        amount: What a nat of entropy earns; 0 changes nothing.
    """

    differentiates_inputs: ClassVar[bool] = False
    amount: Strength = strength(0.1, valid=(0.0, 100.0), search=(1e-3, 1.0), log=True)

    def penalize(self, answers: Answers, key: Key) -> Float[Tensor, " K"]:
        classes = answers.outputs.shape[-1]
        if classes < 2:
            must = "be logits of two classes or more"
            raise refusal("Outputs under ConfidencePenalty", must, classes, "Leave it out for numbers.")
        return -self.amount * mean_over_rows(entropies(answers.outputs), answers.batch.weight)
