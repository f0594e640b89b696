"""What every technique inside a network keeps as a module: shapes, dtypes, memory orders, copies, transforms, compiler.

One member is the module as it stands in somebody's own network, `technique.layer(shape)`, `.branch(depth)` or
`.parametrization(shape)`; several are its stacked form. What comes in has the shape `K B *shape`, weights `K *shape`.
"""

import copy
import io
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.contracts.cases import CASES
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques.places import BranchTechnique, InnerTechnique, LayerTechnique, ParametrizationTechnique
from wellposed.techniques.stacked import Parametrization, StackedModule
from wellposed.techniques.technique import strength_fields

Tensors = dict[str, Tensor]
Forward = Callable[[Tensors, Tensor], Tensor]

INNER = [
    pytest.param(case.example, id=kind.__name__)
    for kind, case in CASES.items()
    if isinstance(case.example, InnerTechnique)
]
ROWWISE = [p for p in INNER if not isinstance(p.values[0], ParametrizationTechnique)]
OVER_BATCH = ("BatchNorm", "BatchRenorm", "GhostBatchNorm")
"""Those that a training batch of one row or none says nothing to."""
DTYPES = (torch.float32, torch.float64, torch.bfloat16)
ORDERS: dict[str, Callable[[Tensor], Tensor]] = {
    "first axis innermost": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
    "last axes swapped": lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
    "channels last": lambda x: x.movedim(-3, -1).contiguous().movedim(-1, -3) if x.dim() > 3 else x,
    "every other number": lambda x: torch.stack([x, -x], dim=-1)[..., 0],
    "every other row": lambda x: torch.stack([x, -x], dim=1).flatten(0, 1)[::2],
    "part of more": lambda x: torch.cat([x, x + 1], dim=-1)[..., : x.shape[-1]],
}
EXPANDED: dict[str, Callable[[Tensor], Tensor]] = {
    "one row again and again": lambda x: x[:, :1].expand_as(x),
    "one column again and again": lambda x: x[..., :1].expand_as(x),
    "one member again and again": lambda x: x[:1].expand_as(x),
}
FEW = settings(max_examples=15)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shapes(technique: InnerTechnique) -> st.SearchStrategy[tuple[int, ...]]:
    """Of one row: units, or channels of odd and even numbers of pixels, down to one; of a weight: dense or a kernel."""
    units, channels = st.tuples(st.integers(1, 7)), st.tuples(st.integers(1, 6), *[st.integers(1, 5)] * 2)
    if isinstance(technique, ParametrizationTechnique):
        return st.one_of(
            st.tuples(*[st.integers(1, 5)] * 2), st.tuples(*[st.integers(1, 4)] * 2, *[st.integers(1, 3)] * 2)
        )
    if isinstance(technique, BranchTechnique):
        return st.one_of(units, channels)
    meant = {1: units, 3: channels}
    return st.one_of([meant[axes] for axes in sorted(technique.axes)])


def build(technique: InnerTechnique, shape: tuple[int, ...]) -> StackedModule:
    if isinstance(technique, ParametrizationTechnique):
        return technique.parametrization(shape)
    module = technique.layer(shape) if isinstance(technique, LayerTechnique) else technique.branch(1.0)
    assert isinstance(module, StackedModule)
    return module


def fitting(technique: InnerTechnique, shape: tuple[int, ...]) -> StackedModule:
    """The module, or another example where the technique refuses the shape, such as a group of one value."""
    try:
        return build(technique, shape).double()
    except BadInput:
        assume(False)
        raise


def inputs(technique: InnerTechnique, shape: tuple[int, ...], members: int, rows: int) -> Tensor:
    """`K B *shape`, or weights `K *shape`."""
    return draw(members, *(() if isinstance(technique, ParametrizationTechnique) else (rows,)), *shape)


def stack(module: StackedModule, x: Tensor) -> Tensors:
    """Parameters and buffers of members that differ in all of them, each with a key of its own."""
    members = len(x)
    found = {name: (1 + 0.1 * draw(members, *p.shape, seed=5)).to(p) for name, p in module.named_parameters()}
    found |= {name: (1 + 0.1 * draw(members, *b.shape, seed=6)).to(b) for name, b in module.named_buffers()}
    if isinstance(module, Parametrization):
        found |= {name: tensor.to(found[name]) for name, tensor in module.start(x).items()}
    keys = make_key(torch.arange(members), step=1, place="layers")
    return {name: keys.clone() if name == "key" else tensor for name, tensor in found.items()}


def slices(tensors: Tensors, k: int) -> Tensors:
    """A population of one of its members."""
    return {name: tensor[k : k + 1].clone() for name, tensor in tensors.items()}


def own_forward(module: nn.Module) -> Forward:
    """A population of one by the module as it is."""
    call = torch.func.functional_call
    return lambda held, x: call(module, {name: t[0] for name, t in held.items()}, (x[0],)).unsqueeze(0)


def mapped_forward(module: nn.Module) -> Forward:
    """A population by `torch.func.vmap` over the module as it is."""
    return torch.func.vmap(lambda held, x: torch.func.functional_call(module, held, (x,)))


def trace(module: nn.Module, forward: Forward, tensors: Tensors, x: Tensor) -> Tensors:
    """Output, the buffers as they are then, and gradients of inputs and parameters; the input must stay as it is."""
    held = {name: tensor.clone() for name, tensor in tensors.items()}
    learned = {name: held[name].requires_grad_() for name, _ in module.named_parameters()}
    learned["x"] = x.detach().requires_grad_()
    before = x.detach().clone()
    y = forward(held, learned["x"])
    assert torch.equal(x, before)
    slope = torch.arange(y[0].numel(), dtype=torch.float64).cos().view(y.shape[1:]).to(y)
    gradients = torch.autograd.grad((y * slope).sum(), list(learned.values()), materialize_grads=True)
    found = {f"gradient of {name}": g for name, g in zip(learned, gradients, strict=True)}
    return {"y": y.detach(), **found, **{name: held[name].detach() for name, _ in module.named_buffers()}}


def assert_close(found: Tensors, expected: Tensors, tolerance: float = 1e-9) -> None:
    """Of float64's 1e-16, after sums in other orders and divisions by the root of `eps` and less: 1e-9."""
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.isfinite(tensor).all(), name
        torch.testing.assert_close(found[name], tensor, rtol=tolerance, atol=tolerance)


def unless_refused(work: Callable[[], Tensors]) -> Tensors:
    """What it gives; or another example where a batch in training is too small, if a sentence says what to do."""
    try:
        return work()
    except BadInput as refused:
        sentence = str(refused)
        assert all(word in sentence for word in (" must ", " Got ", " Use ")), sentence
        assume(False)
        raise


@FEW
@given(data=st.data(), members=st.integers(1, 4), rows=st.integers(0, 5), train=st.booleans(), differ=st.booleans())
@pytest.mark.parametrize("technique", INNER)
def test_alone_is_a_population_of_one_is_a_member_of_many(
    technique: InnerTechnique, data: st.DataObject, members: int, rows: int, train: bool, differ: bool
) -> None:
    """Outputs, gradients and buffers; members may also differ in their strengths, by steps of 1/64 and so exactly."""
    shape = data.draw(shapes(technique))
    module = fitting(technique, shape).train(train)
    x = inputs(technique, shape, members, rows)
    tensors, strengths = stack(module, x), {}
    if differ:
        for f in strength_fields(type(technique)):
            value = torch.linspace(*f.metadata["search"], members, dtype=torch.float64)
            strengths[f.name] = (value * 64).round() / 64
    together = unless_refused(lambda: trace(module, module.stacked, tensors | strengths, x))
    assert together["y"].shape == x.shape
    for k in range(members):
        own = replace(technique, **{name: float(value[k]) for name, value in strengths.items()})
        one = build(own, shape).double().train(train)
        expected = {name: tensor[k : k + 1] for name, tensor in together.items()}
        assert_close(trace(one, own_forward(one), slices(tensors, k), x[k : k + 1]), expected)
        assert_close(trace(one, one.stacked, slices(tensors | strengths, k), x[k : k + 1]), expected)


@FEW
@given(data=st.data(), members=st.integers(1, 3), rows=st.integers(0, 4), train=st.booleans())
@pytest.mark.parametrize("technique", INNER)
def test_works_under_vmap(technique: InnerTechnique, data: st.DataObject, members: int, rows: int, train: bool) -> None:
    """As nets call the modules of others that hold it."""
    shape = data.draw(shapes(technique))
    module = fitting(technique, shape).train(train)
    x = inputs(technique, shape, members, rows)
    tensors = stack(module, x)
    expected = unless_refused(lambda: trace(module, module.stacked, tensors, x))
    assert_close(trace(module, mapped_forward(module), tensors, x), expected)


@FEW
@given(data=st.data(), members=st.integers(1, 3), rows=st.integers(2, 4), train=st.booleans())
@pytest.mark.parametrize("technique", INNER)
def test_memory_order_does_not_matter(
    technique: InnerTechnique, data: st.DataObject, members: int, rows: int, train: bool
) -> None:
    shape, name = data.draw(shapes(technique)), data.draw(st.sampled_from([*ORDERS, *EXPANDED]))
    module = fitting(technique, shape).train(train)
    x = inputs(technique, shape, members, rows)
    other = (ORDERS | EXPANDED)[name](x)
    x = other.contiguous()
    tensors = stack(module, x)
    expected = unless_refused(lambda: trace(module, module.stacked, tensors, x))
    assert_close(trace(module, module.stacked, tensors, other), expected)
    one = slices(tensors, 0)
    found = trace(module, own_forward(module), one, other[:1])
    assert_close(found, {n: t[:1] for n, t in expected.items()})


@FEW
@given(data=st.data(), rows=st.integers(1, 5), dtype=st.sampled_from(DTYPES), train=st.booleans())
@pytest.mark.parametrize("technique", INNER)
def test_keeps_the_dtype_and_stays_finite(
    technique: InnerTechnique, data: st.DataObject, rows: int, dtype: torch.dtype, train: bool
) -> None:
    shape = data.draw(shapes(technique))
    module = fitting(technique, shape).to(dtype).train(train)
    x = inputs(technique, shape, 2, rows).to(dtype)
    tensors = stack(module, x)
    found = unless_refused(lambda: trace(module, module.stacked, tensors, x))
    found |= {f"{n} alone": t for n, t in trace(module, own_forward(module), slices(tensors, 0), x[:1]).items()}
    for name, tensor in found.items():
        assert tensor.dtype == (torch.int64 if name.startswith("key") else dtype), name
        assert torch.isfinite(tensor).all(), name


@FEW
@given(data=st.data(), train=st.booleans())
@pytest.mark.parametrize("technique", ROWWISE)
def test_an_empty_last_batch_answers_nothing_or_is_refused_in_training(
    technique: InnerTechnique, data: st.DataObject, train: bool
) -> None:
    """In training, too, nothing is changed by no rows."""
    shape = data.draw(shapes(technique))
    module = fitting(technique, shape).train(train)
    before = copy.deepcopy(module.state_dict())
    x = torch.zeros(0, *shape, dtype=torch.float64)
    name = type(technique).__name__
    if train and name in OVER_BATCH:
        with pytest.raises(BadInput, match=rf"{name} must hold at least 2 values a channel\. Got 0\. Use"):
            module(x)
    else:
        assert module(x).shape == x.shape
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("technique", INNER)
def test_copies_go_on_as_the_original(technique: InnerTechnique) -> None:
    """By `deepcopy`, by the state in a new module, and by a file; training one moves nothing of another."""
    for shape in compiled_shapes(technique):
        x = inputs(technique, shape, 1, 6)
        module = build(technique, shape).double()
        first = slices(stack(module, x), 0)
        module.load_state_dict({name: tensor[0] for name, tensor in first.items()})
        for training in (True, True, False):
            module.train(training)
            file = io.BytesIO()
            torch.save(module.state_dict(), file)
            file.seek(0)
            twin, new, read = copy.deepcopy(module), *(build(technique, shape).double() for _ in range(2))
            new.load_state_dict(module.state_dict())
            read.load_state_dict(torch.load(file, weights_only=True))
            held = copy.deepcopy(module.state_dict())
            for other in (twin, new.train(training), read.train(training)):
                y = other(x[0])
                torch.testing.assert_close(module.state_dict(), held, rtol=0, atol=0)
                original = copy.deepcopy(module)
                assert torch.equal(y, original(x[0]))
                torch.testing.assert_close(other.state_dict(), original.state_dict(), rtol=0, atol=0)
            module(x[0])


def compiled_shapes(technique: InnerTechnique) -> list[tuple[int, ...]]:
    """One shape for each number of axes it is meant for."""
    if isinstance(technique, ParametrizationTechnique):
        return [(4, 6), (4, 2, 3, 3)]
    axes = technique.axes if isinstance(technique, LayerTechnique) else {1, 3}
    return [{1: (4,), 3: (4, 5, 3)}[n] for n in sorted(axes)]


def assert_compiles(technique: InnerTechnique, shape: tuple[int, ...], dtype: torch.dtype, backend: str) -> None:
    """One step forward and back, and an answer, of one graph each, are those without the compiler."""
    torch._dynamo.reset()
    module = build(technique, shape).to(dtype)
    x = inputs(technique, shape, 1, 6).to(dtype)
    tensors = stack(module, x)
    module.load_state_dict({name: tensor[0] for name, tensor in tensors.items()})
    twin = copy.deepcopy(module)
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    for training in (True, False):
        steps = []
        for run, own in ((compiled, module), (twin, twin)):
            own.train(training).zero_grad()
            mine = x[0].clone().requires_grad_()
            y = run(mine)
            (y * torch.arange(y.numel(), dtype=dtype).cos().view(y.shape)).sum().backward()
            steps.append([y, mine.grad, *(p.grad for p in own.parameters()), *own.buffers()])
        torch.testing.assert_close(*steps)


COMPILED = [
    pytest.param(p.values[0], shape, id=f"{p.id}-{len(shape)}") for p in INNER for shape in compiled_shapes(p.values[0])
]
"""Each technique with each kind of shape."""


@pytest.mark.unchecked
@pytest.mark.parametrize(("technique", "shape"), COMPILED)
def test_compiles_into_one_graph(technique: InnerTechnique, shape: tuple[int, ...]) -> None:
    assert_compiles(technique, shape, torch.float32, "aot_eager")


@pytest.mark.unchecked
@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("technique", "shape"), COMPILED)
def test_compiles_in_other_dtypes(technique: InnerTechnique, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    assert_compiles(technique, shape, dtype, "aot_eager")


@pytest.mark.unchecked
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit")  # of the framework's own code
@pytest.mark.parametrize("name", ["BatchRenorm-3", "Dropout-1", "SpectralNorm-2"])
def test_compiles_to_machine_code(name: str) -> None:
    technique, shape = next(p.values for p in COMPILED if p.id == name)
    assert_compiles(technique, shape, torch.float32, "inductor")
