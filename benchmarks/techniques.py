"""What does a technique cost inside a population, beside the matrix products it accompanies and beside PyTorch's own?

A layer is run forward and backward for K members at once; the other side is the affine layer 256-256 of the same
population (of "on images" the convolution of 3 x 3 from 16 to 16 channels of 14 x 14), a loop over K of PyTorch's
modules, and one of them beside K = 1. Where PyTorch has none, the loop is over ours. The other places are run once,
penalties with their gradients, beside a loop over PyTorch's functions. A population's images lie in memory as its
convolutions leave them, and freed memory is kept, for both sides, as in its trainings. See README.md for the method.
    python benchmarks/techniques.py [--members 32] [--width 256] [--rows 64] [--rounds 9] [--device cpu]
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import common
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from wellposed.nets.stacking import stack_forward
from wellposed.population.plan import kept_pages
from wellposed.random import make_key
from wellposed.techniques import (
    EMA,
    L1,
    L2,
    AdaptiveClip,
    AlphaDropout,
    BatchNorm,
    BatchRenorm,
    ClipNorm,
    ClipValue,
    DropBlock,
    DropConnect,
    Dropout,
    ElasticNet,
    FeatureNoise,
    GaussianDropout,
    GhostBatchNorm,
    GroupLasso,
    GroupNorm,
    He,
    InstanceNorm,
    LayerNorm,
    MaxNorm,
    Orthogonal,
    RMSNorm,
    SpatialDropout,
    SpectralNorm,
    StochasticDepth,
    WeightDecay,
    WeightNorm,
    Xavier,
)
from wellposed.techniques.places import (
    BranchTechnique,
    InnerTechnique,
    LayerTechnique,
    LossTechnique,
    Moment,
    ParametrizationTechnique,
)

Run = Callable[[], object]
KEPT = 1.3
"""How many times the matrix products' time a norm or a dropout may take beside them."""


IMAGE = (16, 14, 14)


@dataclass(frozen=True)
class Layer:
    """A layer technique, and PyTorch's own module where it has one, or parametrized layer; whether on large images."""

    technique: InnerTechnique
    theirs: Callable[[int], nn.Module] | None
    linear: Callable[[int], nn.Module] | None = None
    large: bool = False


LAYERS = (
    Layer(BatchNorm(), nn.BatchNorm1d),
    Layer(BatchRenorm(), None),
    Layer(GhostBatchNorm(rows=16), None),
    Layer(LayerNorm(), nn.LayerNorm),
    Layer(GroupNorm(groups=8), lambda d: nn.GroupNorm(8, d)),
    Layer(RMSNorm(), nn.RMSNorm),
    Layer(InstanceNorm(), nn.InstanceNorm2d),
    Layer(Dropout(), lambda _: nn.Dropout(0.5)),
    Layer(GaussianDropout(), None),
    Layer(AlphaDropout(), lambda _: nn.AlphaDropout(0.5)),
    Layer(FeatureNoise(), None),
    Layer(SpatialDropout(), lambda _: nn.Dropout2d(0.5)),
    Layer(DropBlock(), None),
    Layer(StochasticDepth(), None),
    Layer(WeightNorm(), None, linear=lambda d: parametrizations.weight_norm(nn.Linear(d, d))),
    Layer(SpectralNorm(), None, linear=lambda d: parametrizations.spectral_norm(nn.Linear(d, d))),
    Layer(DropConnect(), None),
    Layer(BatchNorm(), nn.BatchNorm2d, large=True),
    Layer(BatchRenorm(), None, large=True),
    Layer(GhostBatchNorm(rows=16), None, large=True),
    Layer(LayerNorm(), lambda _: nn.LayerNorm(IMAGE), large=True),
    Layer(GroupNorm(groups=8), lambda c: nn.GroupNorm(8, c), large=True),
    Layer(RMSNorm(), lambda _: nn.RMSNorm(IMAGE), large=True),
    Layer(InstanceNorm(), nn.InstanceNorm2d, large=True),
    Layer(InstanceNorm(affine=True), lambda c: nn.InstanceNorm2d(c, affine=True), large=True),
)


def made(technique: InnerTechnique, shape: tuple[int, ...]) -> nn.Module:
    """One member's layer."""
    if isinstance(technique, LayerTechnique):
        module = technique.layer(shape)
    elif isinstance(technique, BranchTechnique):
        module = technique.branch(1.0)
    elif isinstance(technique, ParametrizationTechnique):
        module = technique.parametrization(shape)
    else:
        raise TypeError(technique)
    vars(module)["technique"] = technique
    return module.train()


def tensors_of(module: nn.Module, k: int, device: torch.device) -> dict[str, Tensor]:
    """K copies of a module's parameters and buffers; keys of each member's own."""
    own = {name: p.detach() for name, p in module.named_parameters()} | dict(module.named_buffers())
    stacked = {n: t.to(device).unsqueeze(0).repeat(k, *[1] * t.dim()) for n, t in own.items()}
    keys = make_key(torch.arange(k, device=device), step=1, place="benchmark")
    return {n: keys if t.dtype == torch.int64 and n.endswith("key") else t for n, t in stacked.items()}


def timed(run: Run, device: torch.device) -> Callable[[], float]:
    """Seconds of one call, from at least a tenth of a second of them."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def measure() -> float:
        wait()
        start, calls = time.perf_counter(), 0
        while calls < 3 or time.perf_counter() - start < 0.1:
            run()
            calls += 1
        wait()
        return (time.perf_counter() - start) / calls

    return measure


def stacked_pass(module: nn.Module, x: Tensor, device: torch.device) -> Run:
    """Forward and backward of K members at once."""
    forward, tensors = stack_forward(module), tensors_of(module, len(x), device)
    leaves = {name: tensors[name].requires_grad_() for name, _ in module.named_parameters()}
    g = torch.ones_like(x)

    def run() -> None:
        y = forward({**tensors, **leaves}, x)
        torch.autograd.grad(y, [x, *leaves.values()], g)

    return run


def loop_pass(modules: list[nn.Module], x: Tensor) -> Run:
    """Forward and backward, member by member."""
    each = [member.detach().contiguous().requires_grad_() for member in x]
    g = torch.ones_like(each[0])

    def run() -> None:
        for module, member in zip(modules, each, strict=True):
            y = module(member)
            torch.autograd.grad(y, [member, *module.parameters()], g)

    return run


def weights_pass(modules: list[nn.Module]) -> Run:
    """A parametrized weight and the gradients of what it is made from, member by member."""
    learned = [[p for name, p in module.named_parameters() if name != "bias"] for module in modules]
    g = torch.ones_like(modules[0].weight)

    def run() -> None:
        for module, own in zip(modules, learned, strict=True):
            torch.autograd.grad(module.weight, own, g)

    return run


def saved_bytes(run: Run) -> int:
    """Bytes that autograd keeps from forward to backward."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(kept.values())


def in_memory_order(x: Tensor) -> Tensor:
    """Images `(K, B, C, H, W)` as `(B, K, C, H, W)` in memory, which is how a population's convolutions leave them."""
    return x.transpose(0, 1).contiguous().transpose(0, 1)


def layer_name(layer: Layer) -> str:
    """The technique's name in the table."""
    technique = layer.technique
    affine = isinstance(technique, InstanceNorm) and technique.affine
    return type(technique).__name__ + " affine" * affine + " on images" * layer.large


def layer_row(layer: Layer, k: int, b: int, d: int, rounds: int, device: torch.device) -> dict[str, float | str | None]:
    """Times of one layer technique, milliseconds for all members."""
    technique = layer.technique
    images = layer.large or (isinstance(technique, LayerTechnique) and 1 not in technique.axes)
    weights = isinstance(technique, ParametrizationTechnique)
    shape = (d, d) if weights else IMAGE if layer.large else (d // 16, 4, 4) if images else (d,)
    x = torch.randn(k, *([] if weights else [b]), *shape, device=device)
    x = (in_memory_order(x) if images else x).requires_grad_()
    alone = x[:1].detach().clone().requires_grad_()
    products = nn.Conv2d(IMAGE[0], IMAGE[0], 3, padding=1) if layer.large else nn.Linear(d, d)
    input_ = in_memory_order(torch.randn(k, b, *IMAGE)) if layer.large else torch.randn(k, b, d)

    def theirs() -> nn.Module:
        if layer.theirs is None:
            return made(technique, shape).to(device)  # as a module of its own: the form to use without a population
        return layer.theirs(shape[0]).to(device).train()

    def looped(members: Tensor) -> Run:
        if layer.linear is None:
            return loop_pass([theirs() for _ in members], members)
        return weights_pass([layer.linear(d).to(device).train() for _ in members])

    contestants = {
        "population": stacked_pass(made(technique, shape).to(device), x, device),
        "matrix products": stacked_pass(products, input_.to(device).requires_grad_(), device),
        "loop": looped(x),
        "ours alone": stacked_pass(made(technique, shape).to(device), alone, device),
        "theirs alone": looped(alone),
    }
    found = common.interleave({name: timed(run, device) for name, run in contestants.items()}, rounds)
    ms = {name: common.median(values) * 1e3 for name, values in found.items()}
    return {
        "technique": layer_name(layer),
        "PyTorch": layer.linear(d).__class__.__name__
        if layer.linear
        else theirs().__class__.__name__
        if layer.theirs
        else None,
        **{f"{name} [ms]": value for name, value in ms.items()},
        "of the matrix products": ms["population"] / ms["matrix products"],
        "times the loop's speed": ms["loop"] / ms["population"],
        "times PyTorch's time at K = 1": ms["ours alone"] / ms["theirs alone"],
        "kept [MiB]": saved_bytes(contestants["population"]) / 2**20,
        "kept by the loop [MiB]": saved_bytes(contestants["loop"]) / 2**20,
    }


def other_rows(k: int, d: int, rounds: int, device: torch.device) -> list[dict[str, float | str | None]]:
    """Techniques of other places over K members' weights of two layers, beside a loop over PyTorch's function."""
    shapes = {"0.weight": (d, d), "0.bias": (d,), "1.weight": (d, d), "1.bias": (d,)}
    p = {name: torch.randn(k, *shape, device=device) for name, shape in shapes.items()}
    g = {name: torch.randn(k, *shape, device=device) * 1e-2 for name, shape in shapes.items()}
    mean = {name: t.clone() for name, t in p.items()}
    key = make_key(torch.arange(k, device=device), step=1, place="benchmark")
    moment = Moment(100, 10, 1000)
    each = [[nn.Parameter(t[i].clone()) for t in p.values()] for i in range(k)]
    for i, own in enumerate(each):
        for parameter, gradient in zip(own, g.values(), strict=True):
            parameter.grad = gradient[i].clone()
    means = [[t.detach().clone() for t in own] for own in each]

    def foreach(act: Callable[[list[nn.Parameter]], object]) -> Run:
        return lambda: [act(own) for own in each]

    def averaged() -> None:
        for own, slow in zip(each, means, strict=True):
            torch._foreach_lerp_(slow, [t.detach() for t in own], 1e-3)

    @torch.no_grad()
    def drawn(draw: Callable[[Tensor], object]) -> None:
        for own in each:
            draw(own[0])
            draw(own[2])

    def ours(technique: He | Xavier | Orthogonal) -> Run:
        return lambda: [technique.weights((d, d), key, dtype=torch.float32) for _ in range(2)]

    @torch.no_grad()
    def decay(own: list[nn.Parameter]) -> None:
        torch._foreach_mul_([own[0], own[2]], 1 - 1e-4)

    leaves = {name: t.clone().requires_grad_() for name, t in p.items()}

    def charged(technique: LossTechnique) -> Run:
        return lambda: torch.autograd.grad(technique.penalty(leaves).sum(), [leaves["0.weight"], leaves["1.weight"]])

    def charge(penalty: Callable[[Tensor], Tensor]) -> Run:
        return foreach(lambda own: torch.autograd.grad(penalty(own[0]) + penalty(own[2]), [own[0], own[2]]))

    @torch.no_grad()
    def renorm(own: list[nn.Parameter]) -> None:
        for weight in (own[0], own[2]):
            weight.copy_(torch.renorm(weight, 2, 0, 3.0))

    sides: Mapping[str, tuple[Run, Run]] = {
        "He": (ours(He()), lambda: drawn(lambda t: nn.init.kaiming_normal_(t, nonlinearity="relu"))),
        "Xavier": (ours(Xavier()), lambda: drawn(nn.init.xavier_normal_)),
        "Orthogonal": (ours(Orthogonal()), lambda: drawn(nn.init.orthogonal_)),
        "L2": (charged(L2()), charge(lambda t: 0.5e-4 * t.square().sum())),
        "L1": (charged(L1()), charge(lambda t: 1e-4 * t.abs().sum())),
        "ElasticNet": (
            charged(ElasticNet()),
            charge(lambda t: 1e-4 * (0.5 * t.abs().sum() + 0.25 * t.square().sum())),
        ),
        "GroupLasso": (
            charged(GroupLasso()),
            charge(lambda t: 1e-4 * d**0.5 * torch.linalg.vector_norm(t, dim=0).sum()),
        ),
        "ClipNorm": (
            lambda: ClipNorm().gradient_(g, p, key, moment),
            foreach(lambda own: nn.utils.clip_grad_norm_(own, 1.0)),
        ),
        "ClipValue": (
            lambda: ClipValue().gradient_(g, p, key, moment),
            foreach(lambda own: nn.utils.clip_grad_value_(own, 1.0)),
        ),
        "AdaptiveClip": (lambda: AdaptiveClip().gradient_(g, p, key, moment), lambda: None),
        "WeightDecay": (lambda: WeightDecay().update_(p, 1e-3), foreach(decay)),
        "MaxNorm": (lambda: MaxNorm().update_(p, 1e-3), foreach(renorm)),
        "EMA": (lambda: EMA().average_(mean, p, moment), averaged),
    }
    rows: list[dict[str, float | str | None]] = []
    for name, (mine, their) in sides.items():
        contestants = {"population": timed(mine, device), "loop": timed(their, device)}
        found = common.interleave(contestants, rounds)
        ms = {side: common.median(values) * 1e3 for side, values in found.items()}
        loop = None if name == "AdaptiveClip" else ms["loop"]
        rows.append(
            {
                "technique": name,
                "population [ms]": ms["population"],
                "loop [ms]": loop,
                "times the loop's speed": None if loop is None else loop / ms["population"],
            }
        )
    return rows


def shown(rows: list[dict[str, float | str | None]]) -> None:
    """A table for a person."""
    names = [name for name in rows[0] if name != "technique"]
    print(f"{'':30}" + "".join(f"{name[:22]:>24}" for name in names))
    for row in rows:
        cells = [f"{v:24.3f}" if isinstance(v, float) else f"{v or '-':>24}" for v in (row[n] for n in names)]
        print(f"{row['technique']:30}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=32)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = torch.device(given.device)
    torch.set_num_threads(1)
    with kept_pages():
        layers = [layer_row(t, given.members, given.rows, given.width, given.rounds, device) for t in LAYERS]
        others = other_rows(given.members, given.width, given.rounds, device)
    shown(layers)
    print()
    shown(others)
    figures = {"setting": vars(given), "layers": layers, "others": others}
    print(f"\n{common.save('techniques' if given.device == 'cpu' else f'techniques-{given.device}', figures)}")


if __name__ == "__main__":
    main()
