"""The convolutional network: its outputs are those of a network written by hand with the same weights."""

from collections.abc import Callable

import pytest
import torch
from tests.nets.helpers import Scaled, compare_all
from tests.nets.test_mlp import TIGHT, drawn
from torch import nn

from wellposed.errors import BadInput
from wellposed.nets.cnn import CNN
from wellposed.nets.net import Inputs, unplaced
from wellposed.techniques import BatchNorm, Dropout


class ByHand(nn.Module):
    """Two halvings and a dense layer, for images of 3 x 13 x 9."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, kernel_size=5, stride=2, padding=2)
        self.first_norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, kernel_size=3, padding=1)
        self.second_norm = nn.BatchNorm2d(6)
        self.dense = nn.Linear(6 * 3 * 2, 8)
        self.dense_norm = nn.BatchNorm1d(8)
        self.last = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first_norm(self.first(x)))
        x = nn.functional.max_pool2d(torch.relu(self.second_norm(self.second(x))), 2)  # rising, so they commute
        return self.last(torch.relu(self.dense_norm(self.dense(x.flatten(1)))))


def test_outputs_and_gradients_are_those_of_a_network_by_hand() -> None:
    """With norms; the pool stands before them, so their running statistics are of pooled images: in training mode the
    pooled network differs, and answers are compared."""
    net = drawn(CNN(channels=(4, 6), widths=(8,)).build(Inputs((3, 13, 9)), 2, [BatchNorm(), Dropout()])).eval()
    theirs = ByHand().double().eval()
    ours = {n: t for n, t in net.state_dict().items() if not n.endswith("key")}
    wanted = [n for n in theirs.state_dict() if not n.endswith("num_batches_tracked")]
    theirs.load_state_dict(dict(zip(wanted, ours.values(), strict=True)), strict=False)
    with torch.no_grad():  # a rising activation commutes with the maximum only if the norm before it rises, too
        for module in (net[1], net[4], theirs.first_norm, theirs.second_norm):
            module.weight.abs_()
    x = torch.randn(5, 3, 13, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(net(x), theirs(x), **TIGHT)
    net(x).square().sum().backward()
    theirs(x).square().sum().backward()
    found = [p.grad for p in net.parameters()]
    torch.testing.assert_close(found, [p.grad for p in theirs.parameters()], rtol=1e-9, atol=1e-9)


def test_norms_act_everywhere_and_dropout_in_dense_layers_alone() -> None:
    net = CNN(channels=(4, 6), widths=(8,)).build(Inputs((1, 8, 8)), 2, [Dropout(), BatchNorm()])
    assert [type(m).__name__ for m in net] == [
        "Conv2d", "StackedBatchNorm", "ReLU", "Sequential", "StackedBatchNorm", "ReLU", "Flatten",
        "Linear", "StackedBatchNorm", "ReLU", "StackedDropout", "Linear",
    ]  # fmt: skip


def test_parametrizations_act_on_every_weight() -> None:
    layers, inputs = [Scaled(power=2)], Inputs((1, 8, 8))
    net = CNN(channels=(2, 3), widths=(4,)).build(inputs, 2, layers)
    assert unplaced(net, layers) == []
    assert [type(m).__name__ for m in net.modules()].count("Reweighted") == 4
    compare_all(net.double(), inputs)


def test_without_dense_layers_dropout_finds_no_room() -> None:
    layers = [Dropout(), BatchNorm()]
    assert unplaced(CNN(widths=()).build(Inputs((1, 8, 8)), 2, layers), layers) == layers[:1]


@pytest.mark.parametrize("size", [4, 5, 6, 7, 28, 29])
@pytest.mark.parametrize("widths", [(), (3,)])
def test_every_size_that_is_not_refused_fits(size: int, widths: tuple[int, ...]) -> None:
    net = CNN(channels=(2, 3), widths=widths, activation="elu").build(Inputs((1, size, size + 1)), 4, ())
    assert net(torch.zeros(2, 1, size, size + 1)).shape == (2, 4)


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: CNN(channels=()), "CNN.channels must name at least one convolution. Got ()."),
    (lambda: CNN(channels=(4, 0)), "CNN.channels must be a tuple of positive whole numbers. Got (4, 0)."),
    (lambda: CNN(widths=(-1,)), "CNN.widths must be a tuple of positive whole numbers. Got (-1,)."),
    (
        lambda: CNN().build(Inputs((5,)), 2, ()),
        "The input of CNN must be images (C, H, W). Got (5,). Use the net MLP for tables.",
    ),
    (
        lambda: CNN().build(Inputs((0,), vocabulary=5), 2, ()),
        "The input of CNN must be images (C, H, W). Got 'texts'. Use the net BagOfWords, Recurrent or Transformer.",
    ),
    (
        lambda: CNN().build(Inputs((1, 3, 28)), 2, ()),
        "Images for this CNN must be at least 4 pixels wide and high for 2 halvings. Got (3, 28). "
        "Give fewer channels, or the net MLP.",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[m[:40] for _, m in BAD])
def test_what_no_network_can_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        make()
    assert str(error.value) == message
