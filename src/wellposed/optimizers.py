r"""Optimizers: how a gradient becomes a step, for all members of a population at once.

| | step $t = 1, 2, \dots$ with learning rate $\eta$, gradient $g$ |
|---|---|
| `SGD` | $b = \mu b + g$, $\;\theta \leftarrow \theta - \eta b$; with `nesterov` $g + \mu b$ in the place of $b$ |
| `Adam` | $m = \beta_1 m + (1 - \beta_1) g$, $\;v = \beta_2 v + (1 - \beta_2) g^2$, |
| | $\theta \leftarrow \theta - \eta \frac{m}{1 - \beta_1^t} \big/ \big(\sqrt{v / (1 - \beta_2^t)} + \epsilon\big)$ |
| `AdamW` | $\theta \leftarrow (1 - \eta \lambda) \theta$, then Adam |
| `RMSprop` | Adam's $v$, not corrected, $b = \mu b + g / (\sqrt v + \epsilon)$, $\;\theta \leftarrow \theta - \eta b$ |

The numbers are those of `torch.optim` to round-off. Where all members share their strengths, PyTorch's fused kernel
makes Adam's step in one pass over memory. Where learning rates differ, the same kernel writes the step at a rate of 1
into a slot that the state keeps for it (memory that is new at each step costs more than the arithmetic on it), and each
member goes that way by its own rate. Only where members average differently, or do not fill their cache lines, is the
formula worked out operation by operation. Which of these it is depends on the strengths and on the shape of one member,
never on who else is there: a member moves the same alone and among others, to the bit.

Sources: Sutskever et al., On the importance of initialization and momentum, 2013, section 2; Kingma and Ba, Adam, 2015,
https://arxiv.org/abs/1412.6980, algorithm 1; Loshchilov and Hutter, Decoupled weight decay regularization, 2019,
https://arxiv.org/abs/1711.05101, algorithm 2; Tieleman and Hinton, Lecture 6.5, RMSprop, 2012.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from wellposed.checks import refusal
from wellposed.techniques.places import Tensors
from wellposed.techniques.technique import Strength, Technique, spread, strength

State: TypeAlias = dict[str, dict[str, Tensor]]
"""Slot, parameter, value: everything an optimizer remembers, stacked over members as the parameters are."""


@dataclass(frozen=True, kw_only=True)
class Optimizer(Technique):
    """A rule for the step. Its strengths may differ between members; its kind and its other fields may not."""

    learning_rate: Strength

    @abstractmethod
    def state(self, parameters: Tensors) -> State:
        """What is remembered before the first step: zeros.

        A slot named `scratch` is room to work in: what it holds between steps has no meaning.
        """

    @abstractmethod
    def step_(
        self, parameters: Tensors, gradients: Tensors, state: State, *, step: int, learning_rate: Strength
    ) -> None:
        """Move the parameters in place, and the state with them; the gradients are left as they are.

        Args:
            parameters: All of one dtype on one device.
            gradients: One for each parameter.
            state: From `state`, or from the step before.
            step: Counts from 1.
            learning_rate: As scheduled for this step; the field of the same name is its base value.
        """


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent.

    Args:
        learning_rate: Length of the step, in gradients.
        momentum: Share of the last step that is kept; 0 keeps none.
        nesterov: Look ahead: use the gradient with the momentum it will have at the next step.

    >>> SGD(momentum=2.0)
    Traceback (most recent call last):
    wellposed.errors.BadInput: SGD.momentum must be in [0, 1]. Got 2.0.
    """

    learning_rate: Strength = strength(0.01, valid=(0.0, 1e9), search=(1e-3, 1.0), log=True)
    momentum: Strength = strength(0.0, valid=(0.0, 1.0), search=(0.0, 0.99))
    nesterov: bool = False

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        if self.nesterov not in (True, False):
            raise refusal("SGD.nesterov", "be true or false", self.nesterov)

    def state(self, parameters: Tensors) -> State:
        return {} if _is_zero(self.momentum) else {"velocity": _zeros(parameters)}

    @torch.no_grad()
    def step_(
        self, parameters: Tensors, gradients: Tensors, state: State, *, step: int, learning_rate: Strength
    ) -> None:
        p, g = _lists(parameters, parameters, gradients)
        if "velocity" not in state:
            return _add_(p, g, _negative(learning_rate))
        (velocity,) = _lists(parameters, state["velocity"])
        descend_(p, g, velocity, learning_rate=learning_rate, momentum=self.momentum, nesterov=self.nesterov)


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Each number moves by about the learning rate, in the direction of its mean gradient.

    Args:
        learning_rate: Length of the step, in the units of the parameters.
        momentum: Adam's beta 1: what the mean of gradients keeps at each step.
        decay: Adam's beta 2: what the mean of squared gradients keeps at each step.
        eps: Added to the root of the mean square; with a large value small gradients make small steps.
    """

    learning_rate: Strength = strength(1e-3, valid=(0.0, 1e9), search=(1e-4, 1e-1), log=True)
    momentum: Strength = strength(0.9, valid=(0.0, 0.9999), search=(0.5, 0.99))
    decay: Strength = strength(0.999, valid=(0.0, 0.999999), search=(0.9, 0.9999))
    eps: float = 1e-8

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        _refuse_eps(self, self.eps)

    def state(self, parameters: Tensors) -> State:
        return {slot: _zeros(parameters) for slot in ("mean", "square", "scratch")}

    @torch.no_grad()
    def step_(
        self, parameters: Tensors, gradients: Tensors, state: State, *, step: int, learning_rate: Strength
    ) -> None:
        adapt_(
            parameters, gradients, state, step=step, learning_rate=learning_rate,
            betas=(self.momentum, self.decay), eps=self.eps, weight_decay=0.0,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer):
    """Adam, and every parameter (biases and scales of norms, too) decays by `learning_rate * weight_decay` a step.

    Args:
        learning_rate: Length of the step, in the units of the parameters.
        momentum: Adam's beta 1: what the mean of gradients keeps at each step.
        decay: Adam's beta 2: what the mean of squared gradients keeps at each step.
        weight_decay: Strength of the decay; 0 is Adam.
        eps: Added to the root of the mean square; with a large value small gradients make small steps.
    """

    learning_rate: Strength = strength(1e-3, valid=(0.0, 1e9), search=(1e-4, 1e-1), log=True)
    momentum: Strength = strength(0.9, valid=(0.0, 0.9999), search=(0.5, 0.99))
    decay: Strength = strength(0.999, valid=(0.0, 0.999999), search=(0.9, 0.9999))
    weight_decay: Strength = strength(0.01, valid=(0.0, 100.0), search=(1e-4, 1.0), log=True)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        _refuse_eps(self, self.eps)

    def state(self, parameters: Tensors) -> State:
        return {slot: _zeros(parameters) for slot in ("mean", "square", "scratch")}

    @torch.no_grad()
    def step_(
        self, parameters: Tensors, gradients: Tensors, state: State, *, step: int, learning_rate: Strength
    ) -> None:
        adapt_(
            parameters, gradients, state, step=step, learning_rate=learning_rate,
            betas=(self.momentum, self.decay), eps=self.eps, weight_decay=self.weight_decay,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """Gradients divided by the root of their mean square: Adam without its mean and without its corrections.

    Args:
        learning_rate: Length of the step, in the units of the parameters.
        momentum: Share of the last step that is kept; 0 keeps none.
        decay: What the mean of squared gradients keeps at each step.
        eps: Added to the root of the mean square; with a large value small gradients make small steps.
    """

    learning_rate: Strength = strength(0.01, valid=(0.0, 1e9), search=(1e-4, 1e-1), log=True)
    momentum: Strength = strength(0.0, valid=(0.0, 1.0), search=(0.0, 0.99))
    decay: Strength = strength(0.99, valid=(0.0, 0.999999), search=(0.9, 0.999))
    eps: float = 1e-8

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        _refuse_eps(self, self.eps)

    def state(self, parameters: Tensors) -> State:
        slots = ("mean", "square", "scratch", *(() if _is_zero(self.momentum) else ("velocity",)))
        return {slot: _zeros(parameters) for slot in slots}

    @torch.no_grad()
    def step_(
        self, parameters: Tensors, gradients: Tensors, state: State, *, step: int, learning_rate: Strength
    ) -> None:
        betas, forever = (0.0, self.decay), math.inf  # no mean; after so many steps every correction is 1
        if "velocity" not in state:
            return adapt_(
                parameters, gradients, state, step=forever, learning_rate=learning_rate,
                betas=betas, eps=self.eps, weight_decay=0.0,
            )  # fmt: skip
        direct_(list(parameters), gradients, state, step=forever, betas=betas, eps=self.eps)
        p, way, velocity = _lists(parameters, parameters, state["scratch"], state["velocity"])
        descend_(p, way, velocity, learning_rate=_negative(learning_rate), momentum=self.momentum, nesterov=False)


OPTIMIZERS: dict[str, type[Optimizer]] = {"SGD": SGD, "Adam": Adam, "AdamW": AdamW, "RMSprop": RMSprop}
"""The optimizers by the name that a recipe gives them."""


def descend_(
    parameters: list[Tensor],
    gradients: list[Tensor],
    velocity: list[Tensor],
    *,
    learning_rate: Strength,
    momentum: Strength,
    nesterov: bool,
) -> None:
    """One step of gradient descent with momentum, in place."""
    torch._foreach_mul_(velocity, _beside(momentum, velocity))
    torch._foreach_add_(velocity, gradients)
    down = _negative(learning_rate)
    if nesterov:
        _add_(parameters, gradients, down)
        down = down * _wide(momentum)
    _add_(parameters, velocity, down)


def adapt_(
    parameters: Tensors,
    gradients: Tensors,
    state: State,
    *,
    step: float,
    learning_rate: Strength,
    betas: tuple[Strength, Strength],
    eps: float,
    weight_decay: Strength,
) -> None:
    """One step of Adam with decoupled weight decay, in place."""
    rest = list(parameters)
    if shared := _shared(learning_rate, *betas, weight_decay):
        rest = _fused_(rest, parameters, gradients, state, shared, step=step, eps=eps)
    if not rest:
        return
    direct_(rest, gradients, state, step=step, betas=betas, eps=eps)
    p, way = _lists(rest, parameters, state["scratch"])
    if not _is_zero(weight_decay):
        torch._foreach_mul_(p, _beside(1 - _wide(learning_rate) * _wide(weight_decay), p))
    _add_(p, way, learning_rate)


def direct_(
    names: list[str],
    gradients: Tensors,
    state: State,
    *,
    step: float,
    betas: tuple[Strength, Strength],
    eps: float,
) -> None:
    """Move Adam's two averages of the parameters named, and write into `scratch` the step at a learning rate of 1."""
    out, rest = state["scratch"], names
    if shared := _shared(1.0, *betas, 0.0):
        torch._foreach_zero_([out[name] for name in names])
        rest = _fused_(names, out, gradients, state, shared, step=step, eps=eps)
    if not rest:
        return
    beta_1, beta_2 = _wide(betas[0]), _wide(betas[1])
    way, g, mean, square = _lists(rest, out, gradients, state["mean"], state["square"])
    correction = 1 - beta_1**step
    torch._foreach_lerp_(mean, g, _beside(1 - beta_1, mean))
    torch._foreach_copy_(way, g)
    torch._foreach_mul_(way, g)
    torch._foreach_lerp_(square, way, _beside(1 - beta_2, square))
    torch._foreach_copy_(way, square)
    torch._foreach_pow_(way, 0.5)  # `sqrt` takes 10 to 40 times as long on zeros and denormals
    torch._foreach_mul_(way, _beside(-correction / (1 - beta_2**step) ** 0.5, way))
    torch._foreach_add_(way, _beside(-correction * eps, way))
    torch._foreach_reciprocal_(way)
    torch._foreach_mul_(way, mean)


def _fused_(
    names: list[str],
    parameters: Tensors,
    gradients: Tensors,
    state: State,
    strengths: list[float],
    *,
    step: float,
    eps: float,
) -> list[str]:
    """PyTorch's own kernel, one pass over memory; returns the names of the parameters that it may not have."""
    whole = [name for name in names if _is_whole(parameters[name])]
    if whole:
        p, g, mean, square = _lists(whole, parameters, gradients, state["mean"], state["square"])
        count = torch.full((), step, dtype=torch.float32, device=p[0].device)
        rate, beta_1, beta_2, decay = strengths
        torch._fused_adamw_(
            p, [x.contiguous() for x in g], mean, square, [], [count] * len(p),
            lr=rate, beta1=beta_1, beta2=beta_2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False,
        )  # fmt: skip
    return [name for name in names if name not in whole]


def _shared(*values: Strength) -> list[float]:
    """The values, where all members share them; else nothing."""
    floats = [value for value in values if not isinstance(value, Tensor)]
    return floats if len(floats) == len(values) else []


def _is_whole(tensor: Tensor) -> bool:
    """Whether the fused kernel may have the tensor.

    It takes contiguous memory for granted. And on a CPU it goes by cache lines and rounds differently in a last one
    that is not full: each member must fill its own, or its numbers would depend on who stands beside it.
    """
    size = tensor.numel() // max(1, len(tensor)) * tensor.element_size()
    return tensor.is_contiguous() and (size % 64 == 0 or tensor.is_cuda)


def _lists(names: Iterable[str], *mappings: Tensors) -> list[list[Tensor]]:
    """The tensors of these names, mapping by mapping, as the foreach functions take them."""
    order = list(names)
    return [[mapping[name] for name in order] for mapping in mappings]


def _zeros(parameters: Tensors) -> dict[str, Tensor]:
    return {
        name: torch.zeros_like(p, requires_grad=False, memory_format=torch.contiguous_format)
        for name, p in parameters.items()
    }


def _is_zero(value: Strength) -> bool:
    """Whether a strength is 0 for all members by structure, so that its slot and its pass are not needed."""
    return not isinstance(value, Tensor) and value == 0


def _wide(value: Strength) -> Strength:
    """Coefficients are worked out in float64, as Python's own floats are, and rounded once."""
    return value.double() if isinstance(value, Tensor) else value


def _negative(value: Strength) -> Strength:
    return -_wide(value)


def _beside(value: Strength, tensors: list[Tensor]) -> Any:  # the stubs of torch know no union
    """A coefficient as the foreach functions take it: a float, or a tensor in the shape and type of each tensor."""
    if not isinstance(value, Tensor):
        return value
    narrow = value.to(tensors[0].dtype)
    return [spread(narrow, tensor) for tensor in tensors]


def _add_(tensors: list[Tensor], others: list[Tensor], scale: Strength) -> None:
    """`tensors += scale * others`."""
    if isinstance(scale, Tensor):
        torch._foreach_addcmul_(tensors, others, _beside(scale, tensors))
    else:
        torch._foreach_add_(tensors, others, alpha=scale)


def _refuse_eps(optimizer: Optimizer, eps: Any) -> None:
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < math.inf:
        raise refusal(f"{type(optimizer).__name__}.eps", "be a positive number", eps)
