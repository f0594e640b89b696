"""What a population has to show for itself: curves, best weights, who stopped when, who failed where."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Failure:
    """Where a member's numbers stopped being finite.

    Attributes:
        step: The update, counted from 1.
        where: The layer that first gave a number that is not finite, `"loss"`, or a parameter's name.
    """

    step: int
    where: str


@dataclass(eq=False)
class Record:
    """The history of a population of K members, all of them, living or not.

    Attributes:
        train_loss: For each epoch, `K` mean losses over its steps; NaN for a member that no longer lived.
        validation_loss: For each evaluation, `K` losses on the validation rows; NaN likewise.
        best: `K ...` parameters and buffers of each member's best evaluation, by name; where snapshots are kept, those
            of all members at one moment, then those at the next, `S K` in all.
        best_score: `K` validation losses that belong to them; infinite before the first evaluation.
        best_epoch: The epochs of the kept weights, counted from 1; 0 before the first.
        ended: `K` epochs after which each member was through; 0 for those still living.
        failures: By member.
        seconds: Spent in training.
        fired: Positions, among the recipe's gradient techniques, of those that have ever changed a gradient.
    """

    train_loss: list[Float[Tensor, " K"]]
    validation_loss: list[Float[Tensor, " K"]]
    best: dict[str, Tensor]
    best_score: Float[Tensor, " K"]
    best_epoch: Tensor
    ended: Tensor
    failures: dict[int, Failure] = field(default_factory=dict)
    seconds: float = 0.0
    fired: set[int] = field(default_factory=set)

    @classmethod
    def empty(cls, start: dict[str, Tensor], k: int, device: torch.device, *, slots: int = 1) -> "Record":
        """Before the first epoch: the best weights so far are those of step 0."""
        return cls(
            train_loss=[],
            validation_loss=[],
            best={name: tensor.repeat(slots, *[1] * (tensor.dim() - 1)) for name, tensor in start.items()},
            best_score=torch.full((k,), torch.inf, dtype=torch.float64, device=device),
            best_epoch=torch.zeros(slots * k, dtype=torch.int64, device=device),
            ended=torch.zeros(k, dtype=torch.int64, device=device),
        )

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.train_loss)

    def add(self, curve: list[Tensor], ids: Tensor, values: Tensor) -> None:
        """Append the living members' values to a curve."""
        row = torch.full_like(self.best_score, torch.nan)
        row[ids] = values.to(row.dtype)
        curve.append(row)
