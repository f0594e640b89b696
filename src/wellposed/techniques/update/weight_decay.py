r"""Weight decay: before each step every weight loses a share of itself, apart from what the optimizer does.

$$w \leftarrow (1 - \eta \lambda)\, w$$

with $\eta$ the learning rate at this step. For weights alone: no biases, no norms. Under Adam this is AdamW.

Source: Loshchilov & Hutter, Decoupled weight decay regularization, 2019, https://arxiv.org/abs/1711.05101, algorithm 2
(in PyTorch's form, in which the whole learning rate multiplies $\lambda$).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from wellposed.techniques.places import Tensors, UpdateTechnique
from wellposed.techniques.selection import select_weights
from wellposed.techniques.technique import Strength, spread, strength


def decay_weights_(parameters: Tensors, amount: Strength, *, learning_rate: Strength) -> None:
    """Shrink each weight by a share `learning_rate * amount`, in place.

    Usable alone, under `torch.no_grad()`, with parameters `1 out in ...`, such as `p[None]`, which is a view.

    >>> import torch
    >>> weight = torch.ones(1, 1, 2)
    >>> decay_weights_({"weight": weight}, 0.5, learning_rate=0.2)
    >>> weight
    tensor([[[0.9000, 0.9000]]])
    """
    kept = 1 - learning_rate * amount
    for weight in select_weights(parameters).values():
        weight.mul_(spread(kept, weight))


@dataclass(frozen=True, kw_only=True)
class WeightDecay(UpdateTechnique):
    """Pull every weight towards 0, independently of its gradient.

    Args:
        amount: Share lost at each step, before it is multiplied with the learning rate; 0 changes nothing.
    """

    when: ClassVar[Literal["before", "after"]] = "before"
    amount: Strength = strength(0.01, valid=(0.0, 100.0), search=(1e-4, 1.0), log=True)

    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        decay_weights_(parameters, self.amount, learning_rate=learning_rate)
