"""What parametrizations share where they stand in somebody's own PyTorch code, on one layer of one network."""

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.techniques.stacked import Parametrization


def start_alone_(module: Parametrization, weight: Float[Tensor, "out in ..."], shape: tuple[int, ...]) -> None:
    """Set the module's own tensors for this weight, in its dtype and on its device; refuse one of another shape."""
    if weight.shape != shape:
        what = f"The weight of this {type(module.technique).__name__}"
        raise refusal(what, f"have the shape {shape}", tuple(weight.shape), "Give the weight's own shape.")
    module.to(weight.device, weight.dtype)
    own = dict((*module.named_parameters(), *module.named_buffers()))
    with torch.no_grad():
        for name, tensor in module.start(weight.detach().unsqueeze(0)).items():
            own[name].copy_(tensor.squeeze(0))


def refuse_zeros(technique: str, sizes: Float[Tensor, "K ..."], what: str) -> None:
    """Raise BadInput where something to be divided by its size has none."""
    if (sizes == 0).any():
        do = "Draw the weights at random, or leave these layers out."
        raise refusal(f"Weights under {technique}", f"start with {what} unlike 0", 0.0, do)
