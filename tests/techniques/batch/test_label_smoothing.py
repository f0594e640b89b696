"""Against the label_smoothing of torch.nn.CrossEntropyLoss."""

import pytest
import torch
import torch.nn.functional as F

from wellposed.errors import BadInput
from wellposed.techniques import LabelSmoothing
from wellposed.techniques.batch.label_smoothing import smooth_labels
from wellposed.techniques.places import Batch


@pytest.mark.parametrize("amount", [0.0, 0.1, 1.0])
def test_cross_entropy_is_that_of_pytorch(amount: float) -> None:
    logits = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    codes = torch.arange(20) % 4
    found = F.cross_entropy(logits, smooth_labels(F.one_hot(codes, 4).double(), amount))
    torch.testing.assert_close(found, F.cross_entropy(logits, codes, label_smoothing=amount))


def test_rows_remain_probabilities_and_members_may_differ() -> None:
    y = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    smooth = smooth_labels(y, torch.tensor([0.0, 0.3], dtype=torch.float64))
    torch.testing.assert_close(smooth.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    assert torch.equal(smooth[0], y[0])
    torch.testing.assert_close(smooth[1].diagonal(), torch.full((3,), 0.8, dtype=torch.float64))


def test_refuses_numbers_as_targets() -> None:
    batch = Batch(torch.zeros(1, 4, 2), torch.zeros(1, 4, 0, dtype=torch.int64), torch.zeros(1, 4, 1), None)
    with pytest.raises(BadInput, match="must be classification"):
        LabelSmoothing().batch(batch, torch.tensor([1]))


def test_goodfellows_convention_is_another_amount() -> None:
    """1 - e for the label and e / (C - 1) for each other class, which is ours with e C / (C - 1)."""
    e, c = 0.15, 5
    y = torch.eye(c, dtype=torch.float64)
    goodfellow = torch.where(y == 1, 1 - e, e / (c - 1)).double()
    torch.testing.assert_close(smooth_labels(y, e * c / (c - 1)), goodfellow)
