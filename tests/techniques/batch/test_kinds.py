"""Batches are told apart, and those of the wrong kind are refused in one sentence."""

import pytest
import torch

from wellposed.errors import BadInput
from wellposed.techniques import LabelNoise, Mixup, RandomSwap
from wellposed.techniques.batch.kinds import check_classes, check_kind, kind_of, words_of
from wellposed.techniques.places import Batch, Facts

NOTHING = torch.zeros(0)


def batch_of(*shape: int, words: tuple[str, ...] | None = None) -> Batch:
    facts = None if words is None else Facts(NOTHING, NOTHING, words)
    return Batch(torch.zeros(1, 2, *shape), torch.ones(1, 2, 3, dtype=torch.int64), torch.zeros(1, 2, 1), None, facts)


@pytest.mark.parametrize(
    ("batch", "kind"),
    [
        (batch_of(4), "a table"),
        (batch_of(3, 6, 5), "images"),
        (batch_of(9, 2), "sequences"),
        (batch_of(0, words=("", "?", "dog")), "texts"),
        (batch_of(0), "texts"),
        (batch_of(0, words=()), "a table"),
    ],
)
def test_kinds_are_told_apart(batch: Batch, kind: str) -> None:
    assert kind_of(batch) == kind


def test_another_kind_is_refused() -> None:
    check_kind(Mixup(), batch_of(4), "a table", "images")
    with pytest.raises(BadInput) as refused:
        check_kind(Mixup(), batch_of(9, 2), "a table", "images")
    expected = "The data of Mixup must be a table or images. Got 'sequences'. Take it out of the recipe."
    assert str(refused.value) == expected


def test_numbers_as_targets_are_refused() -> None:
    check_classes(LabelNoise(), batch_of(4)._replace(y=torch.zeros(1, 2, 2)))
    with pytest.raises(BadInput, match="must be classification"):
        check_classes(LabelNoise(), batch_of(4))


def test_words_must_be_known() -> None:
    assert words_of(RandomSwap(), batch_of(0, words=("", "?", "dog"))) == ("", "?", "dog")
    with pytest.raises(BadInput, match="must know its words"):
        words_of(RandomSwap(), batch_of(0))
