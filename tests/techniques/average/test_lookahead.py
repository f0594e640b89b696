"""Against the paper's two loops around torch.optim; and the optimizer itself where alpha is 1."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from wellposed.techniques import Lookahead
from wellposed.techniques.places import Moment

X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = X.sin().sum(1, keepdim=True)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def optimizer_of(model: nn.Module, adam: bool) -> torch.optim.Optimizer:
    return Adam(model.parameters(), lr=0.05) if adam else SGD(model.parameters(), lr=0.1, momentum=0.9)


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    (model(X) - Y).square().mean().backward()
    optimizer.step()


def follow(technique: Lookahead, steps: int, adam: bool) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Slow and fast weights after some steps."""
    model = network()
    optimizer = optimizer_of(model, adam)
    fast = {name: p.detach()[None] for name, p in model.named_parameters()}  # views
    slow = {name: p.clone() for name, p in fast.items()}
    for number in range(1, steps + 1):
        step(model, optimizer)
        technique.average_(slow, fast, Moment(number, 1, steps))
    return slow, fast


@pytest.mark.parametrize("adam", [False, True])
def test_equals_the_papers_algorithm(adam: bool) -> None:
    k, alpha, outer = 4, 0.3, 5
    model = network()
    optimizer = optimizer_of(model, adam)
    phi = [p.detach().clone() for p in model.parameters()]
    for _ in range(outer):
        with torch.no_grad():
            for p, s in zip(model.parameters(), phi, strict=True):
                p.copy_(s)
        for _ in range(k):
            step(model, optimizer)
        phi = [s + alpha * (p.detach() - s) for p, s in zip(model.parameters(), phi, strict=True)]
    slow, fast = follow(Lookahead(alpha=alpha, every=k), outer * k, adam)
    for expected, name in zip(phi, slow, strict=True):
        torch.testing.assert_close(slow[name][0], expected, rtol=1e-12, atol=1e-12)
        assert torch.equal(slow[name], fast[name])


@pytest.mark.parametrize("adam", [False, True])
def test_an_alpha_of_one_is_the_optimizer_to_the_bit(adam: bool) -> None:
    model = network()
    optimizer = optimizer_of(model, adam)
    for _ in range(13):
        step(model, optimizer)
    _, fast = follow(Lookahead(alpha=1.0, every=5), 13, adam)
    for name, p in model.named_parameters():
        assert torch.equal(fast[name][0], p.detach())


def test_between_meetings_nothing_is_touched_and_members_differ() -> None:
    slow, fast = {"w": torch.zeros(2, 3)}, {"w": torch.ones(2, 3)}
    rule = Lookahead(every=3).bound({"alpha": torch.tensor([0.25, 0.75])})
    for number in (1, 2):
        rule.average_(slow, fast, Moment(number, 1, 3))
        assert (slow["w"] == 0).all() and (fast["w"] == 1).all()
    rule.average_(slow, fast, Moment(3, 1, 3))
    assert slow["w"][:, 0].tolist() == fast["w"][:, 0].tolist() == [0.25, 0.75]
    assert not rule.refreshes
