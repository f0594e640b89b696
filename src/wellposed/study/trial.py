"""A trial: one recipe that was proposed, and what came of training it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from jaxtyping import Float32
from torch import Tensor

from wellposed.recipe import Recipe
from wellposed.search_space import Value

State: TypeAlias = Literal["queued", "complete", "pruned", "failed"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One proposal. Until it has ended, only the first six attributes are known.

    Attributes:
        number: Counted from 0 within its study, in the order of asking.
        generation: Which asking it belongs to, counted from 0.
        shard: Which population of its generation trains it, counted from 0.
        values: What was chosen, by the name of each dimension that exists for it.
        recipe: What these values make.
        seed: Of its network.
        state: "queued" until it has ended; "complete" after all its epochs or its own early stop; "pruned" when it left
            before others at a rung, or at the end of the time; "failed" when its numbers were not finite any more.
        epochs: How many it was trained for.
        score: What the study minimizes, of the best epoch; NaN where there is none.
        metric: Accuracy, or root mean squared error in the target's own unit, on the validation rows at the best epoch.
        best_epoch: Counted from 1; 0 where there is none.
        curve: The validation loss after each epoch.
        seconds: Of training; its share where a population trained.
        failure: Where its numbers stopped being finite; empty otherwise.
        answers: Its answers on the validation rows at its best epoch, probabilities or scaled numbers; None where they
            were not kept.
    """

    number: int
    generation: int
    shard: int
    values: Mapping[str, Value]
    recipe: Recipe
    seed: int
    state: State = "queued"
    epochs: int = 0
    score: float = math.nan
    metric: float = math.nan
    best_epoch: int = 0
    curve: tuple[float, ...] = ()
    seconds: float = 0.0
    failure: str = ""
    answers: Float32[Tensor, "N C"] | None = field(default=None, repr=False)
