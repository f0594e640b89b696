r"""Weight normalization: the length of each unit's weights is learned apart from their direction.

$$w = g \frac{v}{\lVert v \rVert}, \qquad \nabla_g L = \nabla_w L \cdot \frac{v}{\lVert v \rVert}, \qquad
\nabla_v L = \frac{g}{\lVert v \rVert} \Big(I - \frac{v v^\top}{\lVert v \rVert^2}\Big) \nabla_w L$$

`v` is the learned weight `(out, in, ...)`, `g` one number an output. At step 0 $g = \lVert v \rVert$: nothing changes.

Good where no norm over batch or features is wanted (recurrent nets, reinforcement learning, small batches): it costs a
pass over the weights instead of the activations. It leaves the activations' scale to the initialization, and $v$ grows
with each step, so that decaying it only sets the pace.

Source: Salimans & Kingma, Weight Normalization, 2016, https://arxiv.org/abs/1602.07868, equations 2 to 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.techniques.layers.batch_norm import is_transformed
from wellposed.techniques.layers.parametrizing import refuse_zeros, start_alone_
from wellposed.techniques.places import ParametrizationTechnique
from wellposed.techniques.stacked import Parametrization


def scale_directions(weight: Float[Tensor, "K out in ..."], scale: Float[Tensor, "K out"]) -> Tensor:
    """Weights of each output, `K out in ...`, with these lengths. Usable alone; one network passes `weight[None]`.

    >>> scale_directions(torch.tensor([[[3.0, 4.0]]]), torch.tensor([[10.0]]))
    tensor([[[6., 8.]]])
    """
    rows, lengths = weight.flatten(2).flatten(0, 1).contiguous(), scale.flatten().contiguous()
    if is_transformed() or torch.compiler.is_compiling() or weight.dtype not in (torch.float32, torch.float64):
        return (rows * (lengths / _lengths(rows)).unsqueeze(1)).view(weight.shape)
    scaled: Tensor = _Scale.apply(rows, lengths)  # type: ignore[no-untyped-call]
    return scaled.view(weight.shape)


@dataclass(frozen=True, kw_only=True)
class WeightNorm(ParametrizationTechnique):
    """Learn the length of each unit's weights apart from their direction.

    In your own network: `torch.nn.utils.parametrize.register_parametrization(layer, "weight",
    WeightNorm().parametrization(tuple(layer.weight.shape)))`.
    """

    def parametrization(self, shape: tuple[int, ...]) -> Parametrization:
        return StackedWeightNorm(self, shape)


class StackedWeightNorm(Parametrization):
    """From directions `(out, in, ...)` to weights."""

    scale: nn.Parameter

    def __init__(self, technique: WeightNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.shape = shape
        self.scale = nn.Parameter(torch.ones(shape[0]))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K out in ..."]) -> Tensor:
        return scale_directions(x, tensors["scale"])

    def start(self, weight: Float[Tensor, "K out in ..."]) -> dict[str, Tensor]:
        lengths = torch.linalg.vector_norm(weight.flatten(2), dim=2)
        refuse_zeros("WeightNorm", lengths, "rows")
        return {"scale": lengths}

    def right_inverse(self, weight: Float[Tensor, "out in ..."]) -> Float[Tensor, "out in ..."]:
        """What to learn from so that the layer works with this weight: how `parametrize` starts, and assigns."""
        start_alone_(self, weight, self.shape)
        return weight


def _lengths(rows: Float[Tensor, "out in"]) -> Float[Tensor, " out"]:
    length: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return length


class _Scale(torch.autograd.Function):
    """The formula by PyTorch's kernel, a quarter of the passes, but for its second derivatives: 2.13 has them wrong."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        rows, scale = inputs
        scaled, lengths = torch._weight_norm_interface(rows, scale.unsqueeze(1), 0)
        ctx.save_for_backward(rows, scale, lengths)
        return scaled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 3; in operations that are differentiated again where second derivatives are asked for."""
        (rows, scale, lengths), (slope,) = ctx.saved_tensors, gradients
        if not torch.is_grad_enabled():
            kernel = torch.ops.aten._weight_norm_interface_backward
            inward, along = kernel(slope.contiguous(), rows, scale.unsqueeze(1), lengths, 0)
            return inward, along.squeeze(1)
        lengths = _lengths(rows)
        along, factor = (slope * rows).sum(1) / lengths, scale / lengths
        return slope * factor.unsqueeze(1) - rows * (factor * along / lengths).unsqueeze(1), along
