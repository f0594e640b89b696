"""Optimizers: the numbers are those of torch.optim, member by member."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.optimizers import OPTIMIZERS, SGD, Adam, AdamW, Optimizer, RMSprop, State
from wellposed.techniques.technique import Strength, strengths

MEMBERS = 3
SHAPES = {"matrix": (8, 8), "odd": (7, 5), "bias": (5,), "kernel": (3, 2, 3, 3), "number": ()}
Make = Callable[[Iterable[Tensor]], torch.optim.Optimizer]


def own(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def of(value: Strength, member: int) -> float:
    return float(value[member]) if isinstance(value, Tensor) else value


def reference(optimizer: Optimizer, rate: Strength, member: int) -> Make:
    """The optimizer of PyTorch with the strengths of one member."""
    values = {name: of(value, member) for name, value in strengths(optimizer).items()}
    lr, momentum = of(rate, member), values["momentum"]
    match optimizer:
        case SGD():
            nesterov = optimizer.nesterov and momentum > 0  # PyTorch refuses one without the other
            return lambda p: torch.optim.SGD(p, lr=lr, momentum=momentum, nesterov=nesterov)
        case Adam():
            return lambda p: torch.optim.Adam(p, lr=lr, betas=(momentum, values["decay"]), eps=optimizer.eps)
        case AdamW():
            betas, decay = (momentum, values["decay"]), values["weight_decay"]
            return lambda p: torch.optim.AdamW(p, lr=lr, betas=betas, eps=optimizer.eps, weight_decay=decay)
        case RMSprop():
            alpha, eps = values["decay"], optimizer.eps
            return lambda p: torch.optim.RMSprop(p, lr=lr, alpha=alpha, eps=eps, momentum=momentum)
    raise AssertionError


def draw(*, seed: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(MEMBERS, *s, generator=generator, dtype=dtype) for name, s in SHAPES.items()}


def train(
    optimizer: Optimizer,
    rate: Strength,
    *,
    rows: slice = slice(None),
    steps: range = range(1, 51),
    dtype: torch.dtype = torch.float64,
    start: tuple[dict[str, Tensor], State] | None = None,
) -> tuple[dict[str, Tensor], State]:
    """Parameters and state after some steps along gradients that depend on nothing but the step."""
    parameters, state = start or ({name: p[rows].clone() for name, p in draw(seed=0, dtype=dtype).items()}, None)
    state = optimizer.state(parameters) if state is None else state
    for step in steps:
        gradients = {name: g[rows] for name, g in draw(seed=step, dtype=dtype).items()}
        optimizer.step_(parameters, gradients, state, step=step, learning_rate=rate)
    return parameters, state


SHARED = [
    SGD(),
    SGD(momentum=0.9),
    SGD(momentum=0.9, nesterov=True),
    Adam(),
    Adam(momentum=0.0, decay=0.9, eps=1e-3),
    AdamW(weight_decay=0.3),
    AdamW(weight_decay=0.0),
    RMSprop(),
    RMSprop(momentum=0.9, eps=1e-3),
]
OWN = [
    SGD(momentum=own(0.0, 0.5, 0.9)),
    SGD(momentum=own(0.0, 0.5, 0.9), nesterov=True),
    Adam(momentum=own(0.0, 0.5, 0.95)),
    Adam(decay=own(0.5, 0.9, 0.999)),
    AdamW(momentum=own(0.0, 0.5, 0.95), decay=own(0.5, 0.9, 0.999), weight_decay=own(0.0, 0.1, 0.5)),
    AdamW(weight_decay=own(0.0, 0.1, 0.5)),
    RMSprop(decay=own(0.5, 0.9, 0.99)),
    RMSprop(momentum=own(0.0, 0.5, 0.9)),
]
RATES: list[Strength] = [0.01, own(0.01, 0.1, 0.0)]


@pytest.mark.parametrize("rate", RATES, ids=["rate", "rates"])
@pytest.mark.parametrize("optimizer", SHARED + OWN, ids=lambda o: type(o).__name__)
def test_equals_torch(optimizer: Optimizer, rate: Strength) -> None:
    parameters, _ = train(optimizer, rate)
    for member in range(MEMBERS):
        theirs = {name: p[member].clone().requires_grad_() for name, p in draw(seed=0).items()}
        stepper = reference(optimizer, rate, member)(theirs.values())
        for step in range(1, 51):
            gradients = draw(seed=step)
            for name, p in theirs.items():
                p.grad = gradients[name][member]
            stepper.step()
        for name, p in theirs.items():  # 50 steps of round-off in numbers of about 1
            torch.testing.assert_close(parameters[name][member], p.detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rate", RATES, ids=["rate", "rates"])
@pytest.mark.parametrize("optimizer", SHARED + OWN, ids=lambda o: type(o).__name__)
def test_among_others_equals_alone_to_the_bit(optimizer: Optimizer, rate: Strength, dtype: torch.dtype) -> None:
    together, _ = train(optimizer, rate, dtype=dtype)
    for member in range(MEMBERS):
        row = slice(member, member + 1)
        mine = {name: v[row] for name, v in strengths(optimizer).items() if isinstance(v, Tensor)}
        alone, _ = train(optimizer.bound(mine), rate[row] if isinstance(rate, Tensor) else rate, rows=row, dtype=dtype)
        for name, p in alone.items():
            assert torch.equal(p, together[name][row])


@pytest.mark.parametrize("rate", RATES, ids=["rate", "rates"])
@pytest.mark.parametrize("optimizer", SHARED + OWN, ids=lambda o: type(o).__name__)
def test_what_is_not_finite_stays_with_its_member(optimizer: Optimizer, rate: Strength) -> None:
    clean, _ = train(optimizer, rate, steps=range(1, 5))
    parameters = draw(seed=0)
    state = optimizer.state(parameters)
    for step in range(1, 5):
        gradients = draw(seed=step)
        for g in gradients.values():
            g[1] = torch.nan if step % 2 else torch.inf
        optimizer.step_(parameters, gradients, state, step=step, learning_rate=rate)
    for name, p in parameters.items():
        assert torch.equal(p[[0, 2]], clean[name][[0, 2]])


@pytest.mark.parametrize("rate", RATES, ids=["rate", "rates"])
@pytest.mark.parametrize("optimizer", SHARED + OWN, ids=lambda o: type(o).__name__)
def test_goes_on_from_a_copy(optimizer: Optimizer, rate: Strength) -> None:
    whole, _ = train(optimizer, rate, steps=range(1, 11))
    half, state = train(optimizer, rate, steps=range(1, 6))
    copied: State = {slot: {name: v.clone() for name, v in values.items()} for slot, values in state.items()}
    for value in copied.get("scratch", {}).values():
        value.fill_(torch.nan)  # has no meaning between steps
    resumed, _ = train(optimizer, rate, steps=range(6, 11), start=(half, copied))
    for name, p in whole.items():
        assert torch.equal(p, resumed[name])


@pytest.mark.parametrize("optimizer", SHARED, ids=lambda o: type(o).__name__)
def test_does_not_care_how_tensors_lie_in_memory(optimizer: Optimizer) -> None:
    expected, _ = train(optimizer, 0.01, steps=range(1, 4))
    turned = {name: p.clone().mT.contiguous().mT if p.dim() > 2 else p.clone() for name, p in draw(seed=0).items()}
    room = {name: torch.zeros(MEMBERS + 2, *s, dtype=torch.float64) for name, s in SHAPES.items()}
    rows = {name: r[1:-1] for name, r in room.items()}
    for name, p in draw(seed=0).items():
        rows[name].copy_(p)
    for parameters in (turned, rows):
        state = optimizer.state(parameters)
        for step in range(1, 4):
            gradients = draw(seed=step)
            gradients = {name: g.mT.contiguous().mT if g.dim() > 2 else g for name, g in gradients.items()}
            optimizer.step_(parameters, gradients, state, step=step, learning_rate=0.01)
        for name, p in parameters.items():  # where memory is not in order the formula is worked out, to round-off
            torch.testing.assert_close(p, expected[name], rtol=1e-12, atol=1e-14)
    for r in room.values():
        assert r[[0, -1]].abs().sum() == 0


@pytest.mark.parametrize("optimizer", SHARED + OWN, ids=lambda o: type(o).__name__)
def test_gradients_are_left_and_leaves_may_be_given(optimizer: Optimizer) -> None:
    parameters = {name: p.requires_grad_() for name, p in draw(seed=0).items()}
    gradients, state = draw(seed=1), optimizer.state(parameters)
    optimizer.step_(parameters, gradients, state, step=1, learning_rate=0.01)
    assert all(torch.equal(g, gradients[name]) for name, g in draw(seed=1).items())
    assert all(p.is_leaf and p.requires_grad for p in parameters.values())
    assert not any(value.requires_grad for values in state.values() for value in values.values())


def test_sgd_without_momentum_remembers_nothing() -> None:
    assert SGD().state(draw(seed=0)) == {}
    assert set(SGD(momentum=own(0.0, 0.0, 0.0)).state(draw(seed=0))) == {"velocity"}


@pytest.mark.parametrize("optimizer", SHARED + OWN, ids=lambda o: type(o).__name__)
def test_state_is_zeros_stacked_like_the_parameters(optimizer: Optimizer) -> None:
    parameters = draw(seed=0)
    for values in optimizer.state(parameters).values():
        assert list(values) == list(parameters)
        for name, value in values.items():
            assert value.shape == parameters[name].shape
            assert value.dtype == parameters[name].dtype
            assert not value.any()


@pytest.mark.parametrize("optimizer", SHARED, ids=lambda o: type(o).__name__)
def test_is_a_value(optimizer: Optimizer) -> None:
    assert optimizer.bound({}) == optimizer
    assert hash(optimizer.bound({})) == hash(optimizer)
    assert OPTIMIZERS[type(optimizer).__name__] is type(optimizer)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (SGD, {"learning_rate": -0.1}, r"SGD.learning_rate must be in \[0, 1e\+09\]. Got -0.1."),
        (SGD, {"momentum": 1.5}, r"SGD.momentum must be in \[0, 1\]. Got 1.5."),
        (SGD, {"nesterov": "yes"}, r"SGD.nesterov must be true or false. Got 'yes'."),
        (Adam, {"momentum": 1.0}, r"Adam.momentum must be in \[0, 0.9999\]. Got 1.0."),
        (Adam, {"decay": float("nan")}, r"Adam.decay must be in \[0, 0.999999\]. Got nan."),
        (Adam, {"eps": 0.0}, r"Adam.eps must be a positive number. Got 0.0."),
        (AdamW, {"weight_decay": -1.0}, r"AdamW.weight_decay must be in \[0, 100\]. Got -1.0."),
        (AdamW, {"eps": "small"}, r"AdamW.eps must be a positive number. Got 'small'."),
        (RMSprop, {"eps": True}, r"RMSprop.eps must be a positive number. Got True."),
    ],
)
def test_refuses(kind: Callable[..., Optimizer], values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        kind(**values)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("rate", RATES, ids=["rate", "rates"])
@pytest.mark.parametrize("optimizer", SHARED + OWN, ids=lambda o: type(o).__name__)
def test_equals_the_cpu_on_a_gpu(optimizer: Optimizer, rate: Strength) -> None:
    expected, _ = train(optimizer, rate, steps=range(1, 6))
    there = {name: v.cuda() for name, v in strengths(optimizer).items() if isinstance(v, Tensor)}
    optimizer, rate = optimizer.bound(there), rate.cuda() if isinstance(rate, Tensor) else rate
    parameters = {name: p.cuda() for name, p in draw(seed=0).items()}
    state = optimizer.state(parameters)
    for step in range(1, 6):
        gradients = {name: g.cuda() for name, g in draw(seed=step).items()}
        optimizer.step_(parameters, gradients, state, step=step, learning_rate=rate)
    for name, p in parameters.items():
        torch.testing.assert_close(p.cpu(), expected[name], rtol=1e-12, atol=1e-13)
