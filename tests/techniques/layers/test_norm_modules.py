"""All norms as modules of one's own network: shapes, dtypes, memory orders, one row, the compiler."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrize

from wellposed.errors import BadInput
from wellposed.techniques import (
    BatchNorm,
    BatchRenorm,
    GhostBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    SpectralNorm,
    WeightNorm,
)
from wellposed.techniques.places import LayerTechnique, ParametrizationTechnique

Build = Callable[[tuple[int, ...]], nn.Module]

TECHNIQUES: dict[str, LayerTechnique] = {
    "BatchNorm": BatchNorm(),
    "BatchRenorm": BatchRenorm(r_max=1.5, d_max=0.5),
    "GhostBatchNorm": GhostBatchNorm(rows=4),
    "GroupNorm": GroupNorm(groups=2),
    "InstanceNorm": InstanceNorm(),
    "LayerNorm": LayerNorm(),
    "RMSNorm": RMSNorm(),
}
OVER_BATCH = ("BatchNorm", "BatchRenorm", "GhostBatchNorm")
THEIRS: dict[str, Build] = {
    "BatchNorm": lambda shape: (nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(shape[0]),
    "GroupNorm": lambda shape: nn.GroupNorm(2, shape[0]),
    "InstanceNorm": lambda shape: nn.InstanceNorm2d(shape[0]),
    "LayerNorm": nn.LayerNorm,
    "RMSNorm": lambda shape: nn.RMSNorm(shape, eps=2.0**-23),
}
NORMS = [pytest.param(name, id=name) for name in TECHNIQUES]
ORDERS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x,
    "strided": lambda x: torch.stack([x, -x], dim=-1)[..., 0],
    "rows innermost": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 + 1


def shapes_of(name: str) -> list[tuple[int, ...]]:
    return [(4, 3, 2)] if name == "InstanceNorm" else [(4,), (4, 3, 2)]


@st.composite
def settings_of(draw_: st.DrawFn) -> tuple[str, tuple[int, ...], int, torch.dtype, str]:
    """A norm, the shape of a row, the rows of a batch, a dtype, and an order in memory."""
    name = draw_(st.sampled_from(list(TECHNIQUES)))
    channels = 2 * draw_(st.integers(2, 5))
    pixels = draw_(st.tuples(st.integers(1, 5), st.integers(2, 5)))
    shape = (channels, *pixels) if name == "InstanceNorm" or draw_(st.booleans()) else (channels,)
    rows = draw_(st.integers(2 if name in OVER_BATCH else 1, 9))
    dtype = draw_(st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
    return name, shape, rows, dtype, draw_(st.sampled_from(list(ORDERS)))


@settings(max_examples=100)
@given(settings_of(), st.booleans())
def test_any_shape_dtype_and_memory_order(
    case: tuple[str, tuple[int, ...], int, torch.dtype, str], train: bool
) -> None:
    """As in float64, row-major; where PyTorch has the layer, as that.

    bfloat16 has 8 bits: 2^-8 for each of about ten roundings of the largest number, hence 0.05. Of two rows that nearly
    agree in a channel it leaves nothing to normalize, so the rows of batches are set apart.
    """
    name, shape, rows, dtype, order = case
    spread = torch.arange(rows, dtype=torch.float64).view(-1, *[1] * len(shape)) if name in OVER_BATCH else 0
    x = (draw(rows, *shape) + 4 * spread).to(dtype)
    ours = TECHNIQUES[name].layer(shape).to(dtype).train(train)
    exact = TECHNIQUES[name].layer(shape).double().train(train)
    y, expected = ours(ORDERS[order](x)), exact(x.double())
    assert (y.dtype, y.shape) == (dtype, x.shape)
    tolerance = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 0.05}[dtype]
    scale = max(1.0, float(expected.detach().abs().max())) if dtype == torch.bfloat16 else 1.0
    torch.testing.assert_close(y.double(), expected, rtol=tolerance, atol=tolerance * scale)
    if name in THEIRS and not (name == "GroupNorm" and math.prod(shape[1:]) * rows == 1):
        theirs = THEIRS[name](shape).to(dtype).train(train)
        torch.testing.assert_close(y, theirs(ORDERS[order](x)), rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("name", NORMS)
def test_images_keep_channels_last_where_pytorch_does(name: str) -> None:
    x = ORDERS["channels last"](draw(6, 4, 3, 2).float())
    layer = TECHNIQUES[name].layer((4, 3, 2))
    theirs = THEIRS.get(name, THEIRS["BatchNorm"])((4, 3, 2))
    if name != "InstanceNorm":
        for training in (True, False):
            kept = theirs.train(training)(x).is_contiguous(memory_format=torch.channels_last)
            assert layer.train(training)(x).is_contiguous(memory_format=torch.channels_last) or not kept


@pytest.mark.parametrize("name", NORMS)
def test_a_batch_of_one(name: str) -> None:
    for shape in shapes_of(name):
        layer, x = TECHNIQUES[name].layer(shape).double(), draw(1, *shape)
        assert torch.isfinite(layer.eval()(x)).all()
        if name in OVER_BATCH and len(shape) == 1:
            with pytest.raises(BadInput, match=r"Got 1\. .* or use LayerNorm, which needs no batch\."):
                layer.train()(x)
        else:
            assert torch.isfinite(layer.train()(x)).all()


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("name", [p for p in NORMS if p.values[0] != "BatchRenorm"])
def test_first_and_second_derivatives_equal_finite_differences(name: str, members: int) -> None:
    """(Renormalization's are no derivatives: its corrections count as constants.)"""
    for shape in shapes_of(name):
        layer = TECHNIQUES[name].layer(shape).double()
        own = {n: draw(members, *t.shape, seed=5) for n, t in layer.state_dict().items()}

        def forward(x: Tensor, layer: nn.Module = layer, own: dict[str, Tensor] = own) -> Tensor:
            return layer.stacked({n: t.clone() for n, t in own.items()}, x)

        x = draw(members, 3, *shape).requires_grad_()
        assert torch.autograd.gradcheck(forward, (x,), fast_mode=True)
        assert torch.autograd.gradgradcheck(forward, (x,), fast_mode=True)


@pytest.mark.unchecked
@pytest.mark.parametrize("technique", [WeightNorm(), SpectralNorm()], ids=lambda t: type(t).__name__)
def test_parametrized_layers_compile_into_one_graph(technique: ParametrizationTechnique) -> None:
    torch._dynamo.reset()
    layer, x = nn.Linear(5, 4), draw(3, 5).float()
    parametrize.register_parametrization(layer, "weight", technique.parametrization((4, 5)))
    twin = copy.deepcopy(layer)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for _ in range(2):
        compiled(x).square().sum().backward()
        twin(x).square().sum().backward()
    torch.testing.assert_close(layer.state_dict(), twin.state_dict())
    for mine, other in zip(layer.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


@settings(max_examples=30)
@given(
    st.sampled_from([WeightNorm(), SpectralNorm()]),
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    st.sampled_from(["contiguous", "strided", "rows innermost", "channels last"]),
)
def test_weights_of_any_shape_dtype_and_memory_order(
    technique: ParametrizationTechnique, shape: list[int], dtype: torch.dtype, order: str
) -> None:
    weight = draw(*shape).to(dtype)
    module, exact = (technique.parametrization(tuple(shape)).to(t).eval() for t in (dtype, torch.float64))
    start = exact.start(weight.double()[None])
    expected = exact.stacked(start, weight.double()[None])[0]
    found = module.stacked({n: t.to(dtype) for n, t in start.items()}, ORDERS[order](weight)[None])[0]
    assert (found.dtype, found.shape) == (dtype, weight.shape)
    tolerance = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 0.05}[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
