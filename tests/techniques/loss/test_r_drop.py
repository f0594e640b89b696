"""Against torch.nn.functional.kl_div, and the authors' objective under the masks of both passes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wellposed.techniques import RDrop
from wellposed.techniques.loss.r_drop import disagreement
from wellposed.techniques.places import Answers, Batch

KEY = torch.tensor([1, 2])


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def asked(one: Tensor, other: Tensor, weight: Tensor | None = None) -> Answers:
    none = torch.zeros(*one.shape[:2], 0, dtype=torch.int64)
    batch, loss = Batch(one.detach(), none, one.detach(), weight), one.mean((1, 2))
    return Answers(one, batch, {1: other}.__getitem__, loss, lambda x: loss)


def both_ways(one: Tensor, other: Tensor) -> Tensor:
    """Mean of PyTorch's two divergences, row by row."""
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    each = [F.kl_div(a, b, reduction="none", log_target=True) for a, b in ((p, q), (q, p))]
    return torch.stack(each).sum(-1).mean(0)


def test_equals_pytorchs_divergences_and_their_gradients() -> None:
    """Of both passes: neither is held fixed."""
    ours = [drawn(2, 5, 4, seed=s).requires_grad_() for s in (0, 1)]
    theirs = [drawn(2, 5, 4, seed=s).requires_grad_() for s in (0, 1)]
    amount = torch.tensor([0.1, 5.0], dtype=torch.float64)
    penalty = RDrop().bound({"amount": amount}).penalize(asked(*ours), KEY)
    expected = amount * both_ways(*theirs).mean(1)
    torch.testing.assert_close(penalty, expected, rtol=1e-10, atol=0)
    penalty.sum().backward()
    expected.sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-10, atol=1e-12)


def test_the_objective_is_the_authors_but_for_which_answers_loss_counts() -> None:
    """Theirs averages the losses of both answers; exchanging the two passes, ours has the same mean."""
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 4).double(), drawn(2, 5, 3), torch.randint(4, (2, 5))
    passes = [model(F.dropout(x, 0.5)) for _ in range(2)]
    losses = [F.cross_entropy(p.flatten(0, 1), y.flatten()) for p in passes]
    theirs = 0.5 * (losses[0] + losses[1]) + 2.0 * both_ways(*passes).mean()
    penalties = [RDrop(amount=2.0).penalize(asked(*pair), KEY).mean() for pair in (passes, passes[::-1])]
    ours = [loss + penalty for loss, penalty in zip(losses, penalties, strict=True)]
    torch.testing.assert_close(0.5 * (ours[0] + ours[1]), theirs, rtol=1e-10, atol=0)


def test_of_numbers_it_is_the_squared_difference() -> None:
    one, other = drawn(2, 5, 1), drawn(2, 5, 1, seed=1)
    expected = torch.stack([F.mse_loss(a, b) for a, b in zip(one, other, strict=True)])
    torch.testing.assert_close(RDrop(amount=1.0).penalize(asked(one, other), KEY), expected, rtol=1e-12, atol=0)


def test_rows_weigh_as_they_should() -> None:
    one, other = drawn(2, 3, 4), drawn(2, 3, 4, seed=1)
    weight = torch.tensor([[1.0, 2.0, 0.0]] * 2, dtype=torch.float64)
    expected = (both_ways(one, other) * weight).sum(1) / 3
    found = RDrop(amount=1.0).penalize(asked(one, other, weight), KEY)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


def test_answers_that_agree_pay_nothing() -> None:
    one = drawn(2, 5, 4)
    assert not disagreement(one, one).any()
    torch.testing.assert_close(disagreement(one, one + 7), torch.zeros(2, 5, dtype=torch.float64), rtol=0, atol=1e-12)
