r"""Attention of the tokens of a row to each other, over several heads.

$$\mathrm{softmax}\Big(\frac{q k^\top}{\sqrt{d}}\Big) v, \qquad q, k, v = W x + b$$

Source: Vaswani et al., Attention Is All You Need, 2017, https://arxiv.org/abs/1706.03762, section 3.2, equation 1.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from wellposed.nets.net import reweight
from wellposed.nets.stacking import Container, Forward, call_alone, stack_forward
from wellposed.nets.steps import real_steps
from wellposed.techniques.places import InnerTechnique


def attend(
    q: Float[Tensor, "N h T d"],
    k: Float[Tensor, "N h T d"],
    v: Float[Tensor, "N h T d"],
    seen: Bool[Tensor, "N 1 1 T"],
    *,
    twice: bool = False,
) -> Float[Tensor, "N h T d"]:
    """Each token's mean of the values `v` of tokens that are seen, by the likeness of its `q` to their `k`.

    With `twice` the result can be differentiated twice, which the framework's kernel cannot on a CPU.

    >>> q, seen = torch.zeros(1, 1, 2, 1), torch.tensor([[[[True, False]]]])
    >>> attend(q, q, torch.tensor([[[[5.0], [7.0]]]]), seen).flatten()
    tensor([5., 5.])
    """
    if not twice:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    likeness = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
    return torch.where(seen, likeness, -torch.inf).softmax(-1) @ v


class Attention(Container):
    """Self-attention with one affine layer for queries, keys and values, and one behind the heads."""

    def __init__(self, width: int, heads: int, layers: Sequence[InnerTechnique] = ()) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = reweight(nn.Linear(width, 3 * width), layers)
        self.out = reweight(nn.Linear(width, width), layers)

    def forward(self, x: Float[Tensor, "B T D"], lengths: Int64[Tensor, " B"]) -> Float[Tensor, "B T D"]:
        """The output of one network."""
        return call_alone(self, x, lengths)

    def join(self, prefix: str) -> Forward:
        """The same over stacked tensors; members are further rows. A row without tokens sees its first one."""
        qkv, out, heads = stack_forward(self.qkv, f"{prefix}qkv."), stack_forward(self.out, f"{prefix}out."), self.heads

        def forward(tensors: Mapping[str, Tensor], x: Tensor, lengths: Tensor, *, twice: bool = False) -> Tensor:
            k, b, t, d = x.shape
            parts = qkv(tensors, x.flatten(1, 2)).view(k * b, t, 3, heads, d // heads)
            query, key, value = parts.transpose(1, 3).unbind(2)
            seen = real_steps(lengths.clamp_min(1), t).view(k * b, 1, 1, t)
            mixed = attend(query, key, value, seen, twice=twice).transpose(1, 2).reshape(k, b * t, d)
            return out(tensors, mixed).view(k, b, t, d)

        return forward
