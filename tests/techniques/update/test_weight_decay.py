"""Against torch.optim.AdamW's decay."""

import torch
from torch import nn

from wellposed.techniques import WeightDecay
from wellposed.techniques.update.weight_decay import decay_weights_


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2)).double()


def test_before_adam_it_is_adamw_to_the_last_digits() -> None:
    ours, theirs = net(), net()
    weights = [theirs[0].weight, theirs[2].weight]
    rest = [theirs[0].bias, *theirs[1].parameters(), theirs[2].bias]
    adam = torch.optim.Adam(ours.parameters(), lr=0.05)
    adamw = torch.optim.AdamW([{"params": weights}, {"params": rest, "weight_decay": 0.0}], lr=0.05, weight_decay=0.3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        x = torch.randn(8, 4, generator=generator, dtype=torch.float64)
        for model, optimizer in ((ours, adam), (theirs, adamw)):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            if model is ours:
                with torch.no_grad():
                    WeightDecay(amount=0.3).update_({n: p[None] for n, p in ours.named_parameters()}, 0.05)
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-14)


def test_rates_and_amounts_may_both_differ() -> None:
    weight, bias = torch.ones(2, 3, 4), torch.ones(2, 3)
    rate, amount = torch.tensor([0.1, 0.2]), torch.tensor([1.0, 2.0])
    decay_weights_({"weight": weight, "bias": bias}, amount, learning_rate=rate)
    torch.testing.assert_close(weight[:, 0, 0], torch.tensor([0.9, 0.6]))
    assert (bias == 1).all()
