"""Recurrent layers against PyTorch's, and with layer normalization against the formulas of Ba et al., step by step."""

import pytest
import torch
import torch.nn.functional as F
from tests.nets.helpers import Scaled
from tests.nets.test_stacking import TIGHT, compare, draw
from torch import Tensor, nn

from wellposed.nets.cells import GATES, Cell, RecurrentLayer
from wellposed.nets.stacking import stack_forward

THEIRS: dict[Cell, type[nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
LENGTHS = torch.tensor([6, 1, 4, 3])


def steps(k: int = 1) -> Tensor:
    return torch.randn(k, 4, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def drawn(layer: RecurrentLayer) -> RecurrentLayer:
    generator = torch.Generator().manual_seed(2)
    for p in layer.double().parameters():
        p.data = torch.randn(p.shape, generator=generator, dtype=torch.float64)
    return layer


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_states_and_gradients_are_pytorchs(cell: Cell, backward: bool) -> None:
    """Theirs runs over packed sequences; a bidirectional layer's second half is the backward one."""
    ours, x = drawn(RecurrentLayer(cell, 3, 5, backward=backward)), steps()[0].requires_grad_()
    theirs = THEIRS[cell](3, 5, batch_first=True, bidirectional=backward).double()
    end = "_l0_reverse" if backward else "_l0"
    own = {
        f"{n}_{part}{end}": getattr(ours, part).get_parameter(n) for part in ("ih", "hh") for n in ("weight", "bias")
    }
    for name, p in own.items():
        theirs.get_parameter(name).data.copy_(p.detach())
    other = x.detach().clone().requires_grad_()
    packed = nn.utils.rnn.pack_padded_sequence(other, LENGTHS, batch_first=True, enforce_sorted=False)
    output, last = theirs(packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
    expected = expected[..., -5:]
    real = (torch.arange(6) < LENGTHS.unsqueeze(1)).unsqueeze(-1)
    found = torch.where(real, ours(x, LENGTHS), 0)
    torch.testing.assert_close(found, expected, **TIGHT)
    final = drawn(RecurrentLayer(cell, 3, 5, backward=backward, last=True))(x, LENGTHS)
    torch.testing.assert_close(final, (last[0] if cell == "lstm" else last)[-1], **TIGHT)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    ours_too = torch.autograd.grad((found * weight).sum(), [x, *own.values()])
    names = [theirs.get_parameter(name) for name in own]
    torch.testing.assert_close(ours_too, torch.autograd.grad((expected * weight).sum(), [other, *names]), **TIGHT)


def normalize(layer: RecurrentLayer, name: str, x: Tensor) -> Tensor:
    norm = layer.norms[name]
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, 1e-5)


def by_the_paper(layer: RecurrentLayer, x: Tensor) -> Tensor:
    """All states of full sequences; the supplement's equations, gates in PyTorch's order."""
    h = c = x.new_zeros(x.shape[0], 5)
    found = []
    for t in range(x.shape[1]):
        inward, hidden = x[:, t] @ layer.ih.weight.T, h @ layer.hh.weight.T
        if layer.cell == "rnn":
            h = torch.tanh(normalize(layer, "sum", hidden + inward))
        elif layer.cell == "gru":
            gates = normalize(layer, "gates_hh", hidden[:, :10]) + normalize(layer, "gates_ih", inward[:, :10])
            r, z = gates[:, :5].sigmoid(), gates[:, 5:].sigmoid()
            new = torch.tanh(
                normalize(layer, "new_ih", inward[:, 10:]) + r * normalize(layer, "new_hh", hidden[:, 10:])
            )
            h = (1 - z) * h + z * new
        else:
            i, f, g, o = (normalize(layer, "hh", hidden) + normalize(layer, "ih", inward)).split(5, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * normalize(layer, "memory", c).tanh()
        found.append(h)
    return torch.stack(found, 1)


@pytest.mark.parametrize("cell", GATES)
def test_normalized_cells_are_those_of_the_paper(cell: Cell) -> None:
    layer, x = drawn(RecurrentLayer(cell, 3, 5, layer_norm=True)), steps()[0]
    found, expected = layer(x, torch.full((4,), 6)), by_the_paper(layer, x)
    torch.testing.assert_close(found, expected, **TIGHT)
    leaves = list(layer.parameters())
    ours = torch.autograd.grad(found.square().sum(), leaves)
    torch.testing.assert_close(ours, torch.autograd.grad(expected.square().sum(), leaves), **TIGHT)
    assert all(p.dim() == 1 for n, p in layer.named_parameters() if n.startswith("norms"))
    assert layer.ih.bias is None and layer.hh.bias is None


@pytest.mark.parametrize("cell", GATES)
def test_a_normalized_cell_does_not_see_the_scale_of_its_weights(cell: Cell) -> None:
    """Table 1 of Ba et al.; exact but for epsilon, so the differences are near it (a variance is about 1)."""
    layer, x = drawn(RecurrentLayer(cell, 3, 5, layer_norm=True)), steps()[0]
    before = layer(x, LENGTHS).detach()
    scale = 7.0
    for part in (layer.ih, layer.hh):
        part.weight.data *= scale
    torch.testing.assert_close(layer(x, LENGTHS), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_stacked_it_is_a_loop_over_members(cell: Cell, last: bool, layer_norm: bool) -> None:
    layer = RecurrentLayer(cell, 3, 5, backward=last, last=last, layer_norm=layer_norm).double()
    for k in (1, 3):
        compare(layer, (steps(k), LENGTHS.expand(k, 4)), k)


@pytest.mark.parametrize("cell", GATES)
def test_both_weights_may_be_parametrized(cell: Cell) -> None:
    """The hidden weight is made once, and works at every step."""
    layer = RecurrentLayer(cell, 3, 5, layers=[Scaled(power=2)]).double()
    compare(layer, (steps(2), LENGTHS.expand(2, 4)), 2)
    parameters, buffers = draw(layer, 2)
    buffers = {n: torch.zeros_like(b) for n, b in buffers.items()}
    found = stack_forward(layer)({**parameters, **buffers}, steps(2), LENGTHS.expand(2, 4))
    assert all(b.tolist() == [1, 1] for b in buffers.values())
    plain = RecurrentLayer(cell, 3, 5).double()
    own = {}
    for part in ("ih", "hh"):
        factor = parameters[f"{part}.parametrizations.0.factor"].unsqueeze(-1)
        own[f"{part}.weight"] = parameters[f"{part}.affine.weight"] ** 2 * factor
        own[f"{part}.bias"] = parameters[f"{part}.affine.bias"]
    torch.testing.assert_close(stack_forward(plain)(own, steps(2), LENGTHS.expand(2, 4)), found, **TIGHT)


def test_a_member_that_is_not_a_number_leaves_the_others_alone() -> None:
    layer = RecurrentLayer("gru", 3, 5, last=True).double()
    parameters, _ = draw(layer, 3)
    x = steps(3)
    before = stack_forward(layer)(parameters, x, LENGTHS.expand(3, 4))
    with torch.no_grad():
        for p in parameters.values():
            p[1] = torch.nan
    after = stack_forward(layer)(parameters, x, LENGTHS.expand(3, 4))
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert after[1].isnan().all()


def test_it_can_be_differentiated_twice() -> None:
    layer, x = drawn(RecurrentLayer("lstm", 3, 2, last=True)), steps()[0, :2, :3].requires_grad_()
    assert torch.autograd.gradgradcheck(lambda rows: layer(rows, torch.tensor([3, 2])), (x,))
