"""Against the recursion written out, and torch.optim.swa_utils."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from wellposed.techniques import EMA
from wellposed.techniques.average.ema import warm_decay
from wellposed.techniques.places import Moment


def path(steps: int) -> torch.Tensor:
    return torch.randn(steps + 1, 2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("warm_up", [True, False])
def test_equals_the_recursion(warm_up: bool) -> None:
    thetas, decays = path(40), (0.5, 0.99)
    ema = EMA(warm_up=warm_up).bound({"decay": torch.tensor(decays, dtype=torch.float64)})
    mean = {"w": thetas[0].clone()}
    slow = thetas[0].clone()
    for step in range(1, 41):
        ema.average_(mean, {"w": thetas[step]}, Moment(step, 1, 100))
        for k, decay in enumerate(decays):
            d = min(decay, (1 + step) / (10 + step)) if warm_up else decay
            slow[k] = d * slow[k] + (1 - d) * thetas[step, k]
        torch.testing.assert_close(mean["w"], slow, rtol=1e-12, atol=1e-12)


def test_without_warm_up_it_is_pytorchs() -> None:
    model = nn.Linear(3, 2).double()
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    theirs.update_parameters(model)  # the first call copies
    mean = {name: p.detach().clone()[None] for name, p in model.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 6):
        for p in model.parameters():
            p.data.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
        theirs.update_parameters(model)
        weights = {n: p.detach()[None] for n, p in model.named_parameters()}
        EMA(decay=0.9, warm_up=False).average_(mean, weights, Moment(step, 1, 100))
    for name, p in theirs.module.named_parameters():
        torch.testing.assert_close(mean[name][0], p.detach(), rtol=1e-12, atol=1e-12)


def test_warm_up_starts_low_and_ends_at_the_decay() -> None:
    decays = [float(warm_decay(0.99, step)) for step in (1, 10, 100, 10_000)]
    assert decays == sorted(decays)
    assert decays[0] == 2 / 11
    assert decays[-1] == 0.99
    both = warm_decay(torch.tensor([0.1, 0.99]), 1)
    torch.testing.assert_close(both, torch.tensor([0.1, 2 / 11]))


def test_a_decay_of_one_never_moves_without_warm_up() -> None:
    mean = {"w": torch.ones(1, 2)}
    EMA(decay=1.0, warm_up=False).average_(mean, {"w": torch.zeros(1, 2)}, Moment(1, 1, 1))
    assert (mean["w"] == 1).all()
