r"""DropConnect: during training each weight, not each unit, is off with a given probability.

$$W' = \frac{M \odot W}{1 - r}, \qquad M \sim \mathrm{Bernoulli}(1 - r)$$

This is the inverted form: after training the plain weights answer. One mask serves all rows of a batch, as a mask for
each row would cost as much memory as the batch has rows times the weights. With $v$ the inputs, over all masks

$$\mathbb E[u] = W v, \qquad \mathrm{Var}[u] = \tfrac{r}{1 - r}\,(W \odot W)(v \odot v)$$

which with Wan's weights $W_0 = W / (1 - r)$ and $p = 1 - r$ is his $p W_0 v$ and $p (1 - p)(W_0 \odot W_0)(v \odot v)$.

Good for dense layers with many weights; on a small batch noisier than dropout, whose masks differ from row to row.

Source: Wan et al., Regularization of neural networks using DropConnect, 2013,
https://proceedings.mlr.press/v28/wan13.html, sections 3 and 3.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.layers.dropout import drop_units
from wellposed.techniques.places import ParametrizationTechnique
from wellposed.techniques.stacked import Parametrization
from wellposed.techniques.technique import Strength, strength


def dropped_moments(
    x: Float[Tensor, "... in"], weight: Float[Tensor, "out in"], rate: float
) -> tuple[Float[Tensor, "... out"], Float[Tensor, "... out"]]:
    """Mean and variance, over all masks, of what the layer gives before its bias.

    Wan's inference draws from the normal distribution that has them, and averages what the activation makes of it.

    >>> dropped_moments(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 1.0]]), 0.5)
    (tensor([5.]), tensor([13.]))
    """
    return x @ weight.T, rate / (1 - rate) * (x.square() @ weight.square().T)


@dataclass(frozen=True, kw_only=True)
class DropConnect(ParametrizationTechnique):
    """Switch weights off at random during training.

    Args:
        rate: Probability that a weight is off; 0 changes nothing.
    """

    rate: Strength = strength(0.5, valid=(0.0, 0.99), search=(0.0, 0.7))

    def parametrization(self, shape: tuple[int, ...]) -> Parametrization:
        return StackedDropConnect(self)


class StackedDropConnect(Parametrization):
    """From the learned weight to the masked one. Its buffer `key` must be set before each training step."""

    key: Tensor

    def __init__(self, technique: DropConnect) -> None:
        super().__init__()
        self.technique = technique
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def start(self, weight: Float[Tensor, "K out in ..."]) -> dict[str, Tensor]:
        return {}

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K out ..."]) -> Float[Tensor, "K out ..."]:
        return drop_units(x, self.strength(tensors, "rate"), key=tensors["key"]) if self.training else x
