"""The multilayer perceptron: its outputs are those of networks written by hand with the same weights."""

from collections.abc import Callable

import pytest
import torch
from tests.nets.helpers import Faded, Scaled, compare_all, draw_inputs
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.nets.mlp import MLP, Embedded, Residual, Tabular, Unrolled
from wellposed.nets.net import Inputs, unplaced
from wellposed.techniques import BatchNorm, Dropout, LayerNorm

TIGHT = {"rtol": 1e-12, "atol": 1e-12}
"""Float64; the products are the same, only the order of sums may differ."""


def drawn(module: nn.Module) -> nn.Module:
    """The module with random weights in float64."""
    generator = torch.Generator().manual_seed(0)
    module.double()
    for p in module.parameters():
        p.data.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return module


def affine(x: Tensor, p: dict[str, Tensor], name: str) -> Tensor:
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


X = torch.randn(9, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_outputs_are_those_of_the_formula() -> None:
    net = drawn(MLP(widths=(4, 3), activation="tanh").build(Inputs((5,)), 2, ()))
    p = dict(net.named_parameters())
    expected = affine(torch.tanh(affine(torch.tanh(affine(X, p, "0")), p, "2")), p, "4")
    torch.testing.assert_close(net(X), expected, **TIGHT)


def test_without_hidden_layers_it_is_a_linear_model() -> None:
    net = drawn(MLP(widths=()).build(Inputs((5,)), 2, [BatchNorm(), Dropout()]))
    torch.testing.assert_close(net(X), affine(X, dict(net.named_parameters()), "0"), **TIGHT)


def test_inputs_of_layers_of_equal_width_are_added() -> None:
    net = drawn(MLP(widths=(5, 4, 4), activation="sigmoid", residual=True).build(Inputs((5,)), 1, ()))
    p = dict(net.named_parameters())
    assert [type(m).__name__ for m in net] == ["Residual", "Linear", "Sigmoid", "Residual", "Linear"]
    h = X + torch.sigmoid(affine(X, p, "0.block.0"))
    h = torch.sigmoid(affine(h, p, "1"))
    h = h + torch.sigmoid(affine(h, p, "3.block.0"))
    torch.testing.assert_close(net(X), affine(h, p, "4"), **TIGHT)


def test_blocks_of_two_layers_add_before_the_last_activation() -> None:
    """Five layers of 4 behind an input of 5: one that leads in, two blocks; the inner width of a block is free."""
    net = drawn(MLP(widths=(4, 4, 4, 3, 4), activation="tanh", residual=True, block=2).build(Inputs((5,)), 1, ()))
    p = dict(net.named_parameters())
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh", "Residual", "Tanh", "Residual", "Tanh", "Linear"]
    h = torch.tanh(affine(X, p, "0"))
    for name in ("2", "4"):
        h = torch.tanh(h + affine(torch.tanh(affine(h, p, f"{name}.block.0")), p, f"{name}.block.2"))
    torch.testing.assert_close(net(X), affine(h, p, "6"), **TIGHT)


def test_layers_that_fill_no_block_stand_alone() -> None:
    net = MLP(widths=(5, 5, 5, 4), residual=True, block=3).build(Inputs((5,)), 1, ())
    assert [type(m).__name__ for m in net] == ["Residual", "ReLU", "Linear", "ReLU", "Linear"]
    net = MLP(widths=(5, 5, 4), residual=True, block=3).build(Inputs((5,)), 1, ())
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU"] * 3 + ["Linear"]


@pytest.mark.parametrize(("block", "n_blocks"), [(1, 4), (2, 2)])
def test_techniques_find_their_room_in_blocks(block: int, n_blocks: int) -> None:
    layers = [BatchNorm(), Dropout(), Faded(), Scaled(power=2)]
    net = MLP(widths=(5, 5, 5, 5), residual=True, block=block).build(Inputs((5,)), 2, layers)
    assert unplaced(net, layers) == []
    residuals = [m for m in net if isinstance(m, Residual)]
    assert [m.block[-1].depth for m in residuals] == [(i + 1) / n_blocks for i in range(n_blocks)]
    names = [type(m).__name__ for m in net.modules()]
    counts = [names.count(n) for n in ("Reweighted", "StackedBatchNorm", "StackedDropout")]
    assert counts == [5, 4, 4]
    compare_all(net.double().eval(), Inputs((5,)))


def test_without_residual_blocks_branches_find_no_room() -> None:
    layers = [Faded()]
    assert unplaced(MLP().build(Inputs((5,)), 2, layers), layers) == layers


def test_norms_and_dropout_act_in_each_hidden_layer() -> None:
    net = drawn(MLP(widths=(4, 4)).build(Inputs((5,)), 2, [LayerNorm(), Dropout(rate=0.5)])).eval()
    p = dict(net.named_parameters())
    h = X
    for name, norm in (("0", "1"), ("4", "5")):
        h = affine(h, p, name)
        mean, variance = h.mean(1, keepdim=True), h.var(1, keepdim=True, unbiased=False)
        h = ((h - mean) / (variance + 1e-5).sqrt() * p[f"{norm}.weight"] + p[f"{norm}.bias"]).clamp_min(0)
    torch.testing.assert_close(net(X), affine(h, p, "8"), **TIGHT)


def test_categories_are_looked_up_and_stand_behind_the_numbers() -> None:
    net = drawn(MLP(widths=(6,)).build(Inputs((5,), (3, 10)), 2, ()))
    p, codes = dict(net.named_parameters()), torch.randint(0, 3, (9, 2), generator=torch.Generator().manual_seed(2))
    x = torch.cat([X, p["embedded.tables.0.weight"][codes[:, 0]], p["embedded.tables.1.weight"][codes[:, 1]]], dim=1)
    expected = affine(affine(x, p, "body.0").clamp_min(0), p, "body.2")
    assert isinstance(net, Tabular)
    torch.testing.assert_close(net(X, codes), expected, **TIGHT)


@pytest.mark.parametrize(("codes", "width"), [(2, 2), (10, 6), (100, 21), (400, 46), (1000, 50), (10**6, 50)])
def test_widths_of_embeddings_follow_the_rule_of_thumb(codes: int, width: int) -> None:
    with torch.device("meta"):
        embedded = Embedded([codes])
    assert embedded.width == embedded.tables[0].weight.shape[1] == width


def test_tables_of_categories_alone_need_no_numbers() -> None:
    net = drawn(MLP(widths=(4,)).build(Inputs((0,), (3,)), 2, ()))
    assert net(torch.zeros(2, 0, dtype=torch.float64), torch.tensor([[0], [2]])).shape == (2, 2)


def test_images_are_flattened_row_by_row() -> None:
    net = drawn(MLP(widths=(4,)).build(Inputs((2, 3, 3)), 2, ()))
    x = torch.randn(7, 2, 3, 3, dtype=torch.float64)
    p = dict(net.named_parameters())
    torch.testing.assert_close(net(x), affine(affine(x.reshape(7, 18), p, "1").clamp_min(0), p, "3"), **TIGHT)


def test_sequences_are_unrolled_with_nothing_behind_their_end() -> None:
    inputs = Inputs((6, 3))
    net = drawn(MLP(widths=(4,)).build(inputs, 2, ()))
    assert isinstance(net, Unrolled)
    p, (x, codes) = dict(net.named_parameters()), (t[0] for t in draw_inputs(inputs, 1))
    flat = torch.stack([torch.cat((row[:n].flatten(), row.new_zeros(18 - 3 * n))) for row, n in zip(x, codes[:, 0])])  # noqa: B905
    spoiled = torch.where((torch.arange(6) < codes).unsqueeze(-1), x, torch.nan)
    expected = affine(affine(flat, p, "body.1").clamp_min(0), p, "body.3")
    torch.testing.assert_close(net(spoiled, codes), expected, **TIGHT)
    compare_all(net, inputs)


def test_a_shortcut_may_change_the_shape() -> None:
    block = drawn(Residual(nn.Linear(5, 2), nn.Linear(5, 2)))
    p = dict(block.named_parameters())
    torch.testing.assert_close(block(X), affine(X, p, "block") + affine(X, p, "shortcut"), **TIGHT)


def test_a_residual_adds_its_input() -> None:
    block = Residual(nn.Tanh())
    torch.testing.assert_close(block(X), X + X.tanh(), **TIGHT)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(widths=(8, 0)), "MLP.widths must be a tuple of positive whole numbers. Got (8, 0)."),
        (lambda: MLP(widths=[8]), "MLP.widths must be a tuple of positive whole numbers. Got [8]."),
        (lambda: MLP(activation="relu6"), "MLP.activation must name an activation. Got 'relu6'. Did you mean 'relu'?"),
        (lambda: MLP(residual=1), "MLP.residual must be true or false. Got 1."),
        (lambda: MLP(residual=True, block=0), "MLP.block must be a positive whole number. Got 0."),
        (lambda: MLP(block=2), "MLP.block must be 1 without residual blocks. Got 2. Set residual to true."),
        (
            lambda: MLP().build(Inputs((0,), vocabulary=9), 2, ()),
            "The input of MLP must be numbers, categories, images or sequences. Got 'texts'. "
            "Use the net BagOfWords, Recurrent or Transformer.",
        ),
    ],
)
def test_what_no_network_can_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        make()
    assert str(error.value) == message
