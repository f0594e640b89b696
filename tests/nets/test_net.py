"""What a network is asked to be: widths, the order of norms, activation and dropout, and refused sizes."""

import pytest
import torch
from torch import nn

from wellposed.errors import BadInput
from wellposed.nets.net import ACTIVATIONS, Inputs, hidden, place, refuse_hidden
from wellposed.techniques import BatchNorm, Dropout, LayerNorm
from wellposed.techniques.layers.batch_norm import StackedBatchNorm
from wellposed.techniques.layers.dropout import StackedDropout


def test_the_width_of_a_row_is_the_count_of_its_numbers() -> None:
    assert Inputs((7,)).width == 7
    assert Inputs((3, 4, 5)).width == 60
    assert Inputs((0,), (3, 2)).width == 0


def test_norms_stand_before_the_activation_and_dropout_behind_it_each_in_the_order_given() -> None:
    layers = [Dropout(rate=0.1), LayerNorm(), Dropout(rate=0.2), BatchNorm()]
    affine = nn.Linear(3, 4)
    found = hidden(affine, (4,), "tanh", layers)
    kinds = ["Linear", "StackedLayerNorm", "StackedBatchNorm", "Tanh", "StackedDropout", "StackedDropout"]
    assert [type(m).__name__ for m in found] == kinds
    assert found[0] is affine
    assert [m.technique for m in found if isinstance(m, StackedDropout)] == [layers[0], layers[2]]


def test_a_placed_layer_remembers_its_technique() -> None:
    technique = BatchNorm(momentum=0.3)
    module = place(technique, (5,))
    assert isinstance(module, StackedBatchNorm)
    assert module.technique is technique
    assert module.weight.shape == (5,)


X = torch.linspace(-3, 3, 25, dtype=torch.float64)
FORMULAS = {
    "relu": X.clamp_min(0),
    "leaky_relu": torch.where(X > 0, X, 0.01 * X),
    "elu": torch.where(X > 0, X, X.exp() - 1),
    "selu": 1.0507009873554805 * torch.where(X > 0, X, 1.6732632423543772 * (X.exp() - 1)),
    "gelu": X * 0.5 * (1 + torch.erf(X / 2**0.5)),
    "silu": X / (1 + (-X).exp()),
    "tanh": (X.exp() - (-X).exp()) / (X.exp() + (-X).exp()),
    "sigmoid": 1 / (1 + (-X).exp()),
    "softsign": X / (1 + X.abs()),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_their_formulas(name: str) -> None:
    torch.testing.assert_close(ACTIVATIONS[name]()(X), FORMULAS[name])


@pytest.mark.parametrize("sizes", [(0,), (3, -1), (True,), (2.0,), [3], 3, ("4",), None])
def test_sizes_that_are_no_positive_whole_numbers_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(BadInput) as error:
        refuse_hidden("MLP", {"widths": sizes}, "relu")
    assert str(error.value) == f"MLP.widths must be a tuple of positive whole numbers. Got {sizes!r}."


def test_unknown_activations_are_refused() -> None:
    refuse_hidden("MLP", {"widths": (), "channels": (1,)}, "relu")
    with pytest.raises(BadInput, match=r"^MLP.activation must name an activation. Got 'rlu'. Did you mean 'relu'\?$"):
        refuse_hidden("MLP", {}, "rlu")
