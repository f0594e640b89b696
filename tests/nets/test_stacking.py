"""Stacked forms: any module, over members at once, is a loop over members of `functional_call`."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from wellposed.nets.mlp import MLP, Residual
from wellposed.nets.net import Inputs
from wellposed.nets.stacking import RULES, call_alone, merge, stack_forward, unmerge
from wellposed.techniques import BatchNorm, LayerNorm

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
"""Float64; sums may be taken in another order."""


class Custom(nn.Module):
    """A user's module: a parameter of its own, a layer used twice, a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))
        self.layer = nn.Linear(6, 6)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.norm(self.layer(self.layer(x))) * self.scale, x], dim=-1)


def hooked() -> nn.Module:
    module = nn.Linear(6, 4)
    module.register_forward_hook(lambda m, args, output: output * 2)
    return nn.Sequential(module, nn.Tanh())


class Cubed(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return w**3


def parametrized() -> nn.Module:
    layer = nn.Linear(6, 4)
    nn.utils.parametrize.register_parametrization(layer, "weight", Cubed())
    return nn.Sequential(layer, nn.Tanh())


def twice() -> nn.Module:
    layer, activation = nn.Linear(6, 6), nn.Tanh()
    return nn.Sequential(layer, activation, layer, activation, nn.Linear(6, 2))


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Sequential(nn.Linear(6, 6, bias=False)))
    module[2][0].weight = module[0].weight
    return module


def tied_inside() -> nn.Module:
    inner = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    inner[1].weight = inner[0].weight
    return nn.Sequential(nn.Tanh(), Residual(inner))


IMAGE, ROW = (4, 2, 7, 6), (4, 6)
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "sequential": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), ROW),
    "nested": (lambda: nn.Sequential(nn.Sequential(nn.Linear(6, 5), nn.GELU()), nn.Sequential(nn.Linear(5, 3))), ROW),
    "empty": (lambda: nn.Sequential(nn.Linear(6, 5), nn.Sequential()), ROW),
    "linear": (lambda: nn.Linear(6, 3), ROW),
    "linear without bias": (lambda: nn.Linear(6, 3, bias=False), ROW),
    "linear over two axes": (lambda: nn.Linear(6, 3), (4, 2, 5, 6)),
    "linear over an axis, no bias": (lambda: nn.Linear(6, 3, bias=False), (4, 5, 6)),
    "conv": (lambda: nn.Conv2d(2, 3, 3), IMAGE),
    "conv with stride and padding": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), IMAGE),
    "conv with dilation": (lambda: nn.Conv2d(2, 3, 2, dilation=2, padding="same"), IMAGE),
    "conv in groups": (lambda: nn.Conv2d(2, 4, 3, groups=2), IMAGE),
    "conv of one pixel": (lambda: nn.Conv2d(2, 1, 1), (1, 2, 1, 1)),
    "conv that reflects": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), IMAGE),
    "conv over steps": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2), (4, 2, 7)),
    "conv over steps that wraps": (
        lambda: nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular", bias=False), (4, 2, 7)
    ),
    "max-pool": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2)), IMAGE),
    "average-pool": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.AvgPool2d(3, stride=1, padding=1)), IMAGE),
    "adaptive pools": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.AdaptiveMaxPool2d(3), nn.AdaptiveAvgPool2d((2, 1))), IMAGE
    ),
    "flatten": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(60, 2)), IMAGE),
    "flatten in part": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(2), nn.Linear(20, 2)), IMAGE),
    "other activations": (lambda: nn.Sequential(nn.Linear(6, 5), nn.PReLU(), nn.Softplus(), nn.Hardtanh()), ROW),
    "slopes of channels": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.PReLU(3), nn.Mish()), IMAGE),
    "one slope of images": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.PReLU()), IMAGE),
    "in-place activations": (
        lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 4), nn.SiLU(inplace=True)), ROW
    ),
    "batch norm": (lambda: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5)), ROW),
    "batch norm of images": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()), IMAGE),
    "layer norm": (lambda: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5)), ROW),
    "custom": (lambda: nn.Sequential(Custom(), nn.Linear(12, 2)), ROW),
    "hooked": (hooked, ROW),
    "parametrized": (parametrized, ROW),
    "residual": (lambda: Residual(nn.Sequential(nn.Linear(6, 6), nn.Tanh())), ROW),
    "our norms": (lambda: MLP(widths=(6, 5), residual=True).build(Inputs((6,)), 3, [BatchNorm(), LayerNorm()]), ROW),
    "a layer used twice": (twice, ROW),
    "tied parameters": (tied, ROW),
    "tied parameters further down": (tied_inside, ROW),
}  # fmt: skip


def draw(module: nn.Module, k: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Random parameters and buffers of k members."""
    generator = torch.Generator().manual_seed(0)
    parameters = {
        name: torch.randn(k, *p.shape, generator=generator, dtype=torch.float64).requires_grad_()
        for name, p in module.named_parameters()
    }
    buffers = {
        name: (torch.rand(k, *b.shape, generator=generator) + 0.5).to(b.dtype) for name, b in module.named_buffers()
    }
    return parameters, buffers


def compare(module: nn.Module, inputs: tuple[Tensor, ...], k: int) -> None:
    """The stacked form against the loop: outputs, gradients, and what became of the buffers."""
    (parameters, buffers), (_, own) = draw(module, k), draw(module, k)
    loop = []
    for i in range(k):
        tensors = {n: p[i] for n, p in parameters.items()} | {n: b[i] for n, b in own.items()}
        loop.append(torch.func.functional_call(module, tensors, tuple(x[i].clone() for x in inputs)))
    expected = torch.stack(loop)
    found = stack_forward(module)({**parameters, **buffers}, *inputs)
    torch.testing.assert_close(found, expected, **TIGHT)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    leaves = list(parameters.values())
    ours = torch.autograd.grad((found * weight).sum(), leaves)
    theirs = torch.autograd.grad((expected * weight).sum(), leaves)
    torch.testing.assert_close(ours, theirs, **TIGHT)
    torch.testing.assert_close(buffers, own, **TIGHT)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("training", [True, False], ids=["training", "answering"])
@pytest.mark.parametrize("name", CASES)
def test_the_stacked_form_is_a_loop_over_members(name: str, training: bool, k: int) -> None:
    make, shape = CASES[name]
    x = torch.randn(k, *shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    compare(make().double().train(training), (x,), k)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Embedding(5, 3),
        lambda: nn.Embedding(5, 3, padding_idx=2),
        lambda: nn.Embedding(5, 3, scale_grad_by_freq=True),
    ],
    ids=["plain", "padding", "by frequency"],
)
def test_embeddings_take_each_members_own_rows(make: Callable[[], nn.Module], k: int) -> None:
    for shape in ((7,), (4, 2)):
        compare(make().double(), (torch.randint(0, 5, (k, *shape), generator=torch.Generator().manual_seed(2)),), k)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("training", [True, False])
def test_networks_over_categories_are_taken_apart_too(k: int, training: bool) -> None:
    net = MLP(widths=(6, 6), residual=True).build(Inputs((4,), (3, 5)), 2, [BatchNorm()]).double().train(training)
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(k, 8, 4, generator=generator, dtype=torch.float64)
    compare(net, (x, torch.randint(0, 3, (k, 8, 2), generator=generator)), k)


@pytest.mark.parametrize("name", ["conv", "conv over steps", "slopes of channels", "other activations", "our norms"])
def test_parameters_of_one_network_may_lack_the_axis_of_members(name: str) -> None:
    make, shape = CASES[name]
    module, x = make().double(), torch.randn(1, *shape, dtype=torch.float64)
    parameters, buffers = draw(module, 1)
    alone = {n: p.detach().squeeze(0) for n, p in parameters.items()}
    forward = stack_forward(module.eval())
    torch.testing.assert_close(forward({**alone, **buffers}, x), forward({**parameters, **buffers}, x), **TIGHT)


def test_called_alone_it_is_the_module_itself() -> None:
    """Outputs, gradients and running statistics."""
    module = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.PReLU()).double()
    other, x = copy.deepcopy(module), torch.randn(4, 6, dtype=torch.float64)
    found, expected = call_alone(module, x), other(x)
    torch.testing.assert_close(found, expected, **TIGHT)
    (found * x.sum()).sum().backward()
    (expected * x.sum()).sum().backward()
    torch.testing.assert_close([p.grad for p in module.parameters()], [p.grad for p in other.parameters()], **TIGHT)
    torch.testing.assert_close(module[1].running_var, other[1].running_var, **TIGHT)


def test_gradients_reach_the_inputs() -> None:
    module = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    x = torch.randn(3, 4, 6, dtype=torch.float64, requires_grad=True)
    parameters, _ = draw(module, 3)
    expected = torch.stack(
        [torch.func.functional_call(module, {n: p[i] for n, p in parameters.items()}, (x[i],)) for i in range(3)]
    )
    found = stack_forward(module)(parameters, x)
    (ours,), (theirs,) = (torch.autograd.grad(y.square().sum(), x) for y in (found, expected))
    torch.testing.assert_close(ours, theirs, **TIGHT)


@pytest.mark.parametrize("k", [1, 3])
def test_the_data_stay_as_they_were(k: int) -> None:
    """Members that are evaluated see the same rows without a copy, which an in-place layer must not change."""
    module = nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(6, 2)).double()
    rows = torch.randn(4, 6, dtype=torch.float64)
    before = rows.clone()
    stack_forward(module)(draw(module, k)[0], rows.expand(k, 4, 6))
    assert torch.equal(rows, before)
    assert module[1].inplace


def test_images_keep_their_memory_order() -> None:
    """Behind the first convolution nothing is copied: in memory, the members stand within the rows."""
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 2)).double()
    tensors, _ = draw(module, 3)
    x = torch.randn(3, 5, 2, 8, 8, dtype=torch.float64)
    for depth in range(1, 5):
        found = stack_forward(module[:depth])(tensors, x)
        _, b, c, h, w = found.shape
        assert (b, found.stride()) == (5, (c * h * w, 3 * c * h * w, h * w, w, 1))
        assert merge(found).data_ptr() == found.data_ptr()
        assert stack_forward(nn.Flatten())({}, found).data_ptr() == found.data_ptr()


def test_merged_and_parted_again_it_is_the_same() -> None:
    x = torch.randn(3, 5, 2, 4, 4)
    assert torch.equal(unmerge(merge(x), 3), x)
    assert torch.equal(merge(x)[:, 2:4], x[1])
    y = torch.randn(5, 6, 4, 4)
    assert unmerge(y, 3).data_ptr() == y.data_ptr()


def test_a_prefix_names_where_the_tensors_are() -> None:
    module = tied().double()
    tensors, _ = draw(module, 2)
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    under = {f"body.{name}": t for name, t in tensors.items()}
    assert torch.equal(stack_forward(module, "body.")(under, x), stack_forward(module)(tensors, x))


def test_a_subclass_is_not_taken_for_its_base() -> None:
    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    compare(nn.Sequential(Doubled(6, 3)).double(), (torch.randn(3, 4, 6, dtype=torch.float64),), 3)
    assert Doubled not in RULES


def test_the_template_is_left_as_it_was() -> None:
    module = CASES["our norms"][0]().double()
    before = copy.deepcopy(module.state_dict())
    parameters, buffers = draw(module, 2)
    stack_forward(module)({**parameters, **buffers}, torch.randn(2, 4, 6, dtype=torch.float64))
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)
