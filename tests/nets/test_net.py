"""What a network is asked to be: widths, the order of norms, activation and dropout, and refused sizes."""

import copy

import pytest
import torch
from tests.nets.helpers import Faded, Scaled
from torch import nn

from wellposed.errors import BadInput
from wellposed.nets.net import ACTIVATIONS, Inputs, branch_ends, hidden, place, refuse_hidden, reweight, unplaced
from wellposed.nets.reweighted import Reweighted
from wellposed.techniques import BatchNorm, Dropout, LayerNorm
from wellposed.techniques.layers.batch_norm import StackedBatchNorm
from wellposed.techniques.layers.dropout import StackedDropout


def test_the_width_of_a_row_is_the_count_of_its_numbers() -> None:
    assert Inputs((7,)).width == 7
    assert Inputs((3, 4, 5)).width == 60
    assert Inputs((0,), (3, 2)).width == 0


@pytest.mark.parametrize(
    ("inputs", "kind", "shapes"),
    [
        (Inputs((7,)), "rows", [(1, 7)]),
        (Inputs((0,), (3, 2)), "rows", [(1, 0), (1, 2)]),
        (Inputs((3, 4, 5)), "images", [(1, 3, 4, 5)]),
        (Inputs((6, 2)), "sequences", [(1, 6, 2), (1, 1)]),
        (Inputs((0,), vocabulary=9), "texts", [(1, 0), (1, 32)]),
    ],
)
def test_inputs_know_their_kind_and_give_an_example(inputs: Inputs, kind: str, shapes: list[tuple[int, ...]]) -> None:
    found = inputs.example(torch.zeros(1, dtype=torch.float64))
    assert inputs.kind == kind
    assert [tuple(t.shape) for t in found] == shapes
    assert [t.dtype for t in found] == [torch.float64, torch.int64][: len(shapes)]
    if kind in ("sequences", "texts"):
        assert found[1].unique().tolist() == [6 if kind == "sequences" else 1]


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


def test_layers_stand_where_their_axes_are() -> None:
    layers = [Dropout(), BatchNorm(), LayerNorm(where="after")]
    found = hidden(nn.Conv2d(2, 4, 3), (4, 5, 5), "prelu", layers)
    assert [type(m).__name__ for m in found] == ["Conv2d", "StackedBatchNorm", "PReLU", "StackedLayerNorm"]


def test_parametrizations_act_on_affine_layers_in_the_order_given() -> None:
    layers = [Scaled(power=3), Dropout(), Scaled(power=2)]
    affine = nn.Linear(3, 4)
    found = hidden(affine, (4,), "relu", layers)[0]
    assert isinstance(found, Reweighted)
    assert found.affine is affine
    assert [m.technique for m in found.parametrizations] == [layers[0], layers[2]]
    assert reweight(affine, [Dropout()]) is affine


def test_branches_end_in_the_order_given() -> None:
    layers = [Faded(), Dropout(), Faded()]
    found = branch_ends(layers, 0.5)
    assert [type(m).__name__ for m in found] == ["StackedFaded"] * 2
    assert all(m.technique is t and m.depth == 0.5 for m, t in zip(found, [layers[0], layers[2]], strict=True))


def test_what_found_no_room_is_told_apart_by_identity() -> None:
    layers = [Dropout(), Dropout(), Faded(), BatchNorm()]
    network = nn.Sequential(*hidden(nn.Linear(2, 3), (3,), "relu", layers[1:]))
    found = unplaced(network, layers)
    assert len(found) == 2 and found[0] is layers[0] and found[1] is layers[2]
    assert unplaced(nn.Linear(2, 2), layers) == layers
    assert len(unplaced(copy.deepcopy(network), layers)) == 4  # a copy holds copies


X = torch.linspace(-3, 3, 25, dtype=torch.float64)
FORMULAS = {
    "relu": X.clamp_min(0),
    "leaky_relu": torch.where(X > 0, X, 0.01 * X),
    "prelu": torch.where(X > 0, X, 0.25 * X),
    "elu": torch.where(X > 0, X, X.exp() - 1),
    "selu": 1.0507009873554805 * torch.where(X > 0, X, 1.6732632423543772 * (X.exp() - 1)),
    "gelu": X * 0.5 * (1 + torch.erf(X / 2**0.5)),
    "silu": X / (1 + (-X).exp()),
    "mish": X * torch.tanh(torch.log(1 + X.exp())),
    "tanh": (X.exp() - (-X).exp()) / (X.exp() + (-X).exp()),
    "sigmoid": 1 / (1 + (-X).exp()),
    "softsign": X / (1 + X.abs()),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_their_formulas(name: str) -> None:
    torch.testing.assert_close(ACTIVATIONS[name]().double()(X), FORMULAS[name])


@pytest.mark.parametrize("sizes", [(0,), (3, -1), (True,), (2.0,), [3], 3, ("4",), None])
def test_sizes_that_are_no_positive_whole_numbers_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(BadInput) as error:
        refuse_hidden("MLP", {"widths": sizes}, "relu")
    assert str(error.value) == f"MLP.widths must be a tuple of positive whole numbers. Got {sizes!r}."


def test_unknown_activations_are_refused() -> None:
    refuse_hidden("MLP", {"widths": (), "channels": (1,)}, "relu")
    with pytest.raises(BadInput, match=r"^MLP.activation must name an activation. Got 'rlu'. Did you mean 'relu'\?$"):
        refuse_hidden("MLP", {}, "rlu")
