"""An affine layer whose working weight is made from the one that is learned, once for each pass through the network."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wellposed.nets.stacking import Container, Forward, stack_forward
from wellposed.techniques.stacked import Parametrization

Prepare: TypeAlias = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


class Reweighted(Container):
    """An affine layer and the maps from its learned weight to the working one, in the order given.

    The learned weight stays a parameter of the affine layer, named `affine.weight`.
    """

    def __init__(self, affine: nn.Linear | nn.Conv2d, parametrizations: Sequence[Parametrization]) -> None:
        super().__init__()
        self.affine = affine
        self.parametrizations = nn.ModuleList(parametrizations)

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """The affine layer's output with the working weight."""
        weight: Tensor = self.affine.weight
        for parametrization in self.parametrizations:
            weight = parametrization(weight)
        output: Tensor = torch.func.functional_call(self.affine, {"weight": weight}, (x,))
        return output

    def join(self, prefix: str) -> Forward:
        """The same over stacked tensors."""
        prepare, affine = opened(self, prefix)
        return lambda tensors, x: affine(prepare(tensors), x)


def opened(module: nn.Module, prefix: str) -> tuple[Prepare, Forward]:
    """An affine layer's stacked form in two: tensors with its working weight in place, and what may then run often.

    A recurrent layer uses one weight at each of its steps, and makes it once.
    """
    if not isinstance(module, Reweighted):
        return lambda tensors: tensors, stack_forward(module, prefix)
    name, axes = f"{prefix}affine.weight", module.affine.weight.dim()
    maps = [stack_forward(p, f"{prefix}parametrizations.{i}.") for i, p in enumerate(module.parametrizations)]

    def prepare(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        learned = tensors[name]
        weight = learned if learned.dim() > axes else learned.unsqueeze(0)
        for parametrize in maps:
            weight = parametrize(tensors, weight)
        return {**tensors, name: weight.view_as(learned)}

    return prepare, stack_forward(module.affine, f"{prefix}affine.")


def start_parametrizations(network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the parametrizations of a network start with, `K ...` by full name, for weights just drawn.

    Args:
        network: One network of the structure.
        tensors: Its parameters and buffers, `K ...` by full name.
    """
    started: dict[str, Tensor] = {}
    for path, module in network.named_modules():
        if not isinstance(module, Reweighted):
            continue
        prefix = f"{path}." if path else ""
        weight = tensors[f"{prefix}affine.weight"]
        for i, parametrization in enumerate(module.parametrizations):
            if not isinstance(parametrization, Parametrization):
                continue
            here = f"{prefix}parametrizations.{i}."
            started |= {here + name: value for name, value in parametrization.start(weight).items()}
            answering = copy.copy(parametrization).eval()  # answers draw nothing and leave buffers as they are
            weight = stack_forward(answering, here)({**tensors, **started}, weight)
    return started
