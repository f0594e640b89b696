"""The residual network: its outputs are those of a network written by hand with the same weights."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tests.nets.helpers import Faded, Scaled, compare_all, learns
from tests.nets.test_mlp import drawn
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.nets.net import Inputs, unplaced
from wellposed.nets.resnet import ResNet
from wellposed.techniques import BatchNorm, Dropout, LayerNorm

IMAGES = Inputs((3, 13, 9))
SMALL = ResNet(channels=(4, 6), blocks=2)


class Block(nn.Module):
    """A basic block of He et al."""

    def __init__(self, size: int, n: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(size, n, 3, stride=stride, padding=1), nn.BatchNorm2d(n)
        self.conv2, self.norm2 = nn.Conv2d(n, n, 3, padding=1), nn.BatchNorm2d(n)
        changes = stride > 1 or size != n
        self.down = nn.Sequential(nn.Conv2d(size, n, 1, stride=stride), nn.BatchNorm2d(n)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.down(x) + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.BatchNorm2d(4)
        self.blocks = nn.Sequential(Block(4, 4, 1), Block(4, 4, 1), Block(4, 6, 2), Block(6, 6, 1))
        self.last = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.blocks(F.relu(self.norm(self.stem(x)))).mean((2, 3)))


@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_are_those_of_a_network_by_hand(training: bool) -> None:
    ours, theirs = drawn(SMALL.build(IMAGES, 2, [BatchNorm()])).train(training), ByHand().double().train(training)
    wanted = [n for n in theirs.state_dict() if not n.endswith("num_batches_tracked")]
    theirs.load_state_dict(dict(zip(wanted, ours.state_dict().values(), strict=True)), strict=False)
    x = torch.randn(5, 3, 13, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-9, atol=1e-9)
    ours(x).sin().sum().backward()
    theirs(x).sin().sum().backward()
    found = [p.grad for p in ours.parameters()]
    torch.testing.assert_close(found, [p.grad for p in theirs.parameters()], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("widths", [(), (5,)])
def test_stacked_it_is_a_loop_over_members(widths: tuple[int, ...]) -> None:
    inputs = Inputs((2, 8, 7))
    sizes = ResNet(channels=(2, 3), widths=widths, activation="prelu")
    compare_all(sizes.build(inputs, 3, [Scaled(power=2), LayerNorm(), Faded()]).double(), inputs)
    compare_all(sizes.build(inputs, 3, [BatchNorm()]).double(), inputs)


def test_techniques_find_their_room() -> None:
    layers = [BatchNorm(), Dropout(), Faded(), Scaled()]
    net = SMALL.build(IMAGES, 2, layers)
    assert unplaced(net, layers) == []
    names = [type(m).__name__ for m in net.modules()]
    assert (names.count("StackedBatchNorm"), names.count("StackedDropout"), names.count("Reweighted")) == (10, 1, 11)
    assert [m.depth for m in net.modules() if type(m).__name__ == "StackedFaded"] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("size", [1, 2, 5, 28])
def test_images_of_every_size_fit(size: int) -> None:
    net = ResNet(channels=(2, 3, 2)).build(Inputs((1, size, size + 1)), 4, ())
    assert net(torch.zeros(2, 1, size, size + 1)).shape == (2, 4)


def test_it_learns_where_it_is_bright() -> None:
    """Whether a bar lies or stands; from a loss near log 2 to below 0.1."""
    y = torch.arange(32).expand(2, 32) % 2
    x = torch.zeros(2, 32, 1, 8, 8)
    for i in range(32):
        at = i // 2 % 8
        x[:, i, 0, at] += (i % 2 == 0) * 1.0
        x[:, i, 0, :, at] += (i % 2) * 1.0
    net = ResNet(channels=(4,)).build(Inputs((1, 8, 8)), 2, [BatchNorm()])
    first, last = learns(net, (x,), y, steps=100, rate=0.1)
    assert first > 0.4 and last < 0.1


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: ResNet(channels=()), "ResNet.channels must name at least one stage. Got ()."),
    (lambda: ResNet(blocks=0), "ResNet.blocks must be a positive whole number. Got 0."),
    (
        lambda: ResNet().build(Inputs((5, 4)), 2, ()),
        "The input of ResNet must be images (C, H, W). Got (5, 4). Use the net Recurrent.",
    ),
    (
        lambda: ResNet().build(Inputs((0,), vocabulary=5), 2, ()),
        "The input of ResNet must be images (C, H, W). Got 'texts'. Use the net BagOfWords, Recurrent or Transformer.",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[m[:40] for _, m in BAD])
def test_what_no_network_can_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        make()
    assert str(error.value) == message
