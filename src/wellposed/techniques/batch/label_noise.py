r"""Label noise: some labels of each batch are wrong, so that the network cannot trust, nor learn by heart, any of them.

$$y' = \begin{cases} \text{another class, uniformly} & \text{with probability } r\\ y & \text{otherwise}\end{cases}$$

On average this is smoothing over the other classes: $\mathbb E\,y' = (1 - r)\,y + r\,(1 - y)/(C - 1)$. DisturbLabel
draws from all classes, the right one included: its $\gamma$ is $C/(C - 1)$ times this rate.

Good against learning by heart where rows are few; bad where the labels are noisy already, and above a rate of
$(C - 1)/C$ it teaches the contrary.

Source: Xie et al., DisturbLabel: regularizing CNN on the loss layer, 2016, https://arxiv.org/abs/1605.00055, section 3.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.random import Key, make_key
from wellposed.techniques.batch.kinds import check_classes
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, strength


def roll_classes(y: Float[Tensor, "... C"], shift: Int64[Tensor, "..."]) -> Float[Tensor, "... C"]:
    """Move each row's probabilities on by so many classes, around the end. Usable alone.

    >>> roll_classes(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([2]))
    tensor([[0., 0., 1.]])
    """
    classes = y.shape[-1]
    return y.gather(-1, (torch.arange(classes, device=y.device) - shift.unsqueeze(-1)) % classes)


def disturb_labels(y: Float[Tensor, "K B C"], rate: Strength, *, key: Key) -> Float[Tensor, "K B C"]:
    """Turn each row's label into one of the others, with probability `rate`; soft ones are moved on as a whole.

    Usable alone. `key` holds one number a member.

    >>> disturb_labels(torch.eye(2).unsqueeze(0), 1.0, key=torch.tensor([1]))
    tensor([[[0., 1.],
             [1., 0.]]])
    """
    rows, classes = y.shape[-2:]
    wrong: Bool[Tensor, "K B"] = random.bernoulli(make_key(key, step=0, place="wrong"), (rows,), rate)
    shift = 1 + random.choice(make_key(key, step=0, place="class"), classes - 1, rows)
    return roll_classes(y, torch.where(wrong, shift, 0))


@dataclass(frozen=True, kw_only=True)
class LabelNoise(BatchTechnique):
    """Train against labels of which some are wrong, others at each step. For classification only.

    Args:
        rate: Share of wrong labels; 0 changes nothing.
    """

    rate: Strength = strength(0.1, valid=(0.0, 1.0), search=(0.0, 0.3))

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_classes(self, batch)
        return batch._replace(y=disturb_labels(batch.y, self.rate, key=key))
