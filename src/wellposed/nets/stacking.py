"""Any module as one program for K members: hot layers by a rule over stacked tensors, everything else by `vmap`.

`stack_forward(module)` returns a function `(tensors, *inputs) -> output`, where `tensors` holds the module's parameters
and buffers by name, stacked over K, and inputs and output carry K first. `nn.Sequential` and the containers of this
package are taken apart, so that one foreign layer does not slow down its neighbours.

One network is a population of one, and then its parameters may come without the axis of members (inputs keep it):
autograd has fewer views to record, and foreign modules are called as they are, without `vmap`.

Images keep the memory order `(B, K, C, H, W)` behind the shape `(K, B, C, H, W)`: then K networks' convolutions are one
convolution in K groups and no layer has to copy.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wellposed.techniques.stacked import StackedModule

Forward: TypeAlias = Callable[..., Tensor]


class Container(nn.Module, ABC):
    """A module made of others, which says how their stacked forms are joined."""

    @abstractmethod
    def join(self, prefix: str) -> Forward:
        """The stacked form of the whole, from `stack_forward` of each child."""


def stack_forward(module: nn.Module, prefix: str = "") -> Forward:
    """The stacked form of a module whose tensors are found under `prefix` in what it is given."""
    forward, tied = _untied(module, prefix), _tied(module, prefix)
    if not tied:
        return forward
    return lambda tensors, *inputs: forward({**tensors, **{name: tensors[first] for name, first in tied}}, *inputs)


def call_alone(module: nn.Module, *inputs: Tensor) -> Tensor:
    """One network's output by its stacked form, as a population of one: a container's `forward`, written only once."""
    tensors: dict[str, Tensor] = dict(module.named_parameters())
    tensors |= {name: buffer.unsqueeze(0) for name, buffer in module.named_buffers()}
    return stack_forward(module)(tensors, *(x.unsqueeze(0) for x in inputs)).squeeze(0)


def _untied(module: nn.Module, prefix: str) -> Forward:
    if isinstance(module, StackedModule):
        return _stacked(module, prefix)
    if isinstance(module, Container):
        return module.join(prefix)
    rule = RULES.get(type(module))
    return rule(module, prefix) if rule is not None and not _is_hooked(module) else _vmapped(module, prefix)


def _tied(module: nn.Module, prefix: str) -> list[tuple[str, str]]:
    """Further names of tensors that stand in several places, each with the first, which alone is in what is given."""
    first: dict[int, str] = {}
    every = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    names = [(prefix + name, first.setdefault(id(tensor), prefix + name)) for name, tensor in every]
    return [(name, known) for name, known in names if name != known]


def _is_hooked(module: nn.Module) -> bool:
    """Hooks see one network at a time, so a hooked module is left to `vmap`, which calls it as it is."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _stacked(module: StackedModule, prefix: str) -> Forward:
    names = [(name, prefix + name) for name in module.tensor_names()]
    dims = {} if module.takes_one else {name: p.dim() for name, p in module.named_parameters(recurse=False)}

    def forward(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        own = {name: tensors[full] for name, full in names if full in tensors}
        for name, alone in dims.items():
            own[name] = own[name].unsqueeze(0) if own[name].dim() == alone else own[name]
        return module.stacked(own, x)

    return forward


def _vmapped(module: nn.Module, prefix: str) -> Forward:
    parameters = {name: (prefix + name, p.dim()) for name, p in module.named_parameters()}
    buffers = {name: prefix + name for name, _ in module.named_buffers()}

    def alone(own: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(module, own, inputs)
        return output

    together = torch.func.vmap(alone, randomness="different")

    def forward(tensors: Mapping[str, Tensor], *inputs: Tensor) -> Tensor:
        own = {name: tensors[full] for name, (full, _) in parameters.items()}
        held = {name: tensors[full] for name, full in buffers.items()}
        if any(own[name].dim() == dim for name, (_, dim) in parameters.items()):
            held = {name: tensor.squeeze(0) for name, tensor in held.items()}
            return alone({**own, **held}, *(x.squeeze(0) for x in inputs)).unsqueeze(0)
        output: Tensor = together({**own, **held}, *inputs)
        return output

    return forward


def _sequential(module: nn.Module, prefix: str) -> Forward:
    named = module._modules.items()  # `named_children` leaves out a layer that is used again
    children = [stack_forward(child, f"{prefix}{name}.") for name, child in named if child is not None]

    def forward(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        for child in children:
            x = child(tensors, x)
        return x

    return forward


def _elementwise(module: nn.Module, prefix: str) -> Forward:
    apart = copy.copy(module)
    if "inplace" in vars(apart):
        vars(apart)["inplace"] = False  # what comes in may be the data themselves, seen by every member
    return lambda tensors, x: apart(x)


def _flatten(module: nn.Module, prefix: str) -> Forward:
    if not isinstance(module, nn.Flatten) or (module.start_dim, module.end_dim) != (1, -1):
        return _vmapped(module, prefix)
    return lambda tensors, x: x.flatten(2)


def _linear(module: nn.Module, prefix: str) -> Forward:
    weight, bias = f"{prefix}weight", f"{prefix}bias"
    biased = isinstance(module, nn.Linear) and module.bias is not None

    def forward(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        w, b = tensors[weight], tensors[bias] if biased else None
        if w.dim() == 2:
            return F.linear(x, w, b)
        flat = x if x.dim() == 3 else x.flatten(1, -2)
        out: Tensor = _Affine.apply(flat, w, b)  # type: ignore[no-untyped-call]
        return out if x.dim() == 3 else out.view(*x.shape[:-1], -1)

    return forward


class _Affine(torch.autograd.Function):
    """`x w^T + b` for K members. By its own formula the weights' gradient would come transposed, and be copied."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.biased = b is not None
        return torch.bmm(x, w.transpose(1, 2)) if b is None else torch.baddbmm(b.unsqueeze(1), x, w.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        inward = torch.bmm(g, w) if ctx.needs_input_grad[0] else None
        return inward, torch.bmm(g.transpose(1, 2), x), g.sum(1) if ctx.biased else None


def merge(x: Tensor) -> Tensor:
    """`K B C H W` as `B KC H W`; free where memory is in that order."""
    k, b, c, *rest = x.shape
    return x.transpose(0, 1).reshape(b, k * c, *rest)


def unmerge(x: Tensor, k: int) -> Tensor:
    """`B KC H W` as `K B C H W`, without a copy."""
    return x.view(x.shape[0], k, -1, *x.shape[2:]).transpose(0, 1)


def _conv(module: nn.Module, prefix: str) -> Forward:
    if not isinstance(module, nn.Conv1d | nn.Conv2d) or module.padding_mode != "zeros":
        return _vmapped(module, prefix)
    conv, weight, bias = module, f"{prefix}weight", f"{prefix}bias"
    convolve: Callable[..., Tensor] = F.conv1d if isinstance(conv, nn.Conv1d) else F.conv2d
    biased, alone = conv.bias is not None, conv.weight.dim()

    def forward(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        k, w, b = x.shape[0], tensors[weight], tensors[bias] if biased else None
        if w.dim() > alone:
            w, b = w.flatten(0, 1), None if b is None else b.flatten()
        out = convolve(merge(x), w, b, conv.stride, conv.padding, conv.dilation, k * conv.groups)
        return unmerge(out, k)

    return forward


def _prelu(module: nn.Module, prefix: str) -> Forward:
    if not isinstance(module, nn.PReLU):
        return _vmapped(module, prefix)
    weight, n = f"{prefix}weight", module.num_parameters

    def forward(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return torch.where(x > 0, x, tensors[weight].view(-1, 1, n, *[1] * (x.dim() - 3)) * x)

    return forward


def _per_channel(module: nn.Module, prefix: str) -> Forward:
    return lambda tensors, x: unmerge(module(merge(x)), x.shape[0])


def _embedding(module: nn.Module, prefix: str) -> Forward:
    if (
        not isinstance(module, nn.Embedding)
        or module.max_norm is not None
        or module.scale_grad_by_freq
        or module.sparse
    ):
        return _vmapped(module, prefix)
    weight, padding = f"{prefix}weight", module.padding_idx

    def forward(tensors: Mapping[str, Tensor], codes: Tensor) -> Tensor:
        w = tensors[weight] if tensors[weight].dim() > 2 else tensors[weight].unsqueeze(0)
        if padding is not None:  # its row gets no gradient (`vmap` of PyTorch forgets that)
            rows = torch.arange(w.shape[1], device=w.device).unsqueeze(1)
            w = torch.where(rows == padding, w.detach(), w)
        first = torch.arange(w.shape[0], device=w.device).view(-1, *[1] * (codes.dim() - 1)) * w.shape[1]
        return F.embedding(codes + first, w.flatten(0, 1))

    return forward


RULES: dict[type[nn.Module], Callable[[nn.Module, str], Forward]] = {
    nn.Sequential: _sequential,
    nn.Linear: _linear,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d), _conv),
    nn.PReLU: _prelu,
    nn.Embedding: _embedding,
    nn.Flatten: _flatten,
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d), _per_channel),
    **dict.fromkeys(
        (
            nn.Identity,
            nn.ReLU,
            nn.LeakyReLU,
            nn.ELU,
            nn.SELU,
            nn.GELU,
            nn.SiLU,
            nn.Mish,
            nn.Softsign,
            nn.Softplus,
            nn.Tanh,
            nn.Sigmoid,
        ),
        _elementwise,
    ),
}
