"""The Transformer against torch.nn.TransformerEncoderLayer with the same weights."""

from collections.abc import Callable

import pytest
import torch
from tests.nets.helpers import Faded, Scaled, compare_all, draw_inputs, learns
from tests.nets.test_mlp import drawn
from tests.nets.test_stacking import TIGHT
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.nets.net import Inputs, unplaced
from wellposed.nets.stacking import stack_forward
from wellposed.nets.transformer import Transformer, sinusoidal
from wellposed.techniques import BatchNorm, Dropout, LayerNorm

STEPS, TEXTS = Inputs((6, 3)), Inputs((0,), vocabulary=9)
SMALL = Transformer(width=6, heads=2, blocks=2, hidden=10)


def by_pytorch(net: nn.Module) -> tuple[Callable[[Tensor, Tensor], Tensor], list[tuple[Tensor, Tensor]]]:
    """From vectors to which positions were added, by their encoder; and its parameters with ours."""
    layer = nn.TransformerEncoderLayer(6, 2, 10, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    final, last = nn.LayerNorm(6).double(), nn.Linear(6, 2).double()
    theirs = nn.TransformerEncoder(layer, 2, norm=final, enable_nested_tensor=False).double()
    pairs = [
        *zip(final.parameters(), net.norms.parameters(), strict=True),
        *zip(last.parameters(), net.last.parameters(), strict=True),
    ]
    for i, block in enumerate(theirs.layers):
        attending, thinking = net.blocks[2 * i], net.blocks[2 * i + 1]
        pairs += [
            (block.self_attn.in_proj_weight, attending.inner.qkv.weight),
            (block.self_attn.in_proj_bias, attending.inner.qkv.bias),
            *zip(block.self_attn.out_proj.parameters(), attending.inner.out.parameters(), strict=True),
            *zip(block.norm1.parameters(), attending.norms.parameters(), strict=True),
            *zip(block.norm2.parameters(), thinking.norms.parameters(), strict=True),
            *zip(block.linear1.parameters(), thinking.inner[0].parameters(), strict=True),
            *zip(block.linear2.parameters(), thinking.inner[2].parameters(), strict=True),
        ]
    for a, b in pairs:
        a.data.copy_(b.detach())

    def call(x: Tensor, lengths: Tensor) -> Tensor:
        hidden = theirs(x, src_key_padding_mask=torch.arange(x.shape[1]) >= lengths.unsqueeze(1))
        pooled = torch.stack([row[:n].mean(0) for row, n in zip(hidden, lengths.tolist(), strict=True)])
        output: Tensor = last(pooled)
        return output

    return call, pairs


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
@pytest.mark.parametrize("inputs", [STEPS, TEXTS], ids=["sequences", "texts"])
def test_outputs_and_gradients_are_pytorchs(inputs: Inputs, positions: str) -> None:
    sizes = Transformer(width=6, heads=2, blocks=2, hidden=10, positions=positions)  # type: ignore[arg-type]
    net = drawn(sizes.build(inputs, 2, ()))
    x, codes = (t[0] for t in draw_inputs(inputs, 1))
    lengths = codes[:, 0] if inputs is STEPS else (codes != 0).sum(1)
    vectors = net.first(x) if inputs is STEPS else net.first(codes) * 6**0.5
    if positions == "learned":
        vectors = vectors + 6**0.5 * net.positions.weight[:6]
    else:
        rates = torch.tensor([1.0, 10000 ** (-1 / 3), 10000 ** (-2 / 3)], dtype=torch.float64)
        angles = torch.arange(6).unsqueeze(1) * rates
        vectors = vectors + torch.stack([angles.sin(), angles.cos()], 2).view(6, 6)
    theirs, pairs = by_pytorch(net)
    found, expected = net(x, codes), theirs(vectors, lengths)
    torch.testing.assert_close(found, expected, **TIGHT)
    shared = [net.first.weight] + ([net.positions.weight] if positions == "learned" else [])
    ours_too = torch.autograd.grad(found.square().sum(), [*(b for _, b in pairs), *shared])
    theirs_too = torch.autograd.grad(expected.square().sum(), [*(a for a, _ in pairs), *shared])
    torch.testing.assert_close(ours_too, theirs_too, **TIGHT)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
@pytest.mark.parametrize("inputs", [STEPS, TEXTS], ids=["sequences", "texts"])
def test_stacked_it_is_a_loop_over_members(inputs: Inputs, positions: str) -> None:
    sizes = Transformer(width=6, heads=3, blocks=1, hidden=5, positions=positions, longest=4)  # type: ignore[arg-type]
    compare_all(sizes.build(inputs, 3, [Scaled(power=2), Faded()]).double(), inputs)
    compare_all(sizes.build(inputs, 3, [BatchNorm()]).double(), inputs)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_padding_changes_nothing(positions: str) -> None:
    """But for the order of sums, which the number of steps may change."""
    sizes = Transformer(width=6, heads=2, blocks=2, hidden=5, positions=positions)  # type: ignore[arg-type]
    net = drawn(sizes.build(TEXTS, 3, ()))
    x, codes = (t[0] for t in draw_inputs(TEXTS, 1))
    padded = torch.cat((codes, torch.zeros(5, 4, dtype=torch.int64)), 1)
    torch.testing.assert_close(net(x, padded), net(x, codes), **TIGHT)
    rows = torch.cat([net(x[i : i + 1], codes[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(rows, net(x, codes), **TIGHT)
    net = drawn(sizes.build(STEPS, 3, ()))
    x, codes = (t[0] for t in draw_inputs(STEPS, 1))
    spoiled = torch.where((torch.arange(6) < codes).unsqueeze(-1), x, 1e6)
    torch.testing.assert_close(net(torch.cat((spoiled, spoiled), 1), codes), net(x, codes), **TIGHT)


def test_a_text_without_tokens_is_answered() -> None:
    net = drawn(SMALL.build(TEXTS, 3, ()))
    assert net(torch.zeros(2, 0, dtype=torch.float64), torch.tensor([[0, 0], [3, 0]])).isfinite().all()


def test_tokens_behind_the_longest_have_the_last_position() -> None:
    net = drawn(Transformer(width=4, heads=1, blocks=1, hidden=3, positions="learned", longest=2).build(TEXTS, 2, ()))
    x = torch.zeros(1, 0, dtype=torch.float64)
    a, b = net(x, torch.tensor([[2, 3, 4, 5]])), net(x, torch.tensor([[2, 5, 4, 3]]))
    torch.testing.assert_close(a, b, **TIGHT)
    assert not torch.allclose(a, net(x, torch.tensor([[3, 2, 4, 5]])))


@pytest.mark.parametrize("width", [4, 5])
def test_positions_are_sines_and_cosines(width: int) -> None:
    found = sinusoidal(7, width, torch.float64, torch.device("cpu"))
    for t in range(7):
        for i in range(width):
            angle = torch.tensor(t / 10000 ** (i // 2 * 2 / width), dtype=torch.float64)
            torch.testing.assert_close(found[t, i], angle.cos() if i % 2 else angle.sin())


def test_techniques_find_their_room() -> None:
    """Norms before both halves and at the end; what follows activations in three places of a block; branches of each
    half, the deeper the fuller."""
    layers = [BatchNorm(), LayerNorm(), Dropout(), Faded(), Scaled()]
    net = SMALL.build(TEXTS, 2, layers)
    assert unplaced(net, layers) == []
    names = [type(m).__name__ for m in net.modules()]
    counts = {n: names.count(n) for n in ("StackedBatchNorm", "StackedLayerNorm", "StackedDropout", "Reweighted")}
    assert counts == {"StackedBatchNorm": 5, "StackedLayerNorm": 5, "StackedDropout": 6, "Reweighted": 9}
    assert [block.end[0].depth for block in net.blocks] == [0.25, 0.5, 0.75, 1.0]
    assert [type(m).__name__ for m in net.blocks[0].norms] == ["StackedBatchNorm", "StackedLayerNorm"]


def test_branch_ends_see_whole_rows() -> None:
    net = SMALL.build(TEXTS, 2, [Faded()]).double()
    seen: list[torch.Size] = []
    for block in net.blocks:
        block.end[0].stacked = lambda tensors, x: (seen.append(x.shape), x)[1]
    parameters = {n: p.detach().expand(3, *p.shape) for n, p in net.named_parameters()}
    x, codes = draw_inputs(TEXTS, 3)
    stack_forward(net)(parameters, x, codes)
    assert seen == [torch.Size((3, 5, 6, 6))] * 4


def test_gradients_with_regard_to_sequences_can_be_differentiated() -> None:
    net = drawn(Transformer(width=4, heads=2, blocks=1, hidden=3).build(Inputs((3, 2)), 2, ()))
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda rows: net(rows, torch.tensor([[3], [2]])), (x,))


def test_it_learns_which_token_there_is() -> None:
    """Whether token 2 is among five; from a loss near log 2 to below 0.1."""
    codes = torch.randint(2, 9, (2, 64, 5), generator=torch.Generator().manual_seed(0))
    net = Transformer(width=8, heads=2, blocks=1, hidden=8).build(TEXTS, 2, ())
    first, last = learns(net, (torch.zeros(2, 64, 0), codes), (codes == 2).any(-1).long(), steps=150, rate=0.2)
    assert first > 0.5 and last < 0.1


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: Transformer(width=6), "Transformer.width must be a multiple of the 4 heads. Got 6."),
    (lambda: Transformer(blocks=0), "Transformer.blocks must be a positive whole number. Got 0."),
    (
        lambda: Transformer(positions="none"),  # type: ignore[arg-type]
        "Transformer.positions must be 'sinusoidal' or 'learned'. Got 'none'.",
    ),
    (
        lambda: Transformer().build(Inputs((5,)), 2, ()),
        "The input of Transformer must be texts or sequences (T, D). Got (5,). Use the net MLP.",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[m[:40] for _, m in BAD])
def test_what_no_network_can_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        make()
    assert str(error.value) == message
