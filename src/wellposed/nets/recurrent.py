"""A recurrent network for sequences and texts: steps one after the other, then what is kept of them all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed.checks import check_count, refusal
from wellposed.nets.cells import Cell, RecurrentLayer
from wellposed.nets.net import Activation, Inputs, Net, hidden, refuse_hidden, reweight
from wellposed.nets.stacking import Container, Forward, call_alone, stack_forward
from wellposed.nets.steps import count_tokens, max_over_steps, mean_over_steps, span
from wellposed.techniques.places import InnerTechnique
from wellposed.techniques.technique import Technique

Pool: TypeAlias = Literal["last", "mean", "max"]


@dataclass(frozen=True, kw_only=True)
class Recurrent(Net):
    """A recurrent network for sequences and texts.

    Layer techniques act in the dense hidden layers, parametrizations on all weights. For normalized products within the
    recurrence there is `layer_norm`.

    Args:
        cell: Plain, gated recurrent unit, or long short-term memory.
        states: Units of each recurrent layer, of each direction.
        widths: Units of each dense hidden layer behind them.
        pool: What the dense layers see: the last state, or the mean or maximum of the last layer's states.
        bidirectional: Read from both ends.
        layer_norm: Normalize within the recurrence, as Ba et al. (2016) do.
        embedding: Numbers that stand for a token of a text.
        activation: Of the dense hidden layers.
    """

    cell: Cell = "gru"
    states: tuple[int, ...] = (64,)
    widths: tuple[int, ...] = (64,)
    pool: Pool = "last"
    bidirectional: bool = False
    layer_norm: bool = False
    embedding: int = 64
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        refuse_hidden("Recurrent", {"states": self.states, "widths": self.widths}, self.activation)
        Technique.__post_init__(self)
        check_count("Recurrent.embedding", self.embedding)
        if not self.states:
            raise refusal("Recurrent.states", "name at least one recurrent layer", self.states)

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        """The network for sequences or texts of any length."""
        refuse_other_than_steps("Recurrent", inputs)
        embedding = nn.Embedding(inputs.vocabulary, self.embedding) if inputs.vocabulary else None
        size = self.embedding if inputs.vocabulary else inputs.shape[1]
        directions = (False, True) if self.bidirectional else (False,)
        levels: list[list[RecurrentLayer]] = []
        for level, units in enumerate(self.states, start=1):
            last = self.pool == "last" and level == len(self.states)
            levels.append([
                RecurrentLayer(
                    self.cell, size, units, layer_norm=self.layer_norm, backward=backward, last=last, layers=layers
                )
                for backward in directions
            ])  # fmt: skip
            size = units * len(directions)
        parts: list[nn.Module] = []
        for units in self.widths:
            parts += hidden(nn.Linear(size, units), (units,), self.activation, layers)
            size = units
        return OverSteps(
            embedding, levels, self.pool, nn.Sequential(*parts, reweight(nn.Linear(size, outputs), layers))
        )


class OverSteps(Container):
    """Recurrent layers over steps or tokens, and a network over what is kept of them."""

    def __init__(
        self,
        embedding: nn.Embedding | None,
        levels: Sequence[Sequence[RecurrentLayer]],
        pool: Pool,
        body: nn.Module,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.levels = nn.ModuleList([nn.ModuleList(level) for level in levels])
        self.pool = pool
        self.body = body

    def forward(self, x: Float[Tensor, "B *T D"], codes: Int64[Tensor, "B J"]) -> Float[Tensor, "B C"]:
        """The body's output."""
        return call_alone(self, x, codes)

    def join(self, prefix: str) -> Forward:
        """The same, over stacked tensors."""
        embed = None if self.embedding is None else stack_forward(self.embedding, f"{prefix}embedding.")
        levels = [
            [stack_forward(layer, f"{prefix}levels.{i}.{j}.") for j, layer in enumerate(level.children())]
            for i, level in enumerate(self.levels)
        ]
        body = stack_forward(self.body, f"{prefix}body.")
        pool = {"mean": mean_over_steps, "max": max_over_steps}.get(self.pool)

        def forward(tensors: Mapping[str, Tensor], x: Tensor, codes: Tensor) -> Tensor:
            lengths = codes[..., 0] if embed is None else count_tokens(codes)
            steps = codes.shape[-1] if embed is not None else x.shape[2]
            _, longest = span(lengths, steps)
            x = x[:, :, :longest] if embed is None else embed(tensors, codes[..., :longest])
            for level in levels:
                x = torch.cat([layer(tensors, x, lengths) for layer in level], -1)
            return body(tensors, x if pool is None else pool(x, lengths))

        return forward


def refuse_other_than_steps(net: str, inputs: Inputs) -> None:
    """Raise BadInput where the data are neither sequences nor texts."""
    if inputs.kind not in ("sequences", "texts"):
        do = "Use the net CNN or MLP." if inputs.kind == "images" else "Use the net MLP."
        raise refusal(f"The input of {net}", "be texts or sequences (T, D)", inputs.shape, do)
