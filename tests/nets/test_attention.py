"""Attention against torch.nn.MultiheadAttention, and its two programs against each other."""

import pytest
import torch
from tests.nets.test_mlp import drawn
from tests.nets.test_stacking import TIGHT, compare
from torch import nn

from wellposed.nets.attention import Attention, attend
from wellposed.nets.steps import real_steps

LENGTHS = torch.tensor([5, 2, 1])


def test_outputs_and_gradients_are_pytorchs() -> None:
    ours, theirs = drawn(Attention(6, 3)), nn.MultiheadAttention(6, 3, batch_first=True).double()
    own = [ours.qkv.weight, ours.qkv.bias, ours.out.weight, ours.out.bias]
    other = [theirs.in_proj_weight, theirs.in_proj_bias, theirs.out_proj.weight, theirs.out_proj.bias]
    for a, b in zip(own, other, strict=True):
        b.data.copy_(a.detach())
    x = torch.randn(3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = ours(x, LENGTHS)
    expected, _ = theirs(x, x, x, key_padding_mask=real_steps(LENGTHS, 5).logical_not(), need_weights=False)
    torch.testing.assert_close(found, expected, **TIGHT)
    ours_too, theirs_too = (torch.autograd.grad(y.sin().sum(), p) for y, p in ((found, own), (expected, other)))
    torch.testing.assert_close(ours_too, theirs_too, **TIGHT)


def test_stacked_it_is_a_loop_over_members() -> None:
    for k in (1, 3):
        x = torch.randn(k, 3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        compare(Attention(6, 2).double(), (x, LENGTHS.expand(k, 3)), k)


@pytest.mark.parametrize("steps", [1, 4])
def test_both_programs_are_the_formula_and_one_can_be_differentiated_twice(steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, steps, 4, dtype=torch.float64, generator=generator).requires_grad_().unbind(0)
    seen = real_steps(torch.tensor([steps, 1]), steps).view(2, 1, 1, steps)
    torch.testing.assert_close(attend(q, k, v, seen), attend(q, k, v, seen, twice=True), **TIGHT)
    inputs = tuple(t.detach()[:, :1].requires_grad_() for t in (q, k, v))
    assert torch.autograd.gradgradcheck(lambda *given: attend(*given, seen, twice=True), inputs)


def test_a_row_without_tokens_is_no_danger() -> None:
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    assert drawn(Attention(4, 2))(x, torch.tensor([0, 3])).isfinite().all()
