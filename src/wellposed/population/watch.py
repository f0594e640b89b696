"""Naming the layer where a member failed: its last steps are repeated alone, with every layer watched."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.population.record import Failure
from wellposed.population.state import State
from wellposed.population.step import network_inputs
from wellposed.techniques.places import Batch


def name_failure(network: nn.Module, member: State, batch: Batch) -> Failure:
    """Where the numbers of one member first stop being finite, on a batch for which its loss does.

    Args:
        network: One network of the population's structure, in the mode in which the failure was seen.
        member: A state of one member, as it was before the step that failed.
        batch: What the member saw.
    """
    step = member.step + 1
    for name, tensor in member.parameters.items():
        if not torch.isfinite(tensor).all():
            return Failure(step, name)
    where: list[str] = []

    def look_at(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def look(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if isinstance(output, Tensor) and not torch.isfinite(output).all():
                where.append(name)

        return look

    handles = [module.register_forward_hook(look_at(name)) for name, module in network.named_modules() if name]
    try:
        known = {**member.parameters, **member.buffers}  # with strengths and keys of places, which are no tensors of it
        own = (name for name, _ in (*network.named_parameters(), *network.named_buffers()))
        tensors = {name: known[name][0] for name in own}
        inputs = tuple(t[0] for t in network_inputs(batch))
        with torch.no_grad():
            torch.func.functional_call(network, tensors, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return Failure(step, where[0] if where else "loss")
