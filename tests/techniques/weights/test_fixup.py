"""The paper's rules on residual networks; that the first step moves the output as little at any depth."""

import math

import pytest
import torch
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.population.build import build_template, initial_state
from wellposed.recipe import Recipe
from wellposed.techniques import Fixup, He, ShakeShake
from wellposed.techniques.places import Batch, Start
from wellposed.techniques.stacked import ResidualBlock
from wellposed.techniques.weights.fixup import scale_of

CPU = torch.device("cpu")


class Added(ResidualBlock):
    """A residual block of somebody else's network."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.block(x)
        return x + change


def start_of(network: nn.Module, width: int, members: int = 1) -> Start:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(32, width, generator=generator, dtype=torch.float64).expand(members, -1, -1)
    none = torch.zeros(members, 32, 0, dtype=torch.int64)
    return Start(network, {}, Batch(x, none, torch.zeros(members, 32, dtype=torch.int64), None), torch.ones(2) / 2)


def test_scale_is_that_of_the_paper() -> None:
    assert scale_of(50, 2) == pytest.approx(50 ** (-1 / 2))
    assert scale_of(16, 3) == pytest.approx(16 ** (-1 / 4))
    assert scale_of(1, 2) == 1


def test_rules_on_a_population() -> None:
    recipe = Recipe(net=MLP(widths=(8,) * 9, residual=True, block=2), techniques=(He(),))
    blueprint = build_template(recipe, inputs=Inputs((6,)), outputs=2, factory=None, dtype=torch.float64, device=CPU)
    state = initial_state(blueprint, [recipe] * 3, torch.arange(3), dtype=torch.float64, device=CPU)
    before = {name: p.clone() for name, p in state.parameters.items()}
    Fixup().start_(state.parameters, start_of(blueprint.template, 6, 3))
    weights = [name for name in before if name.endswith("weight")]
    blocks = [name for name in weights if ".block." in name]
    assert len(blocks) == 8
    for i, name in enumerate(blocks):
        expected = torch.zeros_like(before[name]) if i % 2 else before[name] * 4**-0.5
        torch.testing.assert_close(state.parameters[name], expected, rtol=1e-14, atol=0)
    assert not state.parameters[weights[-1]].any()
    assert torch.equal(state.parameters[weights[0]], before[weights[0]])


def test_the_first_step_moves_the_output_alike_at_any_depth() -> None:
    """The property that the paper derives (equation 6): by the size of the learning rate, not by the depth.

    With He's weights alone, three such steps of the network of 16 blocks already end in infinity.
    """

    def moved(blocks: int, fixup: bool) -> float:
        torch.manual_seed(0)
        parts = [Added(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16)) for _ in range(blocks)]
        net = nn.Sequential(nn.Linear(16, 16), *parts, nn.Linear(16, 2)).double()
        for layer in net.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        start = start_of(net, 16)
        if fixup:
            own = {name: p.detach().unsqueeze(0) for name, p in net.named_parameters()}
            Fixup().start_(own, start)
        x = start.batch.x[0]
        first = net(x).detach()
        for _ in range(3):
            net.zero_grad()
            nn.functional.cross_entropy(net(x), (x[:, 0] > 0).long()).backward()
            with torch.no_grad():
                for p in net.parameters():
                    p.sub_(0.01 * p.grad)
        return float((net(x).detach() - first).norm())

    assert 0.3 < moved(64, True) / moved(4, True) < 3
    assert not math.isfinite(moved(16, False))


def test_a_network_without_residual_blocks_is_refused() -> None:
    with pytest.raises(BadInput, match=r"The network for Fixup must have residual blocks. Got 'Sequential'."):
        Fixup().start_({}, start_of(nn.Sequential(nn.Linear(3, 2)), 3))


def test_a_rectifier_behind_the_last_layer_is_refused_but_not_a_smooth_activation() -> None:
    with pytest.raises(BadInput, match="must end with its last affine layer"):
        Fixup().start_({}, start_of(nn.Sequential(Added(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 2)), 3))
    net = nn.Sequential(Added(nn.Linear(3, 3), nn.Tanh()), nn.Linear(3, 2)).double()
    own = {name: p.detach().unsqueeze(0) for name, p in net.named_parameters()}
    Fixup().start_(own, start_of(net, 3))
    assert not own["0.block.0.weight"].any()


def test_twin_branches_start_at_zero_both() -> None:
    """As many blocks as without, each branch of two layers."""
    layers = (ShakeShake(),)
    net = MLP(widths=(6,) * 4, residual=True, block=2).build(Inputs((6,)), 2, layers).double()
    parameters = {name: p.detach().clone().unsqueeze(0) for name, p in net.named_parameters()}
    before = {name: p.clone() for name, p in parameters.items()}
    Fixup().start_(parameters, start_of(net, 6))
    for path in ("0.block.0.one", "0.block.0.other", "2.block.0.one", "2.block.0.other"):
        torch.testing.assert_close(parameters[f"{path}.0.weight"], before[f"{path}.0.weight"] * 2**-0.5)
        assert not parameters[f"{path}.2.weight"].any()
