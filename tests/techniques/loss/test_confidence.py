"""Against the entropies of torch.distributions."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical

from wellposed.errors import BadInput
from wellposed.techniques import ConfidencePenalty
from wellposed.techniques.loss.confidence import entropies
from wellposed.techniques.places import Answers, Batch

KEY = torch.tensor([1, 2])


def asked(outputs: Tensor, weight: Tensor | None = None) -> Answers:
    none = torch.zeros(*outputs.shape[:2], 0, dtype=torch.int64)
    loss = outputs.mean((1, 2))
    return Answers(outputs, Batch(outputs, none, outputs, weight), lambda draw: outputs, loss, lambda x: loss)


def drawn(*shape: int) -> Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_equals_pytorchs_entropies_and_their_gradient() -> None:
    ours, theirs = drawn(2, 5, 4).requires_grad_(), drawn(2, 5, 4).requires_grad_()
    amount = torch.tensor([0.1, 0.5], dtype=torch.float64)
    penalty = ConfidencePenalty().bound({"amount": amount}).penalize(asked(ours), KEY)
    expected = -amount * Categorical(logits=theirs).entropy().mean(1)
    torch.testing.assert_close(penalty, expected, rtol=1e-10, atol=0)
    penalty.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)


def test_rows_weigh_as_they_should() -> None:
    outputs, weight = drawn(2, 3, 4), torch.tensor([[1.0, 2.0, 0.0]] * 2, dtype=torch.float64)
    expected = -0.1 * (Categorical(logits=outputs).entropy() * weight).sum(1) / 3
    torch.testing.assert_close(ConfidencePenalty().penalize(asked(outputs, weight), KEY), expected, rtol=1e-10, atol=0)


def test_certain_answers_have_entropy_0_and_slope_0() -> None:
    logits = torch.tensor([[500.0, 0.0]], requires_grad=True)
    entropies(logits).sum().backward()
    assert entropies(logits).item() == 0
    assert torch.equal(logits.grad, torch.zeros(1, 2))


def test_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match=r"must be logits of two classes or more\. Got 1\."):
        ConfidencePenalty().penalize(asked(drawn(2, 5, 1)), KEY)
