"""The multilayer perceptron: embeddings for categories, numbers beside them, hidden layers, one affine output.

Sizes of embeddings: min(50, round(1.6 n^0.56)) for n codes, the rule of thumb of fastai's tabular models
(Howard and Gugger, Deep Learning for Coders, 2020, chapter 9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed.checks import check_count, refusal
from wellposed.nets.net import (
    Activation,
    Inputs,
    Net,
    branch,
    entering,
    hidden,
    leaving,
    refuse_hidden,
    reweight,
)
from wellposed.nets.stacking import Container, Forward, call_alone, stack_forward
from wellposed.techniques.places import InnerTechnique
from wellposed.techniques.stacked import ResidualBlock
from wellposed.techniques.technique import Technique


class Residual(Container, ResidualBlock):
    """A block whose input is added to its output, as it is or by way of a shortcut that changes its shape."""

    def __init__(self, block: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.block = block
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """The sum."""
        kept: Tensor = self.shortcut(x)
        change: Tensor = self.block(x)
        return kept + change

    def join(self, prefix: str) -> Forward:
        """The same sum over stacked tensors."""
        block = stack_forward(self.block, f"{prefix}block.")
        shortcut = stack_forward(self.shortcut, f"{prefix}shortcut.")
        return lambda tensors, x: shortcut(tensors, x) + block(tensors, x)


class Embedded(Container):
    """Categories as learned vectors beside the numbers of a row."""

    def __init__(self, cardinalities: Sequence[int]) -> None:
        super().__init__()
        sizes = [min(50, round(1.6 * n**0.56)) for n in cardinalities]
        self.tables = nn.ModuleList([nn.Embedding(n, size) for n, size in zip(cardinalities, sizes, strict=True)])
        self.sizes = tuple(sizes)
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


class Unrolled(Container):
    """A network over sequences that sees all their steps at once, 0 behind the last."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Float[Tensor, "B T D"], codes: Int64[Tensor, "B 1"]) -> Float[Tensor, "B C"]:
        """The body's output."""
        return call_alone(self, x, codes)

    def join(self, prefix: str) -> Forward:
        """The same, over stacked tensors."""
        body = stack_forward(self.body, f"{prefix}body.")

        def forward(tensors: Mapping[str, Tensor], x: Tensor, codes: Tensor) -> Tensor:
            real = torch.arange(x.shape[2], device=x.device) < codes
            return body(tensors, torch.where(real.unsqueeze(-1), x, 0.0))

        return forward


@dataclass(frozen=True, kw_only=True)
class MLP(Net):
    """A multilayer perceptron; images and sequences are flattened.

    A residual block of one layer adds its input behind the activation. One of several adds it before the last
    activation, as He et al. (Deep Residual Learning, 2015, https://arxiv.org/abs/1512.03385, figure 2) do, so that its
    branch may start at 0 and learn all the same.

    Args:
        widths: Units of each hidden layer; empty is a linear model.
        activation: Of the hidden layers.
        residual: Add a block's input to its output where the widths agree.
        block: Hidden layers of a residual block; layers that are left over stand alone.
    """

    widths: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    residual: bool = False
    block: int = 1

    def __post_init__(self) -> None:
        refuse_hidden("MLP", {"widths": self.widths}, self.activation)
        Technique.__post_init__(self)
        check_count("MLP.block", self.block)
        if self.block > 1 and not self.residual:
            raise refusal("MLP.block", "be 1 without residual blocks", self.block, "Set residual to true.")

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        """The network: flattening if needed, hidden layers, output; behind embeddings where there are categories."""
        if inputs.kind == "texts":
            must = "be numbers, categories, images or sequences"
            raise refusal("The input of MLP", must, "texts", "Use the net BagOfWords, Recurrent or Transformer.")
        embedded = Embedded(inputs.cardinalities)
        parts: list[nn.Module] = [nn.Flatten()] if len(inputs.shape) > 1 else []
        width = inputs.width + embedded.width
        groups = self._groups(width)
        count, total = 0, sum(added for _, added in groups)
        for sizes, added in groups:
            count += added
            parts += self._group(width, sizes, count / total if added else None, layers)
            width = sizes[-1]
        body = nn.Sequential(*parts, reweight(nn.Linear(width, outputs), layers))
        if inputs.kind == "sequences":
            return Unrolled(body)
        return Tabular(embedded, body) if inputs.cardinalities else body

    def _groups(self, width: int) -> list[tuple[tuple[int, ...], bool]]:
        """Widths of the hidden layers that belong together, and whether the group's input is added to its output."""
        found: list[tuple[tuple[int, ...], bool]] = []
        at = 0
        while at < len(self.widths):
            sizes = self.widths[at : at + self.block]
            added = self.residual and len(sizes) == self.block and sizes[-1] == width
            found.append((sizes if added else sizes[:1], added))
            at, width = at + len(found[-1][0]), found[-1][0][-1]
        return found

    def _group(
        self, width: int, sizes: tuple[int, ...], depth: float | None, layers: Sequence[InnerTechnique]
    ) -> list[nn.Module]:
        """The modules of one group; its depth is that of the residual block it is, or None."""

        def inner() -> list[nn.Module]:
            found, size = list[nn.Module](), width
            for units in sizes[:-1]:
                found += hidden(nn.Linear(size, units), (units,), self.activation, layers)
                size = units
            return [*found, *entering(nn.Linear(size, sizes[-1]), sizes[-1:], layers)]

        def behind() -> list[nn.Module]:
            return leaving(sizes[-1:], self.activation, layers)

        if depth is None:
            return [*inner(), *behind()]
        if len(sizes) == 1:
            return [Residual(branch(lambda: [*inner(), *behind()], layers, depth))]
        return [Residual(branch(inner, layers, depth)), *behind()]
