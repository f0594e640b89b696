"""Against torch.func.jacrev, exactly and in the mean over directions; and its gradient against jacrev's, too."""

import math

import pytest
import torch
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import JacobianPenalty
from wellposed.techniques.loss.jacobian import square_jacobian
from wellposed.techniques.places import Answers, Batch

KEYS = make_key(torch.arange(2), step=1, place="jacobian")


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def rows(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def asked(model: nn.Module, x: Tensor, weight: Tensor | None = None) -> Answers:
    """What a model says of two members' rows."""
    x = x.requires_grad_()
    outputs = torch.stack([model(x[0]), model(x[1])])
    empty, loss = torch.zeros(*x.shape[:2], 0, dtype=torch.int64), outputs.mean((1, 2))
    batch = Batch(x, empty, torch.zeros_like(outputs), weight)
    return Answers(outputs, batch, lambda draw: outputs, loss, lambda x: loss)


def squares(model: nn.Module, x: Tensor) -> Tensor:
    """By torch.func, row by row."""
    slopes = torch.func.vmap(torch.func.jacrev(lambda row: model(row[None])[0]))(x.flatten(0, 1))
    return slopes.flatten(1).square().sum(1).view(x.shape[:2])


@pytest.mark.parametrize("shape", [(6,), (2, 3, 1)], ids=["numbers", "images"])
def test_exactly_it_is_the_norm_of_jacrev(shape: tuple[int, ...]) -> None:
    model, x = net(), rows(2, 4, *shape)
    answers = asked(model, x.clone())
    penalty = JacobianPenalty(projections=0, amount=0.3).penalize(answers, KEYS)
    torch.testing.assert_close(penalty, 0.15 * squares(model, x).mean(1), rtol=1e-10, atol=0)


def test_gradients_for_the_weights_are_those_of_jacrev() -> None:
    ours, theirs, x = net(), net(), rows(2, 4, 6)
    JacobianPenalty(projections=0, amount=2.0).penalize(asked(ours, x.clone()), KEYS).sum().backward()
    squares(theirs, x).mean(1).sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        if other.grad is None or mine.grad is None:  # the last bias, on which no slope depends
            assert mine.grad is None or not mine.grad.any()
            assert other.grad is None or not other.grad.any()
        else:
            torch.testing.assert_close(mine.grad, other.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("projections", [1, 3])
def test_in_the_mean_over_directions_it_is_exact(projections: int) -> None:
    """Over 4000 draws, within 6 standard errors: one false alarm in 5e8 a number."""
    model, x = net(), rows(1, 4000, 6)[:, :1].expand(1, 4000, 6).clone().requires_grad_()
    found = square_jacobian(model(x[0])[None], x, projections=projections, key=KEYS[:1])[0].detach()
    exact = squares(model, x.detach()[:, :1])[0, 0].detach()
    assert found.std() > 0
    assert abs(found.mean() - exact) < 6 * found.std() / math.sqrt(4000)


def test_of_one_output_a_direction_is_exact() -> None:
    model, x = nn.Sequential(net(), nn.Linear(3, 1).double()), rows(2, 4, 6)
    answers = asked(model, x.clone())
    for projections in (0, 1, 2):
        penalty = JacobianPenalty(projections=projections, amount=2.0).penalize(answers, KEYS)
        torch.testing.assert_close(penalty, squares(model, x).mean(1), rtol=1e-10, atol=0)


def test_rows_weigh_as_they_should() -> None:
    model, x, weight = net(), rows(2, 4, 6), torch.tensor([[1.0, 2.0, 0.0, 1.0]] * 2, dtype=torch.float64)
    penalty = JacobianPenalty(projections=0, amount=2.0).penalize(asked(model, x.clone(), weight), KEYS)
    torch.testing.assert_close(penalty, (squares(model, x) * weight).sum(1) / 4, rtol=1e-10, atol=0)


def test_texts_are_refused() -> None:
    empty = Batch(torch.zeros(1, 4, 0), torch.ones(1, 4, 3, dtype=torch.int64), torch.zeros(1, 4, 2), None)
    with pytest.raises(BadInput, match=r"must be numbers\. Got 'none'\. Leave it out for texts and categories\.$"):
        JacobianPenalty().penalize(
            Answers(torch.zeros(1, 4, 2), empty, lambda draw: empty.x, torch.zeros(1), torch.sum), KEYS[:1]
        )
