"""Which kind of data a batch holds, for techniques that make sense for some kinds only."""

from typing import Literal, TypeAlias

from wellposed.checks import refusal
from wellposed.techniques.places import Batch
from wellposed.techniques.technique import Technique

Kind: TypeAlias = Literal["a table", "images", "sequences", "texts"]


def kind_of(batch: Batch) -> Kind:
    """What the rows of a batch are, by the axes of `x`. Rows without numbers are texts, or a table of categories alone
    if the facts know of no words.

    >>> import torch
    >>> kind_of(Batch(torch.zeros(1, 8, 9, 2), torch.full((1, 8, 1), 9), torch.zeros(1, 8, 1), None))
    'sequences'
    """
    if batch.x.dim() == 5:
        return "images"
    if batch.x.dim() == 4:
        return "sequences"
    wordless = batch.facts is not None and not batch.facts.words
    return "texts" if batch.x.shape[-1] == 0 and not wordless else "a table"


def check_kind(technique: Technique, batch: Batch, *kinds: Kind) -> None:
    """Refuse a batch of another kind than these.

    Raises:
        BadInput: It is of another kind.
    """
    if (kind := kind_of(batch)) not in kinds:
        must = f"be {' or '.join([', '.join(kinds[:-1]), kinds[-1]] if kinds[1:] else kinds)}"
        raise refusal(f"The data of {type(technique).__name__}", must, kind, "Take it out of the recipe.")


def check_classes(technique: Technique, batch: Batch) -> None:
    """Refuse targets that are numbers.

    Raises:
        BadInput: The task is regression.
    """
    if batch.y.shape[-1] == 1:
        name = f"The task of {type(technique).__name__}"
        raise refusal(name, "be classification", "regression", "Take it out of the recipe.")


def words_of(technique: Technique, batch: Batch) -> tuple[str, ...]:
    """The words of a batch of texts.

    Raises:
        BadInput: The batch does not know them.
    """
    if batch.facts is None or not batch.facts.words:
        name = f"The batch of {type(technique).__name__}"
        raise refusal(name, "know its words", batch.facts, "Give Facts with words.")
    return batch.facts.words
