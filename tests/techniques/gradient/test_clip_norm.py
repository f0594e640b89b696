"""Against torch.nn.utils.clip_grad_norm_, member by member."""

import pytest
import torch
from torch import nn

from wellposed.techniques import ClipNorm
from wellposed.techniques.gradient.clip_norm import clip_by_norm_
from wellposed.techniques.places import Moment

SHAPES = {"0.weight": (4, 3), "0.bias": (4,), "1.weight": (2, 4, 3, 3)}


def gradients(dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([0.01, 1.0, 100.0], dtype=dtype)
    return {
        name: torch.randn(3, *shape, generator=generator, dtype=dtype) * scale.view(3, *[1] * len(shape))
        for name, shape in SHAPES.items()
    }


@pytest.mark.parametrize("limits", [[1.0, 1.0, 1.0], [0.001, 5.0, float("inf")]])
def test_equals_pytorch_for_each_member(limits: list[float]) -> None:
    found = gradients()
    clip_by_norm_(found, torch.tensor(limits, dtype=torch.float64))
    for k, limit in enumerate(limits):
        theirs = [nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in SHAPES.values()]
        for parameter, gradient in zip(theirs, gradients().values(), strict=True):
            parameter.grad = gradient[k]
        nn.utils.clip_grad_norm_(theirs, limit)
        for parameter, gradient in zip(theirs, found.values(), strict=True):
            torch.testing.assert_close(gradient[k], parameter.grad, rtol=1e-12, atol=0)


def test_a_short_gradient_is_left_to_the_bit() -> None:
    found = gradients(torch.float32)
    ClipNorm(limit=1.0).gradient_(found, {}, torch.tensor([1, 2, 3]), Moment(1, 1, 1))
    for name, gradient in gradients(torch.float32).items():
        assert torch.equal(found[name][0], gradient[0])
        assert not torch.equal(found[name][2], gradient[2])


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_broken_member_does_not_touch_the_others(broken: float) -> None:
    sound, spoiled = gradients(), gradients()
    spoiled["0.bias"][1, 2] = broken
    clip_by_norm_(sound, 1.0)
    clip_by_norm_(spoiled, 1.0)
    for name, gradient in sound.items():
        assert torch.equal(spoiled[name][[0, 2]], gradient[[0, 2]])
