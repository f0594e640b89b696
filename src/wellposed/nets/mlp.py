"""The multilayer perceptron: embeddings for categories, numbers beside them, hidden layers, one affine output.

Sizes of embeddings: min(50, round(1.6 n^0.56)) for n codes, the rule of thumb of fastai's tabular models
(Howard and Gugger, Deep Learning for Coders, 2020, chapter 9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed.checks import refusal
from wellposed.nets.net import Activation, Inputs, Net, hidden, refuse_hidden
from wellposed.nets.stacking import Container, Forward, stack_forward
from wellposed.techniques.places import LayerTechnique


class Residual(Container):
    """A block whose input is added to its output."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Output of the same shape as the input."""
        change: Tensor = self.block(x)
        return x + change

    def join(self, prefix: str) -> Forward:
        """The same sum over stacked tensors."""
        block = stack_forward(self.block, f"{prefix}block.")
        return lambda tensors, x: x + block(tensors, x)


class Embedded(Container):
    """Categories as learned vectors beside the numbers of a row."""

    def __init__(self, cardinalities: Sequence[int]) -> None:
        super().__init__()
        sizes = [min(50, round(1.6 * n**0.56)) for n in cardinalities]
        self.tables = nn.ModuleList([nn.Embedding(n, size) for n, size in zip(cardinalities, sizes, strict=True)])
        self.width = sum(sizes)

    def forward(self, x: Float[Tensor, "B D"], codes: Int64[Tensor, "B J"]) -> Float[Tensor, "B E"]:
        """Numbers and vectors in one row."""
        return torch.cat([x, *[table(codes[..., j]) for j, table in enumerate(self.tables)]], dim=-1)

    def join(self, prefix: str) -> Forward:
        """The same, with each member's own tables."""
        tables = [stack_forward(table, f"{prefix}tables.{j}.") for j, table in enumerate(self.tables)]

        def forward(tensors: Mapping[str, Tensor], x: Tensor, codes: Tensor) -> Tensor:
            return torch.cat([x, *[table(tensors, codes[..., j]) for j, table in enumerate(tables)]], dim=-1)

        return forward


class Tabular(Container):
    """A network over rows that have categories: embedded, then whatever the body does."""

    def __init__(self, embedded: Embedded, body: nn.Module) -> None:
        super().__init__()
        self.embedded = embedded
        self.body = body

    def forward(self, x: Float[Tensor, "B D"], codes: Int64[Tensor, "B J"]) -> Float[Tensor, "B C"]:
        """The body's output."""
        output: Tensor = self.body(self.embedded(x, codes))
        return output

    def join(self, prefix: str) -> Forward:
        """The same, over stacked tensors."""
        embedded, body = stack_forward(self.embedded, f"{prefix}embedded."), stack_forward(self.body, f"{prefix}body.")
        return lambda tensors, x, codes: body(tensors, embedded(tensors, x, codes))


@dataclass(frozen=True, kw_only=True)
class MLP(Net):
    """A multilayer perceptron.

    Args:
        widths: Units of each hidden layer; empty is a linear model.
        activation: Of the hidden layers.
        residual: Add a hidden layer's input to its output where the widths agree.
    """

    widths: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    residual: bool = False

    def __post_init__(self) -> None:
        refuse_hidden("MLP", {"widths": self.widths}, self.activation)
        if not isinstance(self.residual, bool):
            raise refusal("MLP.residual", "be true or false", self.residual)

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[LayerTechnique]) -> nn.Module:
        """The network: flattening if needed, hidden layers, output; behind embeddings where there are categories."""
        embedded = Embedded(inputs.cardinalities)
        parts: list[nn.Module] = [nn.Flatten()] if len(inputs.shape) > 1 else []
        width = inputs.width + embedded.width
        for units in self.widths:
            block = hidden(nn.Linear(width, units), (units,), self.activation, layers)
            parts += [Residual(nn.Sequential(*block))] if self.residual and units == width else block
            width = units
        body = nn.Sequential(*parts, nn.Linear(width, outputs))
        return Tabular(embedded, body) if inputs.cardinalities else body
