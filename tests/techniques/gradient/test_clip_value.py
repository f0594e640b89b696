"""Against torch.nn.utils.clip_grad_value_, member by member."""

import pytest
import torch
from torch import nn

from wellposed.techniques import ClipValue
from wellposed.techniques.gradient.clip_value import clip_by_value_
from wellposed.techniques.places import Moment

SHAPES = {"0.weight": (4, 3), "0.bias": (4,), "1.weight": (2, 4, 3, 3)}


def gradients(dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(3, *shape, generator=generator, dtype=dtype) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("limits", [[0.5, 0.5, 0.5], [0.0, 0.3, float("inf")]])
def test_equals_pytorch_for_each_member(limits: list[float], dtype: torch.dtype) -> None:
    found = gradients(dtype)
    clip_by_value_(found, torch.tensor(limits, dtype=dtype))
    for k, limit in enumerate(limits):
        theirs = [nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in SHAPES.values()]
        for parameter, gradient in zip(theirs, gradients(dtype).values(), strict=True):
            parameter.grad = gradient[k]
        nn.utils.clip_grad_value_(theirs, limit)
        for parameter, gradient in zip(theirs, found.values(), strict=True):
            assert torch.equal(gradient[k], parameter.grad)


def test_a_shared_limit_is_the_same_limit_for_each() -> None:
    shared, apart = gradients(), gradients()
    ClipValue(limit=0.5).gradient_(shared, {}, torch.tensor([1, 2, 3]), Moment(1, 1, 1))
    clip_by_value_(apart, torch.full((3,), 0.5, dtype=torch.float64))
    assert all(torch.equal(shared[name], apart[name]) for name in shared)


def test_what_is_broken_stays_so_and_touches_nothing_else() -> None:
    sound, spoiled = gradients(), gradients()
    spoiled["0.bias"][1, 2] = float("nan")
    spoiled["0.bias"][1, 3] = float("-inf")
    clip_by_value_(sound, 0.5)
    clip_by_value_(spoiled, 0.5)
    assert spoiled["0.bias"][1, 2].isnan()
    assert spoiled["0.bias"][1, 3] == -0.5
    for name, gradient in sound.items():
        assert torch.equal(spoiled[name][[0, 2]], gradient[[0, 2]])
