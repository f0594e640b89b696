"""From recipes and seeds to a population at step 0: one template module, stacked weights, stacked strengths."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from wellposed.checks import refusal
from wellposed.errors import NoEffect
from wellposed.nets.net import Inputs, number_layers, place, unplaced
from wellposed.nets.reweighted import start_parametrizations
from wellposed.population.state import State
from wellposed.random import make_key, normal
from wellposed.recipe import Recipe
from wellposed.techniques import Dropout, He
from wellposed.techniques.places import (
    AverageTechnique,
    BranchTechnique,
    InnerTechnique,
    LayerTechnique,
    WeightTechnique,
)
from wellposed.techniques.stacked import StackedModule
from wellposed.techniques.technique import Own, stack_values, stack_vectors, strengths

Factory = Callable[[], nn.Module]
AFFINE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Blueprint:
    """What all members have in common.

    Attributes:
        recipe: One of the members' recipes; their structure is the same.
        template: One network of this structure; only its structure and the starting values of norms are used.
        factory: Where the template came from, if the recipe did not build it.
    """

    recipe: Recipe
    template: nn.Module
    factory: Factory | None


def build_template(
    recipe: Recipe, *, inputs: Inputs, outputs: int, factory: Factory | None, dtype: torch.dtype, device: torch.device
) -> Blueprint:
    """One network of the recipe's structure, or of the user's factory with drawing layers made reproducible."""
    recipe = recipe.with_strengths({})  # a technique that is written twice becomes two, told apart by identity
    with torch.random.fork_rng(devices=[]):  # modules draw starting weights of their own, which are not used
        torch.manual_seed(0)  # what a factory draws beside its weights, such as buffers, is the same in every run
        inner = recipe.of(InnerTechnique)
        module = recipe.net.build(inputs, outputs, inner) if factory is None else factory()
    if not isinstance(module, nn.Module):
        raise refusal("What the factory returns", "be a torch.nn.Module", type(module).__name__)
    if not any(p.requires_grad for p in module.parameters()):
        raise refusal("The factory's module", "have parameters to train", "none that requires a gradient")
    for technique in unplaced(module, inner):
        kind = type(technique).__name__
        if factory is None:
            raise refusal(kind, f"have room in the net {type(recipe.net).__name__}", "none", _room_for(technique))
        idle = f"{kind} changes nothing: the factory's module is trained as it is. Put its layer into the module."
        warnings.warn(idle, NoEffect, stacklevel=2)
    replace_dropout(module)
    number_layers(module)
    return Blueprint(recipe, module.to(device, dtype), factory)


def _room_for(technique: InnerTechnique) -> str:
    """Where a technique inside the network would have room."""
    if isinstance(technique, BranchTechnique):
        nets = "ResNet, MLP with residual" if technique.doubles else "ResNet, Transformer, MLP with residual"
        return f"Take it out of the recipe, or use a net of residual blocks: {nets}."
    if isinstance(technique, LayerTechnique) and technique.axes == {3}:
        return "It acts on channels (C, H, W): take it out of the recipe, or use the net CNN or ResNet."
    return "Take it out of the recipe, or give the net a hidden layer."


def replace_dropout(module: nn.Module, prefix: str = "") -> list[str]:
    """Put this package's dropout, whose masks are a function of seed and step, where `nn.Dropout` stood; its names."""
    changed: list[str] = []
    for name, child in module._modules.items():  # `named_children` leaves out a layer that is used again
        if child is None:
            continue
        if type(child) is nn.Dropout:
            setattr(module, name, place(Dropout(rate=child.p), ()))
            changed.append(prefix + name)
        else:
            changed += replace_dropout(child, f"{prefix}{name}.")
    return changed


def initial_state(
    blueprint: Blueprint,
    recipes: Sequence[Recipe],
    seeds: Int64[Tensor, " K"],
    *,
    dtype: torch.dtype,
    device: torch.device,
) -> State:
    """The population at step 0.

    Args:
        blueprint: What the members have in common.
        recipes: One a member, all of one structure.
        seeds: One a member.
        dtype: Of parameters and floating buffers.
        device: Where the tensors live.
    """
    recipe, template = blueprint.recipe, blueprint.template
    stacked = stack_strengths(recipes, dtype=dtype, device=device)
    bound = recipe.with_strengths({n: v for n, v in stacked.items() if isinstance(v, Tensor)})
    if blueprint.factory is None or recipe.of(WeightTechnique):
        parameters = _drawn(template, bound, seeds, dtype)
    else:
        parameters = _from_factory(blueprint.factory, seeds, dtype, device)
    buffers = _buffers(blueprint, stacked, len(seeds), dtype, device)
    for name, value in start_parametrizations(template, {**parameters, **buffers}).items():
        (parameters if name in parameters else buffers)[name] = value
    frozen = {name: parameters.pop(name) for name, p in template.named_parameters() if not p.requires_grad}
    buffers = frozen | buffers
    averaged = {**parameters, **buffers} if recipe.of(AverageTechnique) else {}
    return State(
        ids=torch.arange(len(seeds), device=device),
        seeds=seeds,
        parameters=parameters,
        buffers=buffers,
        slots=bound.optimizer.state(parameters),
        means={name: t.clone() for name, t in averaged.items() if t.is_floating_point()},
        strengths=stacked,
        owned=None,
        loss_sum=torch.zeros(len(seeds), dtype=torch.float64, device=device),
        step=0,
    )


def stack_strengths(recipes: Sequence[Recipe], *, dtype: torch.dtype, device: torch.device) -> dict[str, Own]:
    """Each strength and vector of a recipe by name, over the members, stacked."""
    each, many = [recipe.strengths() for recipe in recipes], [recipe.vectors() for recipe in recipes]
    stacked: dict[str, Own] = {n: stack_values([own[n] for own in each], dtype=dtype, device=device) for n in each[0]}
    return stacked | {n: stack_vectors([own[n] for own in many], dtype=dtype, device=device) for n in many[0]}


def _drawn(template: nn.Module, bound: Recipe, seeds: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights by the recipe's technique (He's where it names none), biases 0, embeddings N(0, 1/width)."""
    technique = next(iter(bound.of(WeightTechnique)), He())
    owners = {
        f"{path}.{name}".lstrip("."): module
        for path, module in template.named_modules()
        for name, _ in module.named_parameters(recurse=False)
    }
    parameters = {}
    for name, parameter in template.named_parameters():
        shape, owner, key = tuple(parameter.shape), owners[name], make_key(seeds, step=0, place=name)
        if isinstance(owner, AFFINE) and parameter.requires_grad:
            drawn = technique.weights(shape, key, dtype=dtype) if parameter.dim() > 1 else None
            parameters[name] = (
                torch.zeros(len(seeds), *shape, dtype=dtype, device=seeds.device) if drawn is None else drawn
            )
        elif isinstance(owner, nn.Embedding) and parameter.requires_grad:
            parameters[name] = normal(key, shape, dtype=dtype) * shape[-1] ** -0.5
        else:
            parameters[name] = _repeated(parameter.detach(), len(seeds), dtype, seeds.device)
    return parameters


def _from_factory(factory: Factory, seeds: Tensor, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """The starting weights that the factory itself draws, one call a member, each from the member's own seed."""
    drawn: list[dict[str, Tensor]] = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds.tolist():
            torch.manual_seed(seed)
            drawn.append({name: p.detach().to(device, dtype) for name, p in factory().named_parameters()})
    return {name: torch.stack([member[name] for member in drawn]) for name in drawn[0]}


def _buffers(
    blueprint: Blueprint, stacked: dict[str, Own], k: int, dtype: torch.dtype, device: torch.device
) -> dict[str, Tensor]:
    """The template's buffers for each member, and beside them the strengths of layers in which members differ."""
    buffers = {name: _repeated(buffer, k, dtype, device) for name, buffer in blueprint.template.named_buffers()}
    for path, strength in _strengths_by_path(blueprint):
        value = stacked[strength]
        if isinstance(value, Tensor):
            buffers[path] = value
    return buffers


def strengths_in(blueprint: Blueprint) -> dict[str, tuple[str, ...]]:
    """Where in the network each strength lives that follows a schedule: names of tensors by name of strength."""
    ramped = {ramp.strength for ramp in blueprint.recipe.ramps}
    found = [(strength, path) for path, strength in _strengths_by_path(blueprint) if strength in ramped]
    return {strength: tuple(path for own, path in found if own == strength) for strength, _ in found}


def _strengths_by_path(blueprint: Blueprint) -> list[tuple[str, str]]:
    """The name of a tensor that a layer asks for, and of the recipe's strength behind it."""
    names = {id(technique): name for name, technique in blueprint.recipe.named().items()}
    return [
        (f"{path}.{field}".lstrip("."), f"{names[id(module.technique)]}.{field}")
        for path, module in blueprint.template.named_modules()
        if isinstance(module, StackedModule) and module.technique is not None and id(module.technique) in names
        for field in strengths(module.technique)
    ]


def _repeated(tensor: Tensor, k: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """K copies of a tensor, in memory of their own."""
    like = dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(device, like).unsqueeze(0).repeat(k, *[1] * tensor.dim())
