"""The ten places where a technique can act: one abstract class each, in the order of a network's life.

Tensors carry the members of a population first (`K`); alone is `K = 1`. A strength is a float, or a tensor `K`;
`technique.spread` makes it broadcast. A method whose name ends in `_` changes its tensors in place, as in PyTorch.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from wellposed.inputs.dataset import Rows
from wellposed.random import Key
from wellposed.techniques.stacked import Parametrization
from wellposed.techniques.technique import Strength, Technique

Tensors: TypeAlias = Mapping[str, Float[Tensor, "K ..."]]
"""Parameters, gradients or averages of a population by name, each stacked over its members."""


class Facts(NamedTuple):
    """What a technique may know of the data beside the batch.

    Attributes:
        low: Lowest number of each column or channel among the training rows, as the network sees them: `C`.
        high: Highest number likewise.
        words: The word of each token, where the data are texts.
    """

    low: Float[Tensor, " C"]
    high: Float[Tensor, " C"]
    words: tuple[str, ...] = ()


class Batch(NamedTuple):
    """The rows that each member sees at one step.

    Attributes:
        x: `K B D` numbers, `K B C H W` pixels, `K B T D` steps of sequences, or `K B 0` for texts.
        codes: `K B J` whole numbers about each row: its categories; its tokens, 0 behind the last; or, with `J = 1`,
            the length of its sequence.
        y: `K B C` class probabilities (one-hot at first), or `K B 1` numbers.
        weight: `K B` weights of rows, or None when all weigh the same.
        facts: About the training data; None where nobody asks.
    """

    x: Float[Tensor, "K B ..."]
    codes: Int64[Tensor, "K B J"]
    y: Float[Tensor, "K B C"]
    weight: Float[Tensor, "K B"] | None
    facts: Facts | None = None


class Start(NamedTuple):
    """The network at step 0, for techniques that look at more than one weight.

    Attributes:
        network: One network of the structure; its own tensors do not count.
        buffers: `K ...` by name.
        batch: The first training rows, the same for all members.
        shares: Share of each class among the training rows; or, of numbers, their mean alone.
    """

    network: nn.Module
    buffers: Tensors
    batch: Batch
    shares: Float[Tensor, " C"]


class Answers(NamedTuple):
    """What the networks say of a batch in training, with what is needed to ask on.

    Attributes:
        outputs: `K B C` logits, or `K B 1` numbers.
        batch: What they were asked.
        again: The outputs on the same batch with other draws, such as dropout masks; the number names the draws.
        loss: Each member's loss on the batch.
        loss_at: The same, of the same draws, had the batch's numbers `x` been others.
    """

    outputs: Float[Tensor, "K B C"]
    batch: Batch
    again: Callable[[int], Tensor]
    loss: Float[Tensor, " K"]
    loss_at: Callable[[Tensor], Tensor]


class Moment(NamedTuple):
    """Where training stands.

    Attributes:
        step: Updates, counted from 1.
        epoch_steps: Updates of an epoch.
        total: Planned updates, which early stopping may cut.
    """

    step: int
    epoch_steps: int
    total: int


class Curves(NamedTuple):
    """What a member's training has shown so far; lower is better.

    Attributes:
        validation: `K E` losses on the validation rows after each of `E` epochs; `E` is 0 without such rows.
        train: `K E` mean losses of training, over each epoch's steps.
        seconds: Since training began.
        gradients: Asks for `K B P` gradients of single training rows at the present weights.
    """

    validation: Float[Tensor, "K E"]
    train: Float[Tensor, "K E"]
    seconds: float
    gradients: Callable[[], Float[Tensor, "K B P"]]


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
class GrowthTechnique(Technique):
    """Place 1, too: further training rows, made from those there are, once, for all members."""

    @abstractmethod
    def grow(self, rows: Rows) -> Rows:
        """The rows given, and behind them the new ones."""


@dataclass(frozen=True, kw_only=True)
class WeightTechnique(Technique):
    """Place 2, the weights at step 0."""

    @abstractmethod
    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        """Weights of one layer, in PyTorch's order `(out, in, ...)`, for each member."""


@dataclass(frozen=True, kw_only=True)
class StartTechnique(Technique):
    """Place 2, too: what looks at the network as a whole, or at training rows, after the weights were drawn."""

    @abstractmethod
    def start_(self, parameters: Tensors, start: Start) -> None:
        """Change the parameters in place."""


@dataclass(frozen=True, kw_only=True)
class BatchTechnique(Technique):
    """Place 3, the batch."""

    @abstractmethod
    def batch(self, batch: Batch, key: Key) -> Batch:
        """The batch that is trained on instead."""


@dataclass(frozen=True, kw_only=True)
class TextTechnique(Technique):
    """Place 3, too: another version of each training text, made once, before texts become tokens."""

    @abstractmethod
    def texts(self, texts: Sequence[str]) -> list[str]:
        """The other versions, in the same order."""


Where: TypeAlias = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class InnerTechnique(Technique):
    """Place 4, inside the network: what the three kinds below have in common is that a net must find room for them."""


@dataclass(frozen=True, kw_only=True)
class LayerTechnique(InnerTechnique):
    """Place 4, a layer before or after the activation of each hidden layer.

    Attributes:
        axes: For which hidden layers it is meant, by the number of axes of one row: 1 for units, 3 for channels.
        where: Before or after the activation.
    """

    axes: ClassVar[frozenset[int]]
    where: Where

    @abstractmethod
    def layer(self, shape: tuple[int, ...]) -> nn.Module:
        """The module for activations of this shape, `(D,)` or `(C, H, W)`, without the batch."""


@dataclass(frozen=True, kw_only=True)
class BranchTechnique(InnerTechnique):
    """Place 4, too: at the end of the branch of a residual block.

    Attributes:
        doubles: Whether the block has two branches because of it. Its module then gets the first less the second, and
            what it makes of that is added to the second: a module that multiplies by a share mixes the two.
    """

    doubles: ClassVar[bool] = False

    @abstractmethod
    def branch(self, depth: float) -> nn.Module:
        """The module for the branch that is this share of the way from the first block, near 0, to the last, at 1."""


@dataclass(frozen=True, kw_only=True)
class ParametrizationTechnique(InnerTechnique):
    """Place 4, too: the weight that an affine layer works with, made from the one that is learned."""

    @abstractmethod
    def parametrization(self, shape: tuple[int, ...]) -> Parametrization:
        """The module from learned to working weight `(out, in, ...)`."""


@dataclass(frozen=True, kw_only=True)
class LossTechnique(Technique):
    """Place 5, added to the loss."""

    @abstractmethod
    def penalty(self, parameters: Tensors) -> Float[Tensor, " K"]:
        """What each member pays."""


@dataclass(frozen=True, kw_only=True)
class AnswerTechnique(Technique):
    """Place 5, too: added to the loss for what the network says, or for how it depends on its inputs."""

    differentiates_inputs: ClassVar[bool]

    @abstractmethod
    def penalize(self, answers: Answers, key: Key) -> Float[Tensor, " K"]:
        """What each member pays."""


@dataclass(frozen=True, kw_only=True)
class GradientTechnique(Technique):
    """Place 6, between the backward pass and the step."""

    @abstractmethod
    def gradient_(self, gradients: Tensors, parameters: Tensors, key: Key, moment: Moment) -> None:
        """Change the gradients in place."""


@dataclass(frozen=True, kw_only=True)
class PointTechnique(Technique):
    """Place 6, too: the weights at which the gradient is taken, instead of the present ones."""

    needs_gradients: ClassVar[bool]

    @abstractmethod
    def point(self, parameters: Tensors, gradients: Tensors, key: Key) -> dict[str, Tensor]:
        """The other weights, in memory of their own; `gradients` is empty unless needed."""


@dataclass(frozen=True, kw_only=True)
class UpdateTechnique(Technique):
    """Place 7, the update itself, before or after the optimizer moves the parameters."""

    when: ClassVar[Where]

    @abstractmethod
    def update_(self, parameters: Tensors, learning_rate: Strength) -> None:
        """Change the parameters in place."""


@dataclass(frozen=True, kw_only=True)
class AverageTechnique(Technique):
    """Place 8, an average over time that is used for answers instead of the last weights."""

    @abstractmethod
    def average_(self, mean: Tensors, tensors: Tensors, moment: Moment) -> None:
        """Move the average in place (Lookahead moves the tensors, too). At step 0 it was a copy of `tensors`."""

    @property
    @abstractmethod
    def refreshes(self) -> bool:
        """Whether the norms' running statistics are measured anew for the averaged weights before they answer."""


@dataclass(frozen=True, kw_only=True)
class SnapshotTechnique(Technique):
    """Place 8, too: weights of several moments of one training, which answer together."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many are kept of each member."""

    @abstractmethod
    def slot(self, epoch: int, epochs: int) -> int | None:
        """Where the weights after this epoch (counted from 1) of so many are kept, from 0; None if they are not."""


@dataclass(frozen=True, kw_only=True)
class EndTechnique(Technique):
    """Place 9, when to stop."""

    @abstractmethod
    def ended(self, curves: Curves) -> Bool[Tensor, " K"]:
        """Whether each member should stop."""


@dataclass(frozen=True, kw_only=True)
class PassTechnique(Technique):
    """Place 10, how an answer is asked for: several times, with the layers drawing as in training."""

    @property
    @abstractmethod
    def draws(self) -> int:
        """How often."""


@dataclass(frozen=True, kw_only=True)
class OutputTechnique(Technique):
    """Place 10, too: each member's outputs, corrected by what validation rows have shown."""

    @abstractmethod
    def fit(self, outputs: Float[Tensor, "K N C"], y: Tensor) -> dict[str, Tensor]:
        """What must be remembered of logits (or numbers) and the classes `N` (or numbers `N 1`) they should give."""

    @abstractmethod
    def output(self, outputs: Float[Tensor, "K N C"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "K N C"]:
        """The corrected outputs."""


@dataclass(frozen=True, kw_only=True)
class PredictionTechnique(Technique):
    """Place 10, one answer from many members."""

    @abstractmethod
    def fit(self, outputs: Float[Tensor, "K N C"], y: Tensor) -> dict[str, Tensor]:
        """What must be remembered of validation rows: probabilities (or numbers), and the classes `N` (or `N 1`)."""

    @abstractmethod
    def predict(self, outputs: Float[Tensor, "K N C"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N C"]:
        """Class probabilities, or numbers, of the population as a whole; `fitted` is empty without validation rows."""
