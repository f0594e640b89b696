"""Weights are told from biases and norms."""

import torch
from torch import nn

from wellposed.techniques.selection import select_weights


def stacked(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().unsqueeze(0) for name, p in module.named_parameters()}


def test_takes_weights_and_leaves_biases_and_norms() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LayerNorm((2, 4, 4)), nn.Flatten(), nn.Linear(32, 3), nn.LayerNorm(3)
    )
    assert list(select_weights(stacked(net))) == ["0.weight", "4.weight"]


def test_takes_embeddings_and_one_dimensional_kernels() -> None:
    net = nn.Sequential(nn.Embedding(5, 2), nn.Conv1d(1, 2, 3))
    assert list(select_weights(stacked(net))) == ["0.weight", "1.weight"]


def test_takes_a_layer_at_the_top_of_the_module() -> None:
    assert list(select_weights(stacked(nn.Linear(3, 3)))) == ["weight"]
    assert not select_weights(stacked(nn.LayerNorm((3, 3))))


def test_takes_names_that_match() -> None:
    net = stacked(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    assert list(select_weights(net, "1.*")) == ["1.weight"]
    assert not select_weights(net, "2.*")
