"""The recurrent network against PyTorch's layers and a network by hand, on sequences and on texts."""

from collections.abc import Callable

import pytest
import torch
from tests.nets.helpers import Scaled, compare_all, draw_inputs, learns
from tests.nets.test_mlp import TIGHT, drawn
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.nets.net import Inputs, unplaced
from wellposed.nets.recurrent import Pool, Recurrent
from wellposed.techniques import BatchNorm, Dropout, LayerNorm

STEPS, TEXTS = Inputs((6, 3)), Inputs((0,), vocabulary=9)


def by_pytorch(net: nn.Module, x: Tensor, lengths: Tensor, pool: Pool) -> Tensor:
    """Two bidirectional GRUs of 5 and 4 units over packed steps, the pool, a dense layer and the output."""
    theirs = [nn.GRU(x.shape[-1], 5, batch_first=True, bidirectional=True)]
    theirs.append(nn.GRU(10, 4, batch_first=True, bidirectional=True))
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    for gru, level in zip(theirs, net.levels, strict=True):
        gru.double()
        for layer, end in zip(level, ("", "_reverse"), strict=True):
            for part in ("ih", "hh"):
                for name in ("weight", "bias"):
                    gru.get_parameter(f"{name}_{part}_l0{end}").data.copy_(getattr(layer, part).get_parameter(name))
        packed, last = gru(packed)
    output, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    if pool == "last":
        kept = torch.cat(list(last), -1)
    else:
        rows = [row[:n] for row, n in zip(output, lengths.tolist(), strict=True)]
        kept = torch.stack([row.mean(0) if pool == "mean" else row.amax(0) for row in rows])
    body: Tensor = net.body(kept)
    return body


@pytest.mark.parametrize("pool", ["last", "mean", "max"])
@pytest.mark.parametrize("inputs", [STEPS, TEXTS], ids=["sequences", "texts"])
def test_outputs_are_those_of_pytorchs_layers(inputs: Inputs, pool: Pool) -> None:
    sizes = Recurrent(states=(5, 4), widths=(7,), pool=pool, bidirectional=True, embedding=8, activation="tanh")
    net = drawn(sizes.build(inputs, 2, ()))
    x, codes = (t[0] for t in draw_inputs(inputs, 1))
    lengths = codes[:, 0] if inputs is STEPS else (codes != 0).sum(1)
    seen = x if inputs is STEPS else net.embedding(codes).detach()
    torch.testing.assert_close(net(x, codes), by_pytorch(net, seen, lengths, pool), **TIGHT)


CASES = {
    "gru": Recurrent(states=(5,), widths=(4,)),
    "normalized lstm": Recurrent(cell="lstm", states=(4, 3), widths=(), layer_norm=True, pool="mean"),
    "both ways": Recurrent(cell="rnn", states=(4,), widths=(3,), bidirectional=True, pool="max", embedding=2),
}


@pytest.mark.parametrize("inputs", [STEPS, TEXTS], ids=["sequences", "texts"])
@pytest.mark.parametrize("name", CASES)
def test_stacked_it_is_a_loop_over_members(name: str, inputs: Inputs) -> None:
    compare_all(CASES[name].build(inputs, 3, [LayerNorm()]).double(), inputs)


@pytest.mark.parametrize("name", CASES)
def test_padding_changes_nothing(name: str) -> None:
    net = drawn(CASES[name].build(TEXTS, 3, ()))
    x, codes = (t[0] for t in draw_inputs(TEXTS, 1))
    padded = torch.cat((codes, torch.zeros(5, 4, dtype=torch.int64)), 1)
    assert torch.equal(net(x, padded), net(x, codes))
    net = drawn(CASES[name].build(STEPS, 3, ()))
    x, codes = (t[0] for t in draw_inputs(STEPS, 1))
    spoiled = x.clone()
    spoiled[torch.arange(6) >= codes] = torch.nan
    assert torch.equal(net(torch.cat((spoiled, spoiled), 1), codes), net(x, codes))


def test_a_row_without_steps_is_answered() -> None:
    for net in CASES.values():
        module = drawn(net.build(STEPS, 3, ()))
        assert module(torch.zeros(2, 6, 3, dtype=torch.float64), torch.tensor([[0], [0]])).isfinite().all()


def test_layers_act_in_dense_layers_and_parametrizations_on_every_weight() -> None:
    layers = [BatchNorm(), Dropout(), Scaled()]
    net = Recurrent(states=(4,), widths=(3,)).build(STEPS, 2, layers)
    kinds = ["Reweighted", "StackedBatchNorm", "ReLU", "StackedDropout", "Reweighted"]
    assert [type(m).__name__ for m in net.body] == kinds
    assert [type(getattr(net.levels[0][0], part)).__name__ for part in ("ih", "hh")] == ["Reweighted"] * 2
    assert unplaced(net, layers) == []
    assert unplaced(Recurrent(widths=()).build(STEPS, 2, layers), layers) == layers[:2]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_it_learns_what_stood_first(cell: str) -> None:
    """Whether the first of five numbers is positive; from a loss near log 2 to below 0.3 in every cell."""
    torch.manual_seed(0)
    x = torch.randn(2, 64, 5, 1, generator=torch.Generator().manual_seed(0))
    net = Recurrent(cell=cell, states=(8,), widths=(8,)).build(Inputs((5, 1)), 2, ())  # type: ignore[arg-type]
    codes = torch.full((2, 64, 1), 5)
    first, last = learns(net, (x, codes), (x[:, :, 0, 0] > 0).long(), steps=250, rate=0.5)
    assert first > 0.6 and last < 0.3


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: Recurrent(states=()), "Recurrent.states must name at least one recurrent layer. Got ()."),
    (lambda: Recurrent(states=(0,)), "Recurrent.states must be a tuple of positive whole numbers. Got (0,)."),
    (lambda: Recurrent(cell="gro"), "Recurrent.cell must be 'rnn', 'gru' or 'lstm'. Got 'gro'."),  # type: ignore[arg-type]
    (lambda: Recurrent(embedding=0), "Recurrent.embedding must be a positive whole number. Got 0."),
    (lambda: Recurrent(layer_norm=1), "Recurrent.layer_norm must be true or false. Got 1."),  # type: ignore[arg-type]
    (
        lambda: Recurrent().build(Inputs((5,)), 2, ()),
        "The input of Recurrent must be texts or sequences (T, D). Got (5,). Use the net MLP.",
    ),
    (
        lambda: Recurrent().build(Inputs((1, 5, 5)), 2, ()),
        "The input of Recurrent must be texts or sequences (T, D). Got (1, 5, 5). Use the net CNN or MLP.",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[m[:40] for _, m in BAD])
def test_what_no_network_can_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        make()
    assert str(error.value) == message
