"""A layer written over stacked tensors is, alone, a population of one."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Strength, Technique, spread, strength


@dataclass(frozen=True, kw_only=True)
class Toy(Technique):
    size: Strength = strength(2.0, valid=(0.0, 9.0), search=(1.0, 2.0))


class Scale(StackedModule):
    """Multiply by a parameter, a buffer and a strength; count the calls in the buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.technique = Toy()
        self.weight = nn.Parameter(torch.tensor([1.0, 3.0]))
        self.register_buffer("calls", torch.zeros(()))

    def stacked(self, tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        tensors["calls"].add_(1)
        return x * tensors["weight"].unsqueeze(1) * spread(self.strength(tensors, "size"), x)


def test_forward_is_the_case_of_one_member() -> None:
    layer = Scale()
    x = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    torch.testing.assert_close(layer(x).detach(), x * torch.tensor([2.0, 6.0]))


def test_a_change_of_a_buffer_reaches_the_layer() -> None:
    layer = Scale()
    layer(torch.ones(1, 2))
    layer(torch.ones(1, 2))
    assert layer.calls == 2


def test_gradients_reach_the_parameter() -> None:
    layer = Scale()
    layer(torch.tensor([[5.0, 7.0]])).sum().backward()
    torch.testing.assert_close(layer.weight.grad, torch.tensor([10.0, 14.0]))


def test_members_may_differ_in_a_strength() -> None:
    layer, x = Scale(), torch.ones(2, 1, 2)
    tensors = {"weight": torch.ones(2, 2), "calls": torch.zeros(2), "size": torch.tensor([1.0, 4.0])}
    torch.testing.assert_close(layer.stacked(tensors, x), torch.tensor([[[1.0, 1.0]], [[4.0, 4.0]]]))


def test_names_all_that_it_may_be_given() -> None:
    assert sorted(Scale().tensor_names()) == ["calls", "size", "weight"]
