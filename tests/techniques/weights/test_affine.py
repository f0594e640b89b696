"""Which affine layers there are, in which order they are called, and that nothing of a visit stays behind."""

import torch
from torch import nn

from wellposed.techniques import Dropout
from wellposed.techniques.places import Batch, Start
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.weights.affine import affine_layers, find_last, inputs_of, load_member_, visit_affine


class Backwards(nn.Module):
    """Layers that are called in another order than registered, one of them twice and one never."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(3, 2)
        self.into = nn.Linear(4, 3)
        self.unused = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        first: torch.Tensor = self.into(x)
        self.into(x + 1)
        last: torch.Tensor = self.out(first)
        return last + codes.sum()


def batch(codes: int = 2) -> Batch:
    return Batch(torch.ones(2, 5, 4), torch.ones(2, 5, codes, dtype=torch.int64), torch.zeros(2, 5, 2), None)


def test_layers_of_all_kinds_are_found() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 1, 1), nn.Sequential(nn.ConvTranspose1d(1, 1, 1)), nn.BatchNorm1d(1), nn.Linear(1, 1)
    )
    assert list(affine_layers(net)) == ["0", "1.0", "3"]
    assert list(affine_layers(nn.Linear(1, 1))) == [""]


def test_layers_are_visited_in_the_order_of_their_first_calls() -> None:
    seen: list[str] = []
    visit_affine(Backwards(), inputs_of(batch(), 0), lambda path, *_: seen.append(path))
    assert seen == ["into", "out"]
    assert find_last(Start(Backwards(), {}, batch(), torch.ones(2))) == "out"
    assert find_last(Start(nn.Flatten(), {}, batch(codes=0), torch.ones(2))) == ""


def test_an_answer_is_replaced_and_nothing_stays_behind() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 2)).train()
    net[2].eval()
    given: list[torch.Tensor] = []

    def visit(_: str, __: nn.Module, inputs: tuple[torch.Tensor, ...], answer: torch.Tensor) -> torch.Tensor:
        given.append(inputs[0])
        return torch.full_like(answer, 7.0)

    visit_affine(net, (torch.ones(5, 4),), visit)
    assert torch.equal(given[1], torch.full((5, 3), 7.0))
    assert [m.training for m in net.modules()] == [True, True, True, False]
    assert not any(m._forward_hooks for m in net.modules())


def test_a_member_brings_parameters_buffers_and_strengths() -> None:
    dropout = Dropout(rate=0.5).layer((3,))
    assert isinstance(dropout, StackedModule)
    dropout.technique = Dropout(rate=0.5)
    net = nn.Sequential(nn.Linear(4, 3), dropout, nn.BatchNorm1d(3))
    net[0].bias.requires_grad_(False)
    parameters = {n: torch.stack([p + 1, p + 2]) for n, p in net.named_parameters() if p.requires_grad}
    expected = parameters["0.weight"][1].clone()
    buffers = {
        "0.bias": torch.tensor([[1.0] * 3, [2.0] * 3]),
        "2.running_mean": torch.tensor([[3.0] * 3, [4.0] * 3]),
        "1.rate": torch.tensor([0.25, 0.75]),
    }
    load_member_(net, parameters, Start(net, buffers, batch(), torch.ones(2)), 1)
    assert torch.equal(net[0].weight, expected)
    assert net[0].bias.tolist() == [2, 2, 2]
    assert net[2].running_mean.tolist() == [4, 4, 4]
    assert dropout.technique == Dropout(rate=0.75)
