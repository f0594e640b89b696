"""Small techniques of the two kinds that stand at no activation, and comparisons that several files make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from tests.nets.test_stacking import TIGHT, compare, draw
from torch import Tensor, nn

from wellposed.nets.net import Inputs
from wellposed.nets.stacking import stack_forward
from wellposed.techniques.places import BranchTechnique, ParametrizationTechnique
from wellposed.techniques.stacked import Parametrization, StackedModule


@dataclass(frozen=True, kw_only=True)
class Scaled(ParametrizationTechnique):
    """The weight times a learned factor for each output, and a power of it."""

    power: int = 1

    def parametrization(self, shape: tuple[int, ...]) -> Parametrization:
        return StackedScaled(self.power, shape)


class StackedScaled(Parametrization):
    """Its factor starts at the largest weight of an output; calls in training are counted."""

    def __init__(self, power: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.power = power
        self.factor = nn.Parameter(torch.ones(shape[0]))
        self.register_buffer("calls", torch.zeros(()))

    def stacked(self, tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        if self.training:
            tensors["calls"].add_(1)
        return x**self.power * tensors["factor"].view(x.shape[0], -1, *[1] * (x.dim() - 2))

    def start(self, weight: Tensor) -> dict[str, Tensor]:
        return {"factor": weight.flatten(2).amax(-1)}


@dataclass(frozen=True, kw_only=True)
class Faded(BranchTechnique):
    """The branch times its depth."""

    def branch(self, depth: float) -> nn.Module:
        return StackedFaded(depth)


class StackedFaded(StackedModule):
    def __init__(self, depth: float) -> None:
        super().__init__()
        self.depth = depth

    def stacked(self, tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return x * self.depth


def draw_inputs(inputs: Inputs, k: int, rows: int = 5, tokens: int = 6) -> tuple[Tensor, ...]:
    """Rows of these inputs for k members, of several lengths, one of them full."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(k, rows, *inputs.shape, generator=generator, dtype=torch.float64)
    if inputs.kind == "texts":
        codes = torch.randint(1, inputs.vocabulary, (k, rows, tokens), generator=generator)
        lengths = torch.randint(1, tokens, (k, rows, 1), generator=generator)
        lengths[:, 0] = tokens
        return x, torch.where(torch.arange(tokens) < lengths, codes, 0)
    if inputs.kind == "sequences":
        lengths = torch.randint(1, inputs.shape[0], (k, rows, 1), generator=generator)
        lengths[:, 0] = inputs.shape[0]
        return x, lengths
    return (x,)


def compare_all(module: nn.Module, inputs: Inputs) -> None:
    """Stacked networks against single ones, and one network whose parameters lack the axis of members."""
    for k in (1, 3):
        compare(module, draw_inputs(inputs, k), k)
    parameters, buffers = draw(module, 1)
    (_, again), given = draw(module, 1), draw_inputs(inputs, 1)
    alone = {name: p.detach().squeeze(0).requires_grad_() for name, p in parameters.items()}
    forward = stack_forward(module)
    one, other = forward({**parameters, **buffers}, *given), forward({**alone, **again}, *given)
    torch.testing.assert_close(other, one, **TIGHT)
    ours = torch.autograd.grad(other.square().sum(), list(alone.values()))
    theirs = torch.autograd.grad(one.square().sum(), list(parameters.values()))
    torch.testing.assert_close(ours, tuple(g.squeeze(0) for g in theirs), **TIGHT)


def learns(
    module: nn.Module, inputs: Sequence[Tensor], y: Tensor, *, steps: int = 60, rate: float = 0.1
) -> list[float]:
    """The mean loss before and after plain gradient descent on stacked tensors, from the module's own start."""
    k = inputs[0].shape[0]
    generator = torch.Generator().manual_seed(5)
    parameters = {
        n: (p.detach() + 0.05 * torch.randn(k, *p.shape, generator=generator, dtype=p.dtype)).requires_grad_()
        for n, p in module.named_parameters()
    }
    buffers = {n: b.expand(k, *b.shape).clone() for n, b in module.named_buffers()}
    forward, losses = stack_forward(module.train()), []
    for _ in range(steps):
        outputs = forward({**parameters, **buffers}, *inputs)
        loss = nn.functional.cross_entropy(outputs.flatten(0, 1), y.flatten()) * k
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        losses.append(float(loss.detach()) / k)
        with torch.no_grad():
            for p, g in zip(parameters.values(), gradients, strict=True):
                if g is not None:
                    p -= rate * g
    return [losses[0], losses[-1]]
