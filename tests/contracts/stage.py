"""What a technique of each place acts on, and how it is called: once for all techniques of the place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from wellposed.random import make_key
from wellposed.techniques.places import (
    Answers,
    AnswerTechnique,
    AverageTechnique,
    Batch,
    BatchTechnique,
    BranchTechnique,
    Curves,
    EndTechnique,
    Facts,
    GradientTechnique,
    InnerTechnique,
    LayerTechnique,
    LossTechnique,
    Moment,
    OutputTechnique,
    ParametrizationTechnique,
    PointTechnique,
    SampleTechnique,
    UpdateTechnique,
    WeightTechnique,
)
from wellposed.techniques.technique import Technique

WORDS = ("", "?", "the", "big", "large", "huge", "dog", "hound", "ran", "far", "away", ".", "!")
"""What the stage's tokens mean."""

Results = dict[str, Tensor]
Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Stage:
    """Members and all that a technique may meet. Every tensor carries the members first."""

    parameters: Tensors
    gradients: Tensors
    batch: Tensors
    images: Tensors
    steps: Tensors
    tokens: Tensors
    hidden: Tensors
    scores: Tensors
    keys: Tensors

    @classmethod
    def build(cls, members: int, dtype: torch.dtype) -> Self:
        """The same stage at each call, for as many members as asked for."""
        generator = torch.Generator().manual_seed(1)

        def draw(*shape: int) -> Tensor:
            return torch.randn(members, *shape, generator=generator, dtype=torch.float64).to(dtype)

        target = torch.eye(3, dtype=dtype)[torch.arange(members * 8) % 3].view(members, 8, 3)
        none = torch.zeros(members, 8, 0, dtype=torch.int64)
        words = torch.randint(2, len(WORDS), (members, 8, 9), generator=generator)
        words[..., 7:] = 0
        real = (torch.arange(9) < 7).to(dtype).view(9, 1)
        shapes = {"a.weight": (5, 4), "a.bias": (5,), "b.weight": (3, 5, 2, 2), "b.bias": (3,)}
        return cls(
            parameters={name: draw(*shape) for name, shape in shapes.items()},
            gradients={name: draw(*shape) for name, shape in shapes.items()},
            batch={"x": draw(8, 4), "y": target, "codes": none},
            images={"x": draw(8, 3, 12, 10).sigmoid(), "y": target, "codes": none},
            steps={"x": draw(8, 9, 2) * real, "y": target, "codes": torch.full((members, 8, 1), 7)},
            tokens={"x": draw(8, 0), "y": target, "codes": words},
            hidden={"x": draw(8, 4), "channels": draw(8, 4, 6, 6)},
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


def _batch(t: BatchTechnique, s: Stage, kind: str) -> Results:
    given = getattr(s, kind)
    low = torch.zeros(3) if kind == "images" else torch.full((given["x"].shape[-1],), -3.0)
    facts = Facts(low.to(given["x"]), (low.abs() + 1).to(given["x"]), WORDS)
    changed = t.batch(Batch(given["x"].clone(), given["codes"].clone(), given["y"], None, facts), s.keys["key"])
    return {"x": changed.x, "y": changed.y, "codes": changed.codes}


def _penalty(t: LossTechnique, s: Stage) -> Results:
    return {"penalty": t.penalty(s.parameters)}


def _gradient(t: GradientTechnique, s: Stage) -> Results:
    gradients = {name: g.clone() for name, g in s.gradients.items()}
    t.gradient_(gradients, s.parameters, s.keys["key"], Moment(3, 2, 10))
    return gradients


def _point(t: PointTechnique, s: Stage) -> Results:
    return t.point(s.parameters, dict(s.gradients) if t.needs_gradients else {}, s.keys["key"])


def _penalize(t: AnswerTechnique, s: Stage) -> Results:
    """Of a linear network, whose masks are of two kinds."""
    x, weight = s.batch["x"].clone().requires_grad_(), s.gradients["a.weight"][:, :3]

    def ask(draw: int) -> Tensor:
        return torch.bmm(x, weight.transpose(1, 2) * (1 + draw)).tanh()

    def loss_at(x: Tensor) -> Tensor:
        return (torch.bmm(x, weight.transpose(1, 2)).tanh() - s.batch["y"]).square().mean((1, 2))

    batch = Batch(x, s.batch["codes"], s.batch["y"], None)
    return {"penalty": t.penalize(Answers(ask(0), batch, ask, loss_at(x), loss_at), s.keys["key"]).detach()}


def _update(t: UpdateTechnique, s: Stage) -> Results:
    parameters = {name: p.clone() for name, p in s.parameters.items()}
    t.update_(parameters, 0.1)
    return parameters


def _average(t: AverageTechnique, s: Stage) -> Results:
    mean = {name: g.clone() for name, g in s.gradients.items()}
    parameters = {name: p.clone() for name, p in s.parameters.items()}
    for step in (1, 2, 3):
        t.average_(mean, parameters, Moment(step, 1, 3))
    return mean


def _ended(t: EndTechnique, s: Stage) -> Results:
    scores, gradients = s.scores["scores"], torch.cat([g.flatten(1) for g in s.gradients.values()], dim=1)
    return {"ended": t.ended(Curves(scores, scores.exp(), 10.0, lambda: gradients.view(len(scores), 8, -1)))}


def _output(t: OutputTechnique, s: Stage) -> Results:
    logits = s.batch["x"][..., :3]
    fitted = t.fit(logits, torch.arange(logits.shape[1]) % 3)
    return {"output": t.output(logits, fitted)}


ACTS: dict[type[Technique], Callable[[Technique, Stage], Results]] = {
    SampleTechnique: _rows,
    WeightTechnique: _weights,
    LossTechnique: _penalty,
    AnswerTechnique: _penalize,
    GradientTechnique: _gradient,
    PointTechnique: _point,
    UpdateTechnique: _update,
    AverageTechnique: _average,
    EndTechnique: _ended,
    OutputTechnique: _output,
}

UNTOUCHED: dict[type[Technique], Callable[[Stage], Results]] = {
    BranchTechnique: lambda s: {"x": s.hidden["x"]},
    ParametrizationTechnique: lambda s: {"x": s.parameters["a.weight"]},
    AnswerTechnique: lambda s: {"penalty": torch.zeros_like(s.scores["scores"][:, 0])},
    PointTechnique: lambda s: dict(s.parameters),
    LossTechnique: lambda s: {"penalty": torch.zeros_like(s.scores["scores"][:, 0])},
    GradientTechnique: lambda s: dict(s.gradients),
    UpdateTechnique: lambda s: dict(s.parameters),
    AverageTechnique: lambda s: dict(s.parameters),
}
"""What is there without the technique: for an average, the last weights."""


def untouched(technique: Technique, stage: Stage, kind: str) -> Results:
    """What is there without the technique."""
    if isinstance(technique, BatchTechnique):
        return dict(getattr(stage, kind))
    if isinstance(technique, LayerTechnique):
        return {"x": stage.hidden["x" if 1 in technique.axes else "channels"]}
    return next(found for place, found in UNTOUCHED.items() if isinstance(technique, place))(stage)


def act(technique: Technique, strengths: Mapping[str, Tensor], stage: Stage, kind: str = "batch") -> Results:
    """All that the technique makes or changes when each member has its own strengths.

    `kind` says on which batch: "batch" of numbers, "images", "steps" of sequences, or "tokens" of texts.
    """
    if isinstance(technique, InnerTechnique):
        return _inner(technique, strengths, stage)
    if isinstance(technique, BatchTechnique):
        return _batch(technique.bound(strengths), stage, kind)
    place = next(place for place in ACTS if isinstance(technique, place))
    return ACTS[place](technique.bound(strengths), stage)


def _inner(technique: InnerTechnique, strengths: Mapping[str, Tensor], stage: Stage) -> Results:
    """Output and buffers of the layer, its tensors stacked, with the strengths that differ beside them."""
    if isinstance(technique, LayerTechnique):
        x = stage.hidden["x" if 1 in technique.axes else "channels"]
        module = technique.layer(tuple(x.shape[2:]))
    elif isinstance(technique, BranchTechnique):
        x, module = stage.hidden["x"], technique.branch(1.0)
    else:
        x = stage.parameters["a.weight"]
        module = technique.parametrization(tuple(x.shape[1:]))
    module.technique = technique
    module.to(x.dtype).train()
    own = {name: p.detach() for name, p in module.named_parameters()} | dict(module.named_buffers())
    tensors = {name: t.unsqueeze(0).repeat(len(x), *[1] * t.dim()) for name, t in own.items()}
    tensors |= {name: key for name, key in stage.keys.items() if name in tensors} | dict(strengths)
    y = module.stacked(tensors, x.clone())
    return {"x": y, **{name: tensors[name] for name, _ in module.named_buffers()}}
