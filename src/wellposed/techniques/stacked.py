"""The base of layers that compute for a whole population at once; alone is a population of one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from wellposed.techniques.technique import Strength, Technique, strengths


class StackedModule(nn.Module, ABC):
    """A layer written once, over stacked tensors: `forward` is the case of one member.

    A layer that draws at random registers an int64 buffer `key`; whoever trains sets it before each step.

    Attributes:
        technique: The value that made the layer, or None for a layer that is no technique.
        refreshes: Whether it answers with statistics of all training rows, measured after training.
        takes_one: Whether `stacked` also takes parameters without the axis `K`, where there is one member.
        position: Which of its technique's layers in a network it is, counted from 1, and of how many.
    """

    technique: Technique | None = None
    refreshes: bool = False
    takes_one: ClassVar[bool] = False
    position: tuple[int, int] = (1, 1)

    @abstractmethod
    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K B ..."]) -> Float[Tensor, "K B ..."]:
        """The layer's output, from its own parameters and buffers stacked over `K`. Buffers may be changed in place.

        `tensors` holds a strength too, by its name, where the members differ in it: ask `strength`.
        """

    def strength(self, tensors: Mapping[str, Tensor], name: str) -> Strength:
        """A strength of the technique: one value a member where they differ, else the float that all share."""
        return tensors[name] if name in tensors else float(getattr(self.technique, name))

    def tensor_names(self) -> list[str]:
        """Names of all that `tensors` may hold."""
        own = [name for name, _ in (*self.named_parameters(recurse=False), *self.named_buffers(recurse=False))]
        return own + ([] if self.technique is None else list(strengths(self.technique)))

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """The layer's output for one member."""
        own = {name: tensor.unsqueeze(0) for name, tensor in self.named_parameters(recurse=False)}
        own.update({name: tensor.unsqueeze(0) for name, tensor in self.named_buffers(recurse=False)})
        return self.stacked(own, x.unsqueeze(0)).squeeze(0)


class Parametrization(StackedModule, ABC):
    """From the weight that a layer learns to the one that it works with; fits `torch.nn.utils.parametrize`, too."""

    @abstractmethod
    def start(self, weight: Float[Tensor, "K out in ..."]) -> dict[str, Tensor]:
        """Its own parameters and buffers at step 0, by name, for weights just drawn; those not named stay."""


class ResidualBlock(nn.Module):
    """A module that adds its input, or what a shortcut makes of it, to what the module `block` makes of it."""

    block: nn.Module


class TwinBranches(nn.Module):
    """A module that mixes what two modules of one form, `one` and `other`, make of its input."""

    one: nn.Module
    other: nn.Module
