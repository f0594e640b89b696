"""Against torch.optim.swa_utils.AveragedModel, asked at the epochs that the docstring names."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel

from wellposed.techniques import SWA
from wellposed.techniques.average.swa import averaging_share
from wellposed.techniques.places import Moment


@given(st.integers(1, 4), st.integers(1, 12), st.integers(1, 4), st.integers(1, 8))
def test_equals_torch(epoch_steps: int, epochs: int, cycle: int, start: int) -> None:
    start = min(start, epochs)
    model = nn.Linear(3, 2).double()
    theirs = AveragedModel(model)
    mean = {name: p.detach().clone()[None] for name, p in model.named_parameters()}
    swa = SWA(start_share=start / epochs, cycle=cycle)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, epochs * epoch_steps + 1):
        for p in model.parameters():
            p.data.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
        weights = {n: p.detach()[None] for n, p in model.named_parameters()}
        swa.average_(mean, weights, Moment(step, epoch_steps, epochs * epoch_steps))
        epoch, within = divmod(step, epoch_steps)
        if within == 0 and epoch >= start and (epoch - start) % cycle == 0:
            theirs.update_parameters(model)
        expected = dict(theirs.module.named_parameters()) if step >= start * epoch_steps else weights
        for name, tensor in mean.items():
            torch.testing.assert_close(tensor.squeeze(0), expected[name].detach().view(tensor.shape[1:]))


def test_is_the_equal_mean_of_the_last_epochs_for_each_members_start() -> None:
    thetas = torch.randn(11, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = {"w": thetas[0].clone()}
    swa = SWA().bound({"start_share": torch.tensor([0.5, 0.8], dtype=torch.float64)})
    for step in range(1, 11):
        swa.average_(mean, {"w": thetas[step]}, Moment(step, 1, 10))
    torch.testing.assert_close(mean["w"][0], thetas[5:, 0].mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mean["w"][1], thetas[8:, 1].mean(0), rtol=1e-12, atol=1e-12)


def test_until_the_start_it_is_the_weights_to_the_bit() -> None:
    mean, weights = {"w": torch.zeros(1, 3)}, {"w": torch.tensor([[0.1, -3.3, 7.7]])}
    for share in (1.0, torch.ones(1)):
        SWA().bound({"start_share": share}).average_(mean, weights, Moment(3, 2, 8))
        assert torch.equal(mean["w"], weights["w"])


@given(st.floats(0.0, 1.0), st.integers(1, 60), st.integers(1, 4), st.integers(1, 30), st.integers(1, 5))
def test_a_float_and_a_tensor_say_the_same(share: float, step: int, steps: int, epochs: int, cycle: int) -> None:
    moment = Moment(min(step, steps * epochs), steps, steps * epochs)
    alone = averaging_share(share, moment, cycle=cycle)
    assert isinstance(alone, float)
    together = averaging_share(torch.tensor([share], dtype=torch.float64), moment, cycle=cycle)
    assert together == torch.tensor([alone], dtype=torch.float64)


@pytest.mark.parametrize("refresh", [True, False])
def test_says_whether_statistics_are_measured_anew(refresh: bool) -> None:
    assert SWA(refresh=refresh).refreshes is refresh
