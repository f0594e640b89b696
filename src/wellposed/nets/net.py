"""What a network is asked to be: the shape of its inputs, the number of its outputs, and the value that says which."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import nn

from wellposed.checks import nearest, refusal
from wellposed.techniques.places import LayerTechnique
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Technique

Activation: TypeAlias = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softsign"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softsign": nn.Softsign,
}


@dataclass(frozen=True)
class Inputs:
    """What one row looks like to a network.

    Attributes:
        shape: Of its numbers: `(D,)`, or `(C, H, W)` for images.
        cardinalities: Number of codes of each categorical feature.
    """

    shape: tuple[int, ...]
    cardinalities: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Net(Technique):
    """A kind of network with its sizes: all structure, no strengths."""

    @abstractmethod
    def build(self, inputs: Inputs, outputs: int, layers: Sequence[LayerTechnique]) -> nn.Module:
        """One network, with the layer techniques in each hidden layer in the order given."""


def refuse_hidden(net: str, sizes: Mapping[str, tuple[int, ...]], activation: str) -> None:
    """Raise BadInput where sizes of hidden layers are no positive whole numbers, or the activation is unknown."""
    for name, values in sizes.items():
        numbers = values if isinstance(values, tuple) else (None,)
        if any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in numbers):
            raise refusal(f"{net}.{name}", "be a tuple of positive whole numbers", values)
    if activation not in ACTIVATIONS:
        raise refusal(f"{net}.activation", "name an activation", activation, nearest(str(activation), ACTIVATIONS))


def hidden(
    affine: nn.Module, shape: tuple[int, ...], activation: Activation, layers: Sequence[LayerTechnique]
) -> list[nn.Module]:
    """An affine layer whose output has this shape, then norms, the activation, and what follows it."""
    before = [place(t, shape) for t in layers if t.where == "before"]
    after = [place(t, shape) for t in layers if t.where == "after"]
    return [affine, *before, ACTIVATIONS[activation](), *after]


def place(technique: LayerTechnique, shape: tuple[int, ...]) -> nn.Module:
    """The technique's layer, which remembers the value that made it."""
    module = technique.layer(shape)
    if isinstance(module, StackedModule):
        module.technique = technique
    return module
