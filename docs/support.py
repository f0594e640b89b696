"""Write techniques.md: every technique by place, and what was seen to work of it.

    python docs/support.py

Each mark comes from running the technique, as the contract tests do, when this script was last run.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.contracts.case import Case  # noqa: E402
from tests.contracts.cases import CASES  # noqa: E402
from tests.contracts.stage import ACTS, Stage, act  # noqa: E402

from wellposed.techniques import ALL  # noqa: E402
from wellposed.techniques.places import (  # noqa: E402
    BatchTechnique,
    BranchTechnique,
    DataTechnique,
    InnerTechnique,
    LayerTechnique,
    ParametrizationTechnique,
)
from wellposed.techniques.technique import Technique, strength_fields  # noqa: E402

PLACES = {
    "data": "1 The data, before training",
    "weights": "2 The weights, at step 0",
    "batch": "3 The batch",
    "layers": "4 The layers",
    "loss": "5 The loss",
    "gradient": "6 The gradient",
    "update": "7 The update",
    "average": "8 The average over time",
    "end": "9 The end",
    "prediction": "10 The prediction",
}
HEAD = """# Techniques

Made by `docs/support.py`; every mark was run. The source, the formula and what a technique is good and bad for stand in
its file.

| mark | means |
|---|---|
| strengths | may differ from member to member of one population, may be searched, may follow a schedule (a ramp) |
| float64, bfloat16 | keeps this type, and gives finite numbers in it |
| compiled | its module is one graph under `torch.compile(fullgraph=True)` |
| CUDA | ran on a GPU; "?" where the script was last run on a machine without one |
"""


def seen(run: Callable[[], object]) -> str:
    """Whether something runs."""
    try:
        run()
    except Exception:  # any failure is a "no" in the table
        return "no"
    return "yes"


def in_type(case: Case, dtype: torch.dtype) -> str:
    """Whether a technique works in a type."""

    def run() -> None:
        technique = case.example
        if isinstance(technique, DataTechnique):
            x = torch.linspace(-1, 1, 60).view(20, 3).sin().to(dtype)
            results = {"x": technique.data(x, technique.fit(x, None))}
        else:
            results = act(technique, {}, Stage.build(2, dtype), case.kind)
        for tensor in results.values():
            if tensor.is_floating_point() and (tensor.dtype != dtype or not torch.isfinite(tensor).all()):
                raise TypeError

    return seen(run)


def module_of(technique: InnerTechnique) -> tuple[torch.nn.Module, Tensor]:
    """One member's layer and something to feed it with."""
    if isinstance(technique, LayerTechnique):
        shape = (4,) if 1 in technique.axes else (4, 6, 6)
        return technique.layer(shape), torch.randn(8, *shape)
    if isinstance(technique, BranchTechnique):
        return technique.branch(1.0), torch.randn(8, 4)
    if isinstance(technique, ParametrizationTechnique):
        return technique.parametrization((5, 4)), torch.randn(5, 4)
    raise TypeError(technique)


def compiled(technique: Technique) -> str:
    """Whether a layer is one graph, forward and backward."""
    if not isinstance(technique, InnerTechnique):
        return ""

    def run() -> None:
        module, x = module_of(technique)
        torch._dynamo.reset()
        torch.compile(module.train(), fullgraph=True, backend="aot_eager")(x.requires_grad_()).sum().backward()

    return seen(run)


def on_gpu(case: Case) -> str:
    """Whether a technique runs on a GPU."""
    if not torch.cuda.is_available():
        return "?"

    def run() -> None:
        if isinstance(case.example, DataTechnique):
            x = torch.randn(20, 3, device="cuda")
            case.example.data(x, case.example.fit(x, None))
        else:
            act(case.example, {}, Stage.build(2, torch.float32).changed(lambda t: t.cuda()), case.kind)

    return seen(run)


def described(kind: type[Technique]) -> str:
    """What a technique's line says without running it."""
    path = Path(inspect.getfile(kind)).relative_to(ROOT)
    what = (inspect.getdoc(kind) or "").splitlines()[0].rstrip(".")
    ranges = {f.name: f.metadata["valid"] for f in strength_fields(kind)}
    strengths = ", ".join(f"{name} {low:g}..{high:g}" for name, (low, high) in ranges.items())
    return f"| [`{kind.__name__}`](../{path}) | {what} | {strengths} |"


def row(kind: type[Technique]) -> str:
    """One technique's line."""
    case = CASES[kind]
    runs = isinstance(case.example, (*ACTS, BatchTechnique, InnerTechnique, DataTechnique))
    marks = [in_type(case, torch.float64), in_type(case, torch.bfloat16)] if runs else ["", ""]
    marks += [compiled(case.example), on_gpu(case) if runs else ""]
    return f"{described(kind)} {' | '.join(marks)} |"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for folder, title in PLACES.items():
        parts.append(f"\n## {title}\n\n| technique | what it does | strengths | float64 | bfloat16 | compiled | CUDA |")
        parts.append("|---|---|---|---|---|---|---|")
        parts += [row(kind) for kind in ALL if kind.__module__.split(".")[-2] == folder]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "techniques.md").write_text(page(), encoding="utf-8")
