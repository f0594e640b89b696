"""The ten places where a technique can act: one abstract class each, in the order of a network's life.

Tensors carry the members of a population first (`K`); alone is `K = 1`. A strength is a float, or a tensor `K`;
`technique.spread` makes it broadcast. A method whose name ends in `_` changes its tensors in place, as in PyTorch.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from wellposed.random import Key
from wellposed.techniques.technique import Strength, Technique

Tensors: TypeAlias = Mapping[str, Float[Tensor, "K ..."]]
"""Parameters, gradients or averages of a population by name, each stacked over its members."""


class Batch(NamedTuple):
    """The rows that each member sees at one step.

    Attributes:
        x: `K B D` numbers or `K B C H W` pixels.
        codes: `K B J` categories as codes.
        y: `K B C` class probabilities (one-hot at first), or `K B 1` numbers.
        weight: `K B` weights of rows, or None when all weigh the same.
    """

    x: Float[Tensor, "K B ..."]
    codes: Int64[Tensor, "K B J"]
    y: Float[Tensor, "K B C"]
    weight: Float[Tensor, "K B"] | None


@dataclass(frozen=True, kw_only=True)
class DataTechnique(Technique):
    """Place 1, the data before training: fitted on training rows alone, applied to any rows."""

    @abstractmethod
    def fit(self, x: Float[Tensor, "N *shape"], weight: Float[Tensor, " N"] | None) -> dict[str, Tensor]:
        """What must be remembered of the training rows."""

    @abstractmethod
    def data(self, x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
        """Rows as the network will see them."""


@dataclass(frozen=True, kw_only=True)
class SampleTechnique(Technique):
    """Place 1, too: which training rows a member owns."""

    @abstractmethod
    def rows(self, n: int, key: Key) -> Int64[Tensor, "K M"]:
        """Positions among `n` training rows, for each member."""


@dataclass(frozen=True, kw_only=True)
class WeightTechnique(Technique):
    """Place 2, the weights at step 0."""

    @abstractmethod
    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        """Weights of one layer, in PyTorch's order `(out, in, ...)`, for each member."""


@dataclass(frozen=True, kw_only=True)
class BatchTechnique(Technique):
    """Place 3, the batch."""

    @abstractmethod
    def batch(self, batch: Batch, key: Key) -> Batch:
        """The batch that is trained on instead."""


@dataclass(frozen=True, kw_only=True)
class LayerTechnique(Technique):
    """Place 4, inside the network: before or after the activation of each hidden layer."""

    where: ClassVar[Literal["before", "after"]]

    @abstractmethod
    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        """The module for activations of this shape, `(D,)` or `(C, H, W)`, without the batch."""


@dataclass(frozen=True, kw_only=True)
class LossTechnique(Technique):
    """Place 5, added to the loss."""

    @abstractmethod
    def penalty(self, parameters: Tensors) -> Float[Tensor, " K"]:
        """What each member pays."""


@dataclass(frozen=True, kw_only=True)
class GradientTechnique(Technique):
    """Place 6, between the backward pass and the step."""

    @abstractmethod
    def gradient_(self, gradients: Tensors, parameters: Tensors, key: Key) -> None:
        """Change the gradients in place."""


@dataclass(frozen=True, kw_only=True)
class UpdateTechnique(Technique):
    """Place 7, the update itself, before or after the optimizer moves the parameters."""

    when: ClassVar[Literal["before", "after"]]

    @abstractmethod
    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        """Change the parameters in place."""


@dataclass(frozen=True, kw_only=True)
class AverageTechnique(Technique):
    """Place 8, an average over time that is used for answers instead of the last weights."""

    @abstractmethod
    def average_(self, mean: Tensors, tensors: Tensors, step: int) -> None:
        """Move the average in place; `step` counts updates from 1. At step 0 it was a copy of `tensors`."""


@dataclass(frozen=True, kw_only=True)
class EndTechnique(Technique):
    """Place 9, when to stop."""

    @abstractmethod
    def ended(self, scores: Float[Tensor, "K E"]) -> Bool[Tensor, " K"]:
        """Whether each member should stop, from its scores after each evaluation so far; lower is better."""


@dataclass(frozen=True, kw_only=True)
class PredictionTechnique(Technique):
    """Place 10, one answer from many members."""

    @abstractmethod
    def predict(self, outputs: Float[Tensor, "K N C"]) -> Float[Tensor, "N C"]:
        """Class probabilities, or numbers, of the population as a whole."""
