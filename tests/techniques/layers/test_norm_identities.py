"""What the norms do and do not depend on, exactly: Ba et al.'s table, and Santurkar et al.'s theorem."""

import pytest
import torch
from torch import Tensor

from wellposed.techniques import BatchNorm, LayerNorm
from wellposed.techniques.layers.weight_norm import scale_directions
from wellposed.techniques.stacked import StackedModule


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layer_of(technique: BatchNorm | LayerNorm, width: int) -> StackedModule:
    """With a scale and a shift unlike those at the start."""
    layer = technique.layer((width,)).double()
    assert isinstance(layer, StackedModule)
    layer.weight.data.copy_(draw(width, seed=11))
    layer.bias.data.copy_(draw(width, seed=12))
    return layer


def batch_norm(x: Tensor, weight: Tensor) -> Tensor:
    return layer_of(BatchNorm(eps=1e-15), len(weight))(x @ weight.T)


def layer_norm(x: Tensor, weight: Tensor) -> Tensor:
    return layer_of(LayerNorm(eps=1e-15), len(weight))(x @ weight.T)


def weight_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x @ scale_directions(weight[None], draw(1, len(weight), seed=11))[0].T + draw(len(weight), seed=12)


def scaled(t: Tensor, row: int) -> Tensor:
    """One row three times as large."""
    return torch.cat([t[:row], 3 * t[row : row + 1], t[row + 1 :]])


CHANGES = {
    "weight matrix rescaled": lambda x, w: (x, 3 * w),
    "weight matrix recentred": lambda x, w: (x, w + draw(w.shape[1], seed=5)),
    "one weight vector rescaled": lambda x, w: (x, scaled(w, 1)),
    "data rescaled": lambda x, w: (3 * x, w),
    "data recentred": lambda x, w: (x + draw(x.shape[1], seed=5), w),
    "one case rescaled": lambda x, w: (scaled(x, 1), w),
}
INVARIANT = {  # section 5.1, table 1, its columns in the order of the changes above
    batch_norm: (True, False, True, True, True, False),
    weight_norm: (True, False, True, False, False, False),
    layer_norm: (True, True, False, True, False, True),
}
CELLS = [
    pytest.param(norm, change, unchanged, id=f"{norm.__name__}, {change}")
    for norm, row in INVARIANT.items()
    for change, unchanged in zip(CHANGES, row, strict=True)
]


@pytest.mark.parametrize(("norm", "change", "unchanged"), CELLS)
def test_table_of_invariances(norm: object, change: str, unchanged: bool) -> None:
    """Of Ba et al. 2016. (eps is 1e-15 of variances near 1.)"""
    x, weight = draw(7, 5), draw(4, 5, seed=1)
    before, after = norm(x, weight), norm(*CHANGES[change](x, weight))
    if unchanged:
        torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
    else:
        assert (after - before).abs().max() > 0.01


@pytest.mark.parametrize("members", [1, 3])
def test_gradient_through_batch_norm(members: int) -> None:
    """Santurkar et al. 2018, theorem 4.1, as an identity of each unit; and the formula of the gradient itself."""
    m, layer = 9, layer_of(BatchNorm(eps=1e-15), 4)
    own = {n: t.detach().unsqueeze(0).repeat(members, 1) for n, t in layer.state_dict().items()}
    x, g = draw(members, m, 4).requires_grad_(), draw(members, m, 4, seed=3)
    (layer.stacked(own, x) * g).sum().backward()
    with torch.no_grad():
        sigma, gamma = x.std(1, correction=0), own["weight"]
        normalized = (x - x.mean(1, keepdim=True)) / sigma.unsqueeze(1)
        along = (g * normalized).mean(1)
        expected = (gamma / sigma).unsqueeze(1) * (g - g.mean(1, keepdim=True) - normalized * along.unsqueeze(1))
        torch.testing.assert_close(x.grad, expected, rtol=1e-9, atol=1e-9)
        length = g.square().sum(1)
        shortened = (gamma / sigma).square() * (length - m * g.mean(1).square() - m * along.square())
        torch.testing.assert_close(x.grad.square().sum(1), shortened, rtol=1e-9, atol=1e-9)
        assert (shortened <= (gamma / sigma).square() * length).all()
