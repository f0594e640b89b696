"""What every technique is: a frozen value of strengths, which members may differ in, and structure, which is shared."""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from wellposed.checks import check_choice, check_flag, refusal

Strength: TypeAlias = float | Float[Tensor, " K"]
"""A float as written; a tensor with one value a member inside a population."""

Vector: TypeAlias = tuple[Any, ...] | Float[Tensor, "K ..."]
"""Numbers that belong together, in tuples of tuples; a tensor with one set of them a member inside a population."""

Own: TypeAlias = Strength | Vector
"""What members of one population may differ in."""

Kind = TypeVar("Kind", bound="Technique")  # not `Self`, which cannot be checked as it runs


def strength(default: float, *, valid: tuple[float, float], search: tuple[float, float], log: bool = False) -> Any:
    """Declare a strength once: its default, what is allowed, what is worth searching, and on which scale."""
    return field(default=default, metadata={"valid": valid, "search": search, "log": log})


def vector(default: object, *, read: Callable[[Any], tuple[Any, ...]]) -> Any:
    """Declare a field of many numbers that members may differ in as a whole, such as a policy.

    It has no range: spaces do not search it and ramps do not move it. How many numbers there are is structure.

    Args:
        default: As it is written in a recipe.
        read: From what is written to numbers, in tuples of tuples.
    """
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True, kw_only=True)
class Technique(ABC):  # noqa: B024 - each place adds its abstract method
    """A value: equal by content, hashable, refused when a strength is out of its range or a word is unknown.

    A technique that has more to refuse calls this `__post_init__` first.
    """

    def __post_init__(self) -> None:
        for name, words in _choices(type(self)).items():
            what, got = f"{type(self).__name__}.{name}", getattr(self, name)
            if words:
                check_choice(what, got, words)
            else:
                check_flag(what, got)
        for f in strength_fields(type(self)):
            value, (low, high) = getattr(self, f.name), f.metadata["valid"]
            if isinstance(value, Tensor):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise refusal(f"{type(self).__name__}.{f.name}", f"be in [{low:g}, {high:g}]", value)

    def bound(self: Kind, strengths: Mapping[str, Own]) -> Kind:
        """The same technique with other strengths: as a population sees it, one value a member."""
        return replace(self, **strengths)


def strength_fields(kind: type[Technique]) -> tuple[Field[Any], ...]:
    """The fields of one number that may differ between members of one population."""
    return tuple(f for f in fields(kind) if "valid" in f.metadata)


def vector_fields(kind: type[Technique]) -> tuple[Field[Any], ...]:
    """The fields of many numbers that may."""
    return tuple(f for f in fields(kind) if "read" in f.metadata)


@lru_cache(maxsize=512)
def _choices(kind: type[Technique]) -> dict[str, tuple[object, ...]]:
    """The words that each field of a `Literal` type may hold; none for a field that is true or false."""
    hints = get_type_hints(kind)
    found = {f.name: hints[f.name] for f in fields(kind)}
    words = {name: get_args(hint) for name, hint in found.items() if get_origin(hint) is Literal}
    return words | {name: () for name, hint in found.items() if hint is bool}


def strengths(technique: Technique) -> dict[str, Strength]:
    """Name and value of each strength."""
    return {f.name: getattr(technique, f.name) for f in strength_fields(type(technique))}


def vectors(technique: Technique) -> dict[str, Vector]:
    """Name and numbers of each field of many."""
    found = {f: getattr(technique, f.name) for f in vector_fields(type(technique))}
    return {f.name: v if isinstance(v, Tensor) else f.metadata["read"](v) for f, v in found.items()}


def structure(technique: Technique) -> tuple[object, ...]:
    """The type, every field that members share, and how many numbers are in the others: equal means "may train
    together"."""
    own = {**strengths(technique), **(many := vectors(technique))}
    rest = tuple((f.name, getattr(technique, f.name)) for f in fields(technique) if f.name not in own)
    sizes = ((name, tuple(v.shape[1:]) if isinstance(v, Tensor) else np.shape(v)) for name, v in many.items())
    return (type(technique).__name__, *rest, *sizes)


def stack_values(values: Sequence[Any], *, dtype: torch.dtype, device: torch.device) -> Strength:
    """One value a member, or a plain float where all members agree."""
    shared = all(value == values[0] for value in values)
    return values[0] if shared else torch.tensor(values, dtype=dtype, device=device)


def stack_vectors(values: Sequence[Any], *, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "K ..."]:
    """One set of numbers a member, also where all agree."""
    return torch.tensor(values, dtype=dtype, device=device)


def spread(value: Strength, like: Shaped[Tensor, "K ..."]) -> float | Float[Tensor, "K ..."]:
    """A strength in the shape that broadcasts over a member's axes of `like`.

    >>> spread(torch.tensor([0.1, 0.2]), torch.zeros(2, 5, 3)).shape
    torch.Size([2, 1, 1])
    >>> spread(0.1, torch.zeros(2, 5, 3))
    0.1
    """
    return value.view(-1, *[1] * (like.dim() - 1)) if isinstance(value, Tensor) else value
