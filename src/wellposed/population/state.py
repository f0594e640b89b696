"""Everything that changes while a population trains, stacked over its living members; and rows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.recipe import Recipe
from wellposed.techniques.technique import Own

Slots: TypeAlias = dict[str, dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class State:
    """The living members. Tensors are changed in place by training; which members live is changed by `take`.

    Attributes:
        ids: Position of each living member in its population.
        seeds: One seed a member.
        parameters: By name, `K ...`.
        buffers: By name, `K ...`: running statistics, keys, the strengths that live in layers, and parameters that a
            factory froze.
        slots: What the optimizer remembers, by slot and name.
        means: The average over time of parameters and floating buffers; empty where the recipe asks for none.
        strengths: By name as `Recipe.strengths` gives them: a float that all share, or one value a member; and those
            of `Recipe.vectors`, one set of numbers a member.
        owned: `K M` positions of the training rows that each member owns, or None when each owns all.
        loss_sum: Sum of each member's losses over the steps of the current epoch.
        step: Updates done.
    """

    ids: Int64[Tensor, " K"]
    seeds: Int64[Tensor, " K"]
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]
    slots: Slots
    means: dict[str, Tensor]
    strengths: dict[str, Own]
    owned: Int64[Tensor, "K M"] | None
    loss_sum: Float[Tensor, " K"]
    step: int

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: slice | Int64[Tensor, " L"]) -> "State":
        """These members alone: views for a slice, copies for positions; the state itself, if the slice holds all."""
        if rows == slice(0, len(self)):
            return self
        return replace(
            self,
            ids=self.ids[rows],
            seeds=self.seeds[rows],
            parameters=take(self.parameters, rows),
            buffers=take(self.buffers, rows),
            slots={slot: take(tensors, rows) for slot, tensors in self.slots.items()},
            means=take(self.means, rows),
            strengths={n: v[rows] if isinstance(v, Tensor) else v for n, v in self.strengths.items()},
            owned=None if self.owned is None else self.owned[rows],
            loss_sum=self.loss_sum[rows],
        )

    def copy(self) -> "State":
        """The same members in memory of their own."""
        return self.take(torch.arange(len(self), device=self.ids.device))

    def bound(self, recipe: Recipe) -> Recipe:
        """The recipe with these members' strengths in the place of its own."""
        return recipe.with_strengths({n: v for n, v in self.strengths.items() if isinstance(v, Tensor)})

    def answering(self) -> dict[str, Tensor]:
        """The tensors that give answers: parameters and buffers, or their average over time where there is one."""
        return {**self.parameters, **self.buffers, **self.means}


def take(tensors: Mapping[str, Tensor], rows: slice | Tensor) -> dict[str, Tensor]:
    """The rows of each tensor. (By `data`, each view counts its changes by itself: autograd would else take what one
    worker does to its members for a change of what it saved of another's.)"""
    return {name: tensor[rows].data for name, tensor in tensors.items()}
