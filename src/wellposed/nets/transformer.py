r"""A small Transformer encoder for texts and sequences.

Each block, with the norms before its parts:

$$x \leftarrow x + \mathrm{attention}(\mathrm{norm}(x)), \qquad x \leftarrow x + W_2\, f(W_1\, \mathrm{norm}(x))$$

and at the end one more norm and the mean over all tokens. Tokens are their learned vectors times the root of the width,
steps of sequences an affine map; positions are added, sines and cosines at wavelengths from $2\pi$ to $20000\pi$, or
learned.

Sources: Vaswani et al., Attention Is All You Need, 2017, https://arxiv.org/abs/1706.03762, sections 3.2 to 3.5;
Xiong et al., On Layer Normalization in the Transformer Architecture, 2020,
https://arxiv.org/abs/2002.04745, figure 1 (b).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed.checks import check_count, refusal
from wellposed.nets.attention import Attention
from wellposed.nets.net import (
    ACTIVATIONS,
    Activation,
    Inputs,
    Net,
    beside,
    branch_ends,
    place,
    refuse_hidden,
    reweight,
)
from wellposed.nets.recurrent import refuse_other_than_steps
from wellposed.nets.stacking import Container, Forward, call_alone, stack_forward
from wellposed.nets.steps import count_tokens, mean_over_steps, span
from wellposed.techniques.layers.layer_norm import LayerNorm
from wellposed.techniques.places import InnerTechnique
from wellposed.techniques.technique import Technique


@lru_cache(maxsize=16)
def sinusoidal(steps: int, width: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "T D"]:
    """Sines of each position in the even columns, cosines in the odd ones.

    >>> sinusoidal(2, 2, torch.float32, torch.device("cpu"))
    tensor([[0.0000, 1.0000],
            [0.8415, 0.5403]])
    """
    rates = 10000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(steps, dtype=torch.float64).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :width].to(device, dtype)


@dataclass(frozen=True, kw_only=True)
class Transformer(Net):
    """A small Transformer encoder for texts and sequences.

    Techniques that stand before activations (norms) take the place of layer normalization, and see every token as a
    row, padding too: batch normalization would mix it in. Those that stand after (dropout) act behind attention, behind
    the inner activation, and behind the second affine layer of a block. Both halves of a block are residual branches.

    Args:
        width: Numbers of a token inside the network.
        heads: Of attention; they share the width.
        blocks: How many.
        hidden: Units between the two affine layers of a block.
        activation: Between them.
        positions: How a token's position is told.
        longest: Positions that are learned; tokens behind have the last one's.
    """

    width: int = 64
    heads: int = 4
    blocks: int = 2
    hidden: int = 128
    activation: Activation = "gelu"
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    longest: int = 256

    def __post_init__(self) -> None:
        refuse_hidden("Transformer", {}, self.activation)
        Technique.__post_init__(self)
        for name in ("width", "heads", "blocks", "hidden", "longest"):
            check_count(f"Transformer.{name}", getattr(self, name))
        if self.width % self.heads:
            raise refusal("Transformer.width", f"be a multiple of the {self.heads} heads", self.width)

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        """The network for texts or sequences of any length."""
        refuse_other_than_steps("Transformer", inputs)
        first: nn.Module = (
            nn.Embedding(inputs.vocabulary, self.width)
            if inputs.vocabulary
            else reweight(nn.Linear(inputs.shape[1], self.width), layers)
        )
        total = 2 * self.blocks
        blocks = []
        for i in range(self.blocks):
            attention = Attention(self.width, self.heads, layers)
            attending = Branch(_norms(self.width, layers), attention, _ends(self.width, layers, (2 * i + 1) / total))
            inner = nn.Sequential(
                reweight(nn.Linear(self.width, self.hidden), layers),
                ACTIVATIONS[self.activation](),
                *beside("after", (self.hidden,), layers),
                reweight(nn.Linear(self.hidden, self.width), layers),
            )
            thinking = Branch(_norms(self.width, layers), inner, _ends(self.width, layers, (2 * i + 2) / total))
            blocks += [attending, thinking]
        positions = nn.Embedding(self.longest, self.width) if self.positions == "learned" else None
        last = reweight(nn.Linear(self.width, outputs), layers)
        return Encoder(first, positions, blocks, _norms(self.width, layers), last)


def _norms(width: int, layers: Sequence[InnerTechnique]) -> nn.Sequential:
    """The recipe's norms, or layer normalization."""
    return nn.Sequential(*(beside("before", (width,), layers) or [place(LayerNorm(), (width,))]))


def _ends(width: int, layers: Sequence[InnerTechnique], depth: float) -> tuple[nn.Sequential, nn.Sequential]:
    """What follows within a branch: on tokens, then on whole rows."""
    return nn.Sequential(*beside("after", (width,), layers)), nn.Sequential(*branch_ends(layers, depth))


class Branch(Container):
    """One half of a block, to whose output its input is added: attention, or two affine layers."""

    def __init__(self, norms: nn.Module, inner: nn.Module, ends: tuple[nn.Module, nn.Module]) -> None:
        super().__init__()
        self.norms = norms
        self.inner = inner
        self.after, self.end = ends

    def forward(self, x: Float[Tensor, "B T D"], lengths: Int64[Tensor, " B"]) -> Float[Tensor, "B T D"]:
        """The sum."""
        return call_alone(self, x, lengths)

    def join(self, prefix: str) -> Forward:
        """The same over stacked tensors; only attention and the branch's end see more than a token at a time."""
        norms, after, end = (stack_forward(m, f"{prefix}{n}.") for n, m in self.named_children() if n != "inner")
        inner, attends = stack_forward(self.inner, f"{prefix}inner."), isinstance(self.inner, Attention)

        def forward(tensors: Mapping[str, Tensor], x: Tensor, lengths: Tensor, *, twice: bool = False) -> Tensor:
            rows = norms(tensors, x.flatten(1, 2))
            if attends:
                rows = inner(tensors, rows.reshape(x.shape), lengths, twice=twice).flatten(1, 2)
            else:
                rows = inner(tensors, rows)
            return x + end(tensors, after(tensors, rows).reshape(x.shape))

        return forward


class Encoder(Container):
    """Tokens or steps to vectors, blocks, a last norm, the mean over tokens, and the output."""

    def __init__(
        self,
        first: nn.Module,
        positions: nn.Embedding | None,
        blocks: Sequence[Branch],
        norms: nn.Module,
        last: nn.Module,
    ) -> None:
        super().__init__()
        self.first = first
        self.positions = positions
        self.blocks = nn.ModuleList(blocks)
        self.norms = norms
        self.last = last

    def forward(self, x: Float[Tensor, "B *T D"], codes: Int64[Tensor, "B J"]) -> Float[Tensor, "B C"]:
        """The output."""
        return call_alone(self, x, codes)

    def join(self, prefix: str) -> Forward:
        """The same, over stacked tensors."""
        first, norms, last = (stack_forward(getattr(self, n), f"{prefix}{n}.") for n in ("first", "norms", "last"))
        blocks = [stack_forward(block, f"{prefix}blocks.{i}.") for i, block in enumerate(self.blocks)]
        table = None if self.positions is None else stack_forward(self.positions, f"{prefix}positions.")
        longest = 0 if self.positions is None else self.positions.num_embeddings
        texts = isinstance(self.first, nn.Embedding)

        def forward(tensors: Mapping[str, Tensor], x: Tensor, codes: Tensor) -> Tensor:
            twice = x.requires_grad and not texts
            lengths = count_tokens(codes) if texts else codes[..., 0]
            _, steps = span(lengths, codes.shape[-1] if texts else x.shape[2])
            x = first(tensors, codes[..., :steps] if texts else x[:, :, :steps])
            scale = math.sqrt(x.shape[-1])
            x = x * scale if texts else x
            if table is None:
                x = x + sinusoidal(steps, x.shape[-1], x.dtype, x.device)
            else:
                at = torch.arange(steps, device=x.device).clamp_max(longest - 1).expand(x.shape[0], steps)
                x = torch.add(x, table(tensors, at).unsqueeze(1), alpha=scale)
            for block in blocks:
                x = block(tensors, x, lengths, twice=twice)
            x = norms(tensors, x.flatten(1, 2)).reshape(x.shape)
            return last(tensors, mean_over_steps(x, lengths))

        return forward
