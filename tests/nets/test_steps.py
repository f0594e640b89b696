"""Steps of sequences: lengths, masks and pools against loops over rows."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.nets.steps import count_tokens, max_over_steps, mean_over_steps, real_steps, span


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(1, 3))
def test_pools_and_masks_are_loops_over_rows(lengths: list[int], width: int) -> None:
    x = torch.randn(len(lengths), 6, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[real_steps(torch.tensor(lengths), 6).logical_not()] = torch.nan
    mean, high = mean_over_steps(x, torch.tensor(lengths)), max_over_steps(x, torch.tensor(lengths))
    for i, n in enumerate(lengths):
        torch.testing.assert_close(mean[i], x[i, :n].mean(0) if n else torch.zeros(width, dtype=torch.float64))
        assert torch.equal(high[i], x[i, :n].amax(0) if n else torch.zeros(width, dtype=torch.float64))
    codes = torch.tensor([[1 + i for i in range(n)] + [0] * (6 - n) for n in lengths])
    assert count_tokens(codes).tolist() == lengths
    assert span(torch.tensor(lengths), 6) == (min(lengths), max(*lengths, 1, 1))


def test_padding_gets_no_gradient_even_where_it_is_not_a_number() -> None:
    x = torch.full((1, 3, 2), torch.nan).index_fill(1, torch.tensor([0, 1]), 2.0).requires_grad_()
    for pool in (mean_over_steps, max_over_steps):
        (gradient,) = torch.autograd.grad(pool(x, torch.tensor([2])).sum(), x)
        assert gradient[0, 2].tolist() == [0, 0]
        assert gradient.isfinite().all()


def test_no_more_steps_are_looked_at_than_there_are() -> None:
    assert span(torch.tensor([[9, 2]]), 4) == (2, 4)
    assert span(torch.tensor([0]), 4) == (0, 1)


def test_inside_transforms_all_steps_are_computed() -> None:
    def look(lengths: torch.Tensor) -> torch.Tensor:
        low, high = span(lengths, 5)
        return lengths * 0 + low * 10 + high

    assert torch.func.vmap(look)(torch.tensor([[2], [3]])).flatten().tolist() == [5, 5]
