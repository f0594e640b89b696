"""What a technique of each place acts on, and how it is called: once for all techniques of the place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from wellposed.random import make_key
from wellposed.techniques.places import (
    AverageTechnique,
    Batch,
    BatchTechnique,
    EndTechnique,
    GradientTechnique,
    LayerTechnique,
    LossTechnique,
    SampleTechnique,
    UpdateTechnique,
    WeightTechnique,
)
from wellposed.techniques.technique import Technique

Results = dict[str, Tensor]
Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Stage:
    """Members and all that a technique may meet. Every tensor carries the members first."""

    parameters: Tensors
    gradients: Tensors
    batch: Tensors
    hidden: Tensors
    scores: Tensors
    keys: Tensors

    @classmethod
    def build(cls, members: int, dtype: torch.dtype) -> Self:
        """The same stage at each call, for as many members as asked for."""
        generator = torch.Generator().manual_seed(1)

        def draw(*shape: int) -> Tensor:
            return torch.randn(members, *shape, generator=generator, dtype=torch.float64).to(dtype)

        shapes = {"a.weight": (5, 4), "a.bias": (5,), "b.weight": (3, 5, 2, 2), "b.bias": (3,)}
        return cls(
            parameters={name: draw(*shape) for name, shape in shapes.items()},
            gradients={name: draw(*shape) for name, shape in shapes.items()},
            batch={"x": draw(8, 4), "y": torch.eye(3, dtype=dtype)[torch.arange(members * 8) % 3].view(members, 8, 3)},
            hidden={"x": draw(8, 4)},
            scores={"scores": draw(9)},
            keys={"key": make_key(torch.arange(members), step=1, place="stage")},
        )

    def changed(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Another stage, on which every tensor was changed in this way."""
        return replace(self, **{f.name: {n: change(t) for n, t in getattr(self, f.name).items()} for f in fields(self)})

    def take(self, k: int) -> Self:
        """The stage of one member alone."""
        return self.changed(lambda t: t[k : k + 1].clone())

    def spoiled(self, k: int) -> Self:
        """The same stage on which all numbers of one member are NaN."""

        def spoil(tensor: Tensor) -> Tensor:
            tensor = tensor.clone()
            if tensor.is_floating_point():
                tensor[k] = float("nan")
            return tensor

        return self.changed(spoil)


def _rows(t: SampleTechnique, s: Stage) -> Results:
    return {"rows": t.rows(20, s.keys["key"])}


def _weights(t: WeightTechnique, s: Stage) -> Results:
    return {"weights": t.weights((5, 4, 3), s.keys["key"], dtype=s.hidden["x"].dtype)}


def _batch(t: BatchTechnique, s: Stage) -> Results:
    x, y = s.batch["x"], s.batch["y"]
    changed = t.batch(Batch(x, torch.zeros(len(x), 8, 0, dtype=torch.int64), y, None), s.keys["key"])
    return {"x": changed.x, "y": changed.y}


def _penalty(t: LossTechnique, s: Stage) -> Results:
    return {"penalty": t.penalty(s.parameters)}


def _gradient(t: GradientTechnique, s: Stage) -> Results:
    gradients = {name: g.clone() for name, g in s.gradients.items()}
    t.gradient_(gradients, s.parameters, s.keys["key"])
    return gradients


def _update(t: UpdateTechnique, s: Stage) -> Results:
    parameters = {name: p.clone() for name, p in s.parameters.items()}
    t.update_(parameters, 0.1)
    return parameters


def _average(t: AverageTechnique, s: Stage) -> Results:
    mean = {name: g.clone() for name, g in s.gradients.items()}
    for step in (1, 2, 3):
        t.average_(mean, s.parameters, step)
    return mean


def _ended(t: EndTechnique, s: Stage) -> Results:
    return {"ended": t.ended(s.scores["scores"])}


ACTS: dict[type[Technique], Callable[[Technique, Stage], Results]] = {
    SampleTechnique: _rows,
    WeightTechnique: _weights,
    BatchTechnique: _batch,
    LossTechnique: _penalty,
    GradientTechnique: _gradient,
    UpdateTechnique: _update,
    AverageTechnique: _average,
    EndTechnique: _ended,
}

UNTOUCHED: dict[type[Technique], Callable[[Stage], Results]] = {
    BatchTechnique: lambda s: dict(s.batch),
    LayerTechnique: lambda s: {"x": s.hidden["x"]},
    LossTechnique: lambda s: {"penalty": torch.zeros_like(s.scores["scores"][:, 0])},
    GradientTechnique: lambda s: dict(s.gradients),
    UpdateTechnique: lambda s: dict(s.parameters),
    AverageTechnique: lambda s: dict(s.parameters),
}
"""What is there without the technique: for an average, the last weights."""


def act(technique: Technique, strengths: Mapping[str, Tensor], stage: Stage) -> Results:
    """All that the technique makes or changes when each member has its own strengths."""
    if isinstance(technique, LayerTechnique):
        return _layer(technique, strengths, stage)
    place = next(place for place in ACTS if isinstance(technique, place))
    return ACTS[place](technique.bound(strengths), stage)


def _layer(technique: LayerTechnique, strengths: Mapping[str, Tensor], stage: Stage) -> Results:
    """Output and buffers of the layer, its tensors stacked, with the strengths that differ beside them."""
    x = stage.hidden["x"]
    module = technique.layer(tuple(x.shape[2:])).to(x.dtype).train()
    own = {name: p.detach() for name, p in module.named_parameters()} | dict(module.named_buffers())
    tensors = {name: t.unsqueeze(0).repeat(len(x), *[1] * t.dim()) for name, t in own.items()}
    tensors |= {name: key for name, key in stage.keys.items() if name in tensors} | dict(strengths)
    y = module.stacked(tensors, x.clone())
    return {"x": y, **{name: tensors[name] for name, _ in module.named_buffers()}}
