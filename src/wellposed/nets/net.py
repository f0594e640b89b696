"""What a network is asked to be, and how the techniques of place 4 find their room in it."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from wellposed.checks import nearest, refusal
from wellposed.nets.doubled import Doubled
from wellposed.nets.reweighted import Reweighted
from wellposed.techniques.places import BranchTechnique, InnerTechnique, LayerTechnique, ParametrizationTechnique, Where
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Technique

Activation: TypeAlias = Literal[
    "relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "softsign"
]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softsign": nn.Softsign,
}


@dataclass(frozen=True)
class Inputs:
    """What one row looks like to a network, which is called with its numbers, and its codes where it has any.

    Attributes:
        shape: Of its numbers: `(D,)`; `(C, H, W)` for images; `(T, D)` for sequences, whose one code is their length;
            `(0,)` for texts, whose codes are tokens: 0 behind the last, 1 for an unknown word.
        cardinalities: Number of codes of each categorical feature.
        vocabulary: Number of tokens that texts are made of; 0 where the data are no texts.
    """

    shape: tuple[int, ...]
    cardinalities: tuple[int, ...] = ()
    vocabulary: int = 0

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return math.prod(self.shape)

    @property
    def kind(self) -> Literal["rows", "images", "sequences", "texts"]:
        """What the data are."""
        if self.vocabulary:
            return "texts"
        return "images" if len(self.shape) == 3 else "sequences" if len(self.shape) == 2 else "rows"

    def example(self, like: Tensor, *, tokens: int = 32) -> tuple[Tensor, ...]:
        """What a network is called with for one row of zeros: a full sequence, or a text of so many tokens."""
        x = torch.zeros(1, *self.shape, dtype=like.dtype, device=like.device)
        n, code = len(self.cardinalities), 0
        if self.kind == "texts":
            n, code = tokens, 1
        elif self.kind == "sequences":
            n, code = 1, self.shape[0]
        codes = torch.full((1, n), code, dtype=torch.int64, device=like.device)
        return (x, codes) if codes.shape[1] else (x,)


@dataclass(frozen=True, kw_only=True)
class Net(Technique):
    """A kind of network with its sizes: all structure, no strengths."""

    @abstractmethod
    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        """One network, with the techniques wherever it has room for them, in the order given."""


def refuse_hidden(net: str, sizes: Mapping[str, tuple[int, ...]], activation: str) -> None:
    """Raise BadInput where sizes of hidden layers are no positive whole numbers, or the activation is unknown."""
    for name, values in sizes.items():
        numbers = values if isinstance(values, tuple) else (None,)
        if any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in numbers):
            raise refusal(f"{net}.{name}", "be a tuple of positive whole numbers", values)
    if activation not in ACTIVATIONS:
        raise refusal(f"{net}.activation", "name an activation", activation, nearest(str(activation), ACTIVATIONS))


def hidden(
    affine: nn.Module, shape: tuple[int, ...], activation: Activation, layers: Sequence[InnerTechnique]
) -> list[nn.Module]:
    """An affine layer whose output has this shape, then norms, the activation, and what follows it."""
    return [*entering(affine, shape, layers), *leaving(shape, activation, layers)]


def entering(affine: nn.Module, shape: tuple[int, ...], layers: Sequence[InnerTechnique]) -> list[nn.Module]:
    """A hidden layer up to its activation."""
    wrapped = reweight(affine, layers) if isinstance(affine, nn.Linear | nn.Conv2d) else affine
    return [wrapped, *beside("before", shape, layers)]


def leaving(shape: tuple[int, ...], activation: Activation, layers: Sequence[InnerTechnique]) -> list[nn.Module]:
    """A hidden layer from its activation on."""
    return [ACTIVATIONS[activation](), *beside("after", shape, layers)]


def beside(where: Where, shape: tuple[int, ...], layers: Sequence[InnerTechnique]) -> list[nn.Module]:
    """The layers before or after the activation of a hidden layer of this shape, from the techniques meant for it."""
    meant = [t for t in layers if isinstance(t, LayerTechnique) and t.where == where and len(shape) in t.axes]
    return [place(t, shape) for t in meant]


def reweight(affine: nn.Linear | nn.Conv2d, layers: Sequence[InnerTechnique]) -> nn.Module:
    """The affine layer, which works with what the parametrizations make of its weight, if there are any."""
    shape = tuple(affine.weight.shape)
    made = [(t, t.parametrization(shape)) for t in layers if isinstance(t, ParametrizationTechnique)]
    for technique, module in made:
        _remember(module, technique)
    return Reweighted(affine, [module for _, module in made]) if made else affine


def branch(make: Callable[[], list[nn.Module]], layers: Sequence[InnerTechnique], depth: float) -> nn.Module:
    """The residual branch this share of the way through the network: what is made, twice where two are mixed."""
    ends = branch_ends(layers, depth)
    mixing = next((t for t in layers if isinstance(t, BranchTechnique) and t.doubles), None)
    if mixing is None:
        return nn.Sequential(*make(), *ends)
    share = mixing.branch(depth)
    _remember(share, mixing)
    return nn.Sequential(Doubled(nn.Sequential(*make()), nn.Sequential(*make()), share), *ends)


def branch_ends(layers: Sequence[InnerTechnique], depth: float) -> list[nn.Module]:
    """What stands at the end of the residual branch this share of the way through the network."""
    made = [(t, t.branch(depth)) for t in layers if isinstance(t, BranchTechnique) and not t.doubles]
    for technique, module in made:
        _remember(module, technique)
    return [module for _, module in made]


def place(technique: LayerTechnique, shape: tuple[int, ...]) -> nn.Module:
    """The technique's layer, which remembers the value that made it."""
    module = technique.layer(shape)
    _remember(module, technique)
    return module


def unplaced(network: nn.Module, layers: Sequence[InnerTechnique]) -> list[InnerTechnique]:
    """Those techniques that found no room in the network that was built with them."""
    found = {id(vars(module).get("technique")) for module in network.modules()}
    return [t for t in layers if id(t) not in found]


def number_layers(network: nn.Module) -> None:
    """Tell each technique's layers their positions, in the order of the network; those of twin branches share one."""
    modules = dict(network.named_modules())
    found: dict[int, dict[str, list[StackedModule]]] = {}
    for path, module in modules.items():
        if isinstance(module, StackedModule) and module.technique is not None:
            own = found.setdefault(id(module.technique), {})
            own.setdefault(_twin(path, modules), []).append(module)
    for places in found.values():
        for i, twins in enumerate(places.values(), start=1):
            for module in twins:
                module.position = (i, len(places))


def _twin(path: str, modules: Mapping[str, nn.Module]) -> str:
    """Where the module of this path stands in the first of two branches, if it stands in the second."""
    parts = path.split(".")
    for i, part in enumerate(parts):
        if part == "other" and isinstance(modules[".".join(parts[:i])], Doubled):
            parts[i] = "one"
    return ".".join(parts)


def _remember(module: nn.Module, technique: InnerTechnique) -> None:
    """Note in a layer, and in the stacked layers inside it, which value made it."""
    vars(module)["technique"] = technique
    for inner in module.modules():
        if isinstance(inner, StackedModule):
            inner.technique = technique
