"""The affine layers of any network: which there are, and in which order it calls them."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.techniques.places import Batch, Start, Tensors
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import strengths

AFFINE = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)

Hook = Callable[[str, nn.Module, tuple[Any, ...], Tensor], Tensor | None]


def affine_layers(module: nn.Module) -> dict[str, nn.Module]:
    """The affine layers inside a module by path, in the order in which they were registered.

    >>> list(affine_layers(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))))
    ['0', '2']
    """
    return {path: layer for path, layer in module.named_modules() if isinstance(layer, AFFINE)}


def visit_affine(network: nn.Module, inputs: tuple[Tensor, ...], visit: Hook) -> None:
    """Ask the network once, without gradients and in evaluation mode, and stop by at each affine layer's first call.

    `visit` gets the path, the layer, what it was called with and what it answered; what it returns, unless None, takes
    the place of the answer.
    """
    seen: set[str] = set()

    def hook(path: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor | None]:
        def stop_by(layer: nn.Module, given: tuple[Any, ...], answer: Tensor) -> Tensor | None:
            if path in seen:
                return None
            seen.add(path)
            return visit(path, layer, given, answer)

        return stop_by

    modes = {module: module.training for module in network.modules()}
    handles = [layer.register_forward_hook(hook(path)) for path, layer in affine_layers(network).items()]
    try:
        with torch.no_grad():
            network.eval()(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode


def find_last(start: Start) -> str:
    """Path of the affine layer that the network calls last, or "" where it has none."""
    called: list[str] = []
    visit_affine(copy.deepcopy(start.network), inputs_of(start.batch, 0), lambda path, *_: called.append(path))
    return called[-1] if called else ""


def inputs_of(batch: Batch, k: int) -> tuple[Tensor, ...]:
    """What one member's network is called with: numbers, and whole numbers where there are any."""
    return (batch.x[k], batch.codes[k]) if batch.codes.shape[-1] else (batch.x[k],)


def load_member_(network: nn.Module, parameters: Tensors, start: Start, k: int) -> None:
    """Give a network the parameters, buffers and strengths of one member."""
    held = {**start.buffers, **parameters}
    with torch.no_grad():
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if name in held:
                tensor.copy_(held[name][k])
    for path, module in network.named_modules():
        if isinstance(module, StackedModule) and module.technique is not None:
            names = [(name, f"{path}.{name}".lstrip(".")) for name in strengths(module.technique)]
            own = {name: float(held[full][k]) for name, full in names if full in held}
            module.technique = module.technique.bound(own)
