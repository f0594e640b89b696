"""A network over the mean of a text's word vectors: the order of words is lost, and few networks are faster.

Strong on short texts. Source: Joulin et al., Bag of Tricks for Efficient Text Classification, 2016,
https://arxiv.org/abs/1607.01759, section 2 (there without hidden layers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed.checks import check_count, refusal
from wellposed.nets.net import Activation, Inputs, Net, hidden, refuse_hidden, reweight
from wellposed.nets.stacking import Container, Forward, call_alone, stack_forward
from wellposed.nets.steps import count_tokens, span
from wellposed.techniques.places import InnerTechnique
from wellposed.techniques.technique import Technique


def mean_of_embeddings(codes: Int64[Tensor, "K B T"], tables: Float[Tensor, "K V E"]) -> Float[Tensor, "K B E"]:
    """The mean of the vectors of each text's tokens, from each member's own table; code 0 counts for nothing.

    >>> mean_of_embeddings(torch.tensor([[[1, 2, 0], [0, 0, 0]]]), torch.tensor([[[9.0], [1.0], [3.0]]]))
    tensor([[[2.],
             [0.]]])
    """
    k, b, t = codes.shape
    first = torch.arange(k, device=codes.device).view(-1, 1, 1) * tables.shape[1]
    rows = torch.where(codes == 0, 0, codes + first)
    return F.embedding_bag(rows.view(k * b, t), tables.flatten(0, 1), mode="mean", padding_idx=0).view(k, b, -1)


@dataclass(frozen=True, kw_only=True)
class BagOfWords(Net):
    """A network over the mean of a text's word vectors.

    Args:
        embedding: Numbers that stand for a token.
        widths: Units of each hidden layer; empty is a linear model of the mean.
        activation: Of the hidden layers.
    """

    embedding: int = 64
    widths: tuple[int, ...] = (64,)
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        refuse_hidden("BagOfWords", {"widths": self.widths}, self.activation)
        check_count("BagOfWords.embedding", self.embedding)
        Technique.__post_init__(self)

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        """The network for texts of any length."""
        if inputs.kind != "texts":
            raise refusal("The input of BagOfWords", "be texts", inputs.shape, "Use the net MLP, CNN or Recurrent.")
        size, parts = self.embedding, list[nn.Module]()
        for units in self.widths:
            parts += hidden(nn.Linear(size, units), (units,), self.activation, layers)
            size = units
        body = nn.Sequential(*parts, reweight(nn.Linear(size, outputs), layers))
        return OverTokens(nn.Embedding(inputs.vocabulary, self.embedding), body)


class OverTokens(Container):
    """A network over the mean of the word vectors."""

    def __init__(self, embedding: nn.Embedding, body: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding
        self.body = body

    def forward(self, x: Float[Tensor, "B 0"], codes: Int64[Tensor, "B T"]) -> Float[Tensor, "B C"]:
        """The body's output."""
        return call_alone(self, x, codes)

    def join(self, prefix: str) -> Forward:
        """The same, over stacked tensors."""
        name, body = f"{prefix}embedding.weight", stack_forward(self.body, f"{prefix}body.")

        def forward(tensors: Mapping[str, Tensor], x: Tensor, codes: Tensor) -> Tensor:
            tables = tensors[name] if tensors[name].dim() > 2 else tensors[name].unsqueeze(0)
            _, longest = span(count_tokens(codes), codes.shape[-1])
            return body(tensors, mean_of_embeddings(codes[..., :longest], tables))

        return forward
