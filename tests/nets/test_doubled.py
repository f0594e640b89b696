"""Twin branches in every net that has residual blocks: by hand, stacked, and with layers that know their depth."""

import pytest
import torch
from tests.nets.helpers import Faded, compare_all
from torch import nn

from wellposed.nets.doubled import Doubled
from wellposed.nets.mlp import MLP, Residual
from wellposed.nets.net import Inputs, number_layers, unplaced
from wellposed.nets.resnet import ResNet
from wellposed.nets.transformer import Transformer
from wellposed.techniques import BatchNorm, Dropout, LayerNorm, ShakeDrop, ShakeShake

X = torch.randn(9, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def doubled_in(network: nn.Module) -> list[Doubled]:
    return [module for module in network.modules() if isinstance(module, Doubled)]


def test_the_layer_gets_the_difference_and_its_output_is_added_to_the_second() -> None:
    one, other, share = (nn.Linear(5, 5).double() for _ in range(3))
    torch.testing.assert_close(Doubled(one, other, share)(X), other(X) + share(one(X) - other(X)))


@pytest.mark.parametrize("block", [1, 2])
def test_blocks_of_the_mlp_have_two_branches_with_weights_of_their_own(block: int) -> None:
    """The network by hand, as it answers: the mean of both branches."""
    net = MLP(widths=(5,) * 4, activation="tanh", residual=True, block=block).build(Inputs((5,)), 2, [ShakeShake()])
    net.double().eval()
    assert len(doubled_in(net)) == 4 // block
    h = X
    for residual in (m for m in net if isinstance(m, Residual)):
        (twins,) = residual.block
        change = (twins.one(h) + twins.other(h)) / 2
        h = h + change if block == 1 else torch.tanh(h + change)
    torch.testing.assert_close(net(X), net[-1](h), rtol=1e-12, atol=1e-12)
    for twins in doubled_in(net):
        ones, others = list(twins.one.parameters()), list(twins.other.parameters())
        assert [p.shape for p in ones] == [p.shape for p in others] and ones
        assert not any(p is q for p in ones for q in others)


def test_stacked_it_is_a_loop_over_members() -> None:
    compare_all(
        MLP(widths=(5,) * 4, residual=True, block=2)
        .build(Inputs((5,)), 3, [BatchNorm(), ShakeShake(), Faded()])
        .double()
        .eval(),
        Inputs((5,)),
    )
    images = Inputs((2, 8, 7))
    compare_all(ResNet(channels=(2, 3)).build(images, 3, [LayerNorm(), ShakeShake()]).double().eval(), images)


def test_other_techniques_stand_behind_the_mixture() -> None:
    net = MLP(widths=(5,) * 4, residual=True, block=2).build(Inputs((5,)), 2, [ShakeDrop(), ShakeShake(), Faded()])
    for residual in (m for m in net if isinstance(m, Residual)):
        assert [type(m).__name__ for m in residual.block] == ["Doubled", "StackedShakeDrop", "StackedFaded"]


def test_what_finds_no_room_is_known() -> None:
    """A second pair of branches, and branches in a net without residual blocks, or in attention."""
    layers = [ShakeShake(), ShakeShake()]
    assert unplaced(MLP(widths=(5, 5), residual=True).build(Inputs((5,)), 2, layers), layers) == layers[1:]
    for net, inputs in ((MLP(), Inputs((5,))), (Transformer(blocks=1), Inputs((6, 3)))):
        assert unplaced(net.build(inputs, 2, layers[:1]), layers[:1]) == layers[:1]


def test_layers_of_twin_branches_are_equally_deep() -> None:
    dropout, norm = Dropout(), BatchNorm()
    net = MLP(widths=(7, 5, 5, 5, 5), residual=True, block=2).build(Inputs((4,)), 2, [norm, dropout, ShakeShake()])
    number_layers(net)
    found: dict[str, list[tuple[int, int]]] = {"StackedDropout": [], "StackedBatchNorm": []}
    for module in net.modules():
        if type(module).__name__ in found:
            found[type(module).__name__].append(module.position)
    # 7 and 5 stand alone, 5 5 is a block of one inner layer and one before the sum, the last stands alone
    assert found["StackedDropout"] == [(1, 5), (2, 5), (3, 5), (3, 5), (4, 5), (5, 5)]
    assert found["StackedBatchNorm"] == [(1, 5), (2, 5), (3, 5), (4, 5), (3, 5), (4, 5), (5, 5)]
