"""Against the rule written out unit by unit, and against torch.nn.utils.clip_grad_norm_ of one unit at a time."""

import pytest
import torch
from torch import Tensor, nn

from wellposed.techniques import AdaptiveClip
from wellposed.techniques.gradient.adaptive_clip import clip_by_unit_, unit_lengths
from wellposed.techniques.places import Moment

SHAPES = {"0.weight": (4, 3), "0.bias": (4,), "1.weight": (2, 4, 3, 3), "scale": ()}


def drawn(seed: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {n: scale * torch.randn(3, *shape, generator=generator, dtype=dtype) for n, shape in SHAPES.items()}


def test_equals_clip_grad_norm_unit_by_unit() -> None:
    """Which adds 1e-6 to the norm: hence 1e-4 for gradients of length 0.01 and more."""
    found, weights, limits = drawn(0), drawn(1), (0.05, 0.3, 2.0)
    clip_by_unit_(found, weights, torch.tensor(limits, dtype=torch.float64))
    for name, before in drawn(0).items():
        for k, limit in enumerate(limits):
            units = before[k] if before.dim() > 2 else before[k : k + 1]
            own = weights[name][k] if before.dim() > 2 else weights[name][k : k + 1]
            for j, gradient in enumerate(units):
                parameter = nn.Parameter(torch.zeros_like(gradient))
                parameter.grad = gradient.clone()
                nn.utils.clip_grad_norm_([parameter], limit * max(float(own[j].norm()), 1e-3))
                mine = found[name][k][j] if before.dim() > 2 else found[name][k]
                torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=0)


def test_no_unit_is_longer_than_its_share_and_each_keeps_its_direction() -> None:
    found, before, weights = drawn(0, 100.0), drawn(0, 100.0), drawn(1)
    clip_by_unit_(found, weights, 0.01)
    for name, gradient in found.items():
        expected = 0.01 * unit_lengths(weights[name]).clamp_min(1e-3)
        torch.testing.assert_close(unit_lengths(gradient), expected, rtol=1e-12, atol=0)
        ratio = gradient / before[name]
        torch.testing.assert_close(ratio, (expected / unit_lengths(before[name])).expand_as(ratio), rtol=1e-9, atol=0)


def test_a_short_gradient_is_left_to_the_bit_and_so_is_what_has_another_name() -> None:
    weights = drawn(1, dtype=torch.float32)
    short, long = drawn(0, 1e-6, torch.float32), drawn(0, 100.0, torch.float32)
    AdaptiveClip(limit=0.1).gradient_(short, weights, torch.tensor([1, 2, 3]), Moment(1, 1, 1))
    assert all(torch.equal(gradient, drawn(0, 1e-6, torch.float32)[name]) for name, gradient in short.items())
    AdaptiveClip(limit=0.1, where="0.*").gradient_(long, weights, torch.tensor([1, 2, 3]), Moment(1, 1, 1))
    kept = [name for name, gradient in long.items() if torch.equal(gradient, drawn(0, 100.0, torch.float32)[name])]
    assert kept == ["1.weight", "scale"]


def test_units_at_0_may_move_by_what_eps_allows() -> None:
    gradient = {"w": torch.ones(1, 2, 4)}
    clip_by_unit_(gradient, {"w": torch.zeros(1, 2, 4)}, 0.5, eps=0.1)
    torch.testing.assert_close(gradient["w"].norm(dim=2), torch.full((1, 2), 0.05))
    nothing = {"w": torch.zeros(1, 2, 4)}
    clip_by_unit_(nothing, {"w": torch.zeros(1, 2, 4)}, 0.0)
    assert not nothing["w"].any()


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_broken_member_does_not_touch_the_others(broken: float) -> None:
    sound, spoiled = drawn(0), drawn(0)
    spoiled["0.weight"][1, 2, 0] = broken
    clip_by_unit_(sound, drawn(1), 0.1)
    clip_by_unit_(spoiled, drawn(1), 0.1)
    for name, gradient in sound.items():
        assert torch.equal(spoiled[name][[0, 2]], gradient[[0, 2]])
