r"""Bias by class prior: at first, the network says of every row how frequent the classes are.

$$b_c = \log \pi_c \quad \text{(classes of share } \pi_c\text{)}, \qquad b = \bar y \quad \text{(numbers)}$$

The first steps then need not learn the shares, which spares rare classes a loss of a few hundred steps; where the
classes are of one size, it changes nothing. A class without training rows counts as one of share $10^{-6}$.

Source: Lin et al., Focal loss for dense object detection, 2017, https://arxiv.org/abs/1708.02002, sections 3.3 and 4.1;
for any number of classes and for means: Karpathy, A recipe for training neural networks, 2019,
https://karpathy.github.io/2019/04/25/recipe/ ("init well").
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.techniques.places import Start, StartTechnique, Tensors
from wellposed.techniques.weights.affine import find_last

RAREST = 1e-6
"""The share of a class that has no training rows."""


def log_shares(shares: Float[Tensor, " S"], classes: int) -> Float[Tensor, " C"]:
    """Logits whose softmax gives these shares; classes behind the last share have none. Usable alone.

    >>> log_shares(torch.tensor([0.25, 0.75]), 2).softmax(0)
    tensor([0.2500, 0.7500])
    """
    padded = torch.cat([shares, shares.new_zeros(classes - len(shares))])
    return padded.clamp_min(RAREST).log()


@dataclass(frozen=True, kw_only=True)
class ClassPrior(StartTechnique):
    """Set the output layer's bias to the logarithms of the classes' shares, or to the mean of numbers."""

    def start_(self, parameters: Tensors, start: Start) -> None:
        name = f"{find_last(start)}.bias".lstrip(".")
        numbers = start.batch.y.is_floating_point() and start.batch.y.shape[-1] == 1
        if name not in parameters or parameters[name].shape[1] < len(start.shares):
            got = None if name not in parameters else tuple(parameters[name].shape[1:])
            must = f"end in an affine layer with a bias of {len(start.shares)} numbers that is trained"
            raise refusal("The network for ClassPrior", must, got)
        bias = parameters[name]
        with torch.no_grad():
            bias.copy_((start.shares if numbers else log_shares(start.shares, bias.shape[1])).expand_as(bias))
