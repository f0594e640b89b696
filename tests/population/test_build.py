"""Step 0: starting weights, their spread and their seeds; what is stacked and what is shared."""

from dataclasses import replace

import pytest
import torch
from tests.population.conftest import made_rows
from torch import Tensor, nn

from wellposed.errors import BadInput, NoEffect
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs, Net
from wellposed.nets.stacking import stack_forward
from wellposed.population.build import Factory, build_template, initial_state, replace_dropout, stack_strengths
from wellposed.population.population import Population
from wellposed.population.state import State
from wellposed.recipe import Recipe
from wellposed.techniques import (
    EMA,
    BatchNorm,
    Dropout,
    He,
    InstanceNorm,
    LayerNorm,
    StochasticDepth,
    WeightNorm,
    Xavier,
)
from wellposed.techniques.layers.dropout import StackedDropout
from wellposed.techniques.technique import Technique

CPU = torch.device("cpu")
WIDE = Recipe(net=MLP(widths=(50, 40)), techniques=(He(), BatchNorm(), LayerNorm(), Dropout(rate=0.2)))
SMALL = replace(WIDE, net=MLP(widths=(8, 8)))


def start(
    recipe: Recipe | list[Recipe],
    seeds: list[int],
    *,
    inputs: Inputs = Inputs((30,)),  # noqa: B008 - a frozen value
    factory: Factory | None = None,
    dtype: torch.dtype = torch.float64,
) -> State:
    """A population at step 0, with two outputs."""
    each = recipe if isinstance(recipe, list) else [recipe] * len(seeds)
    blueprint = build_template(each[0], inputs=inputs, outputs=2, factory=factory, dtype=dtype, device=CPU)
    return initial_state(blueprint, each, torch.tensor(seeds), dtype=dtype, device=CPU)


def test_the_variance_of_weights_is_hes() -> None:
    """The mean of n squares of normal numbers is within 5 deviations sqrt(2 / n) of their variance, except about once
    in a million draws, and the draw is the same in every run."""
    state = start(WIDE, list(range(40)), inputs=Inputs((30,), (9,)))
    for name, fan_in in (("body.0.weight", 30 + 5), ("body.5.weight", 50), ("body.10.weight", 40)):
        weights = state.parameters[name]
        assert weights.shape[2] == fan_in
        assert abs(float(weights.square().mean()) * fan_in / 2 - 1) < 5 * (2 / weights.numel()) ** 0.5
        assert abs(float(weights.mean())) < 5 * (2 / fan_in / weights.numel()) ** 0.5


def test_the_variance_of_convolutions_counts_their_window() -> None:
    state = start(Recipe(net=CNN(channels=(16, 32), widths=())), list(range(20)), inputs=Inputs((3, 8, 8)))
    for name, fan_in in (("0.weight", 3 * 25), ("2.0.weight", 16 * 9)):
        weights = state.parameters[name]
        assert abs(float(weights.square().mean()) * fan_in / 2 - 1) < 5 * (2 / weights.numel()) ** 0.5


def test_embeddings_have_the_variance_of_one_over_their_width() -> None:
    state = start(Recipe(net=MLP(widths=(4,))), list(range(40)), inputs=Inputs((3,), (60,)))
    weights = state.parameters["embedded.tables.0.weight"]
    assert weights.shape == (40, 60, 16)
    assert abs(float(weights.square().mean()) * 16 - 1) < 5 * (2 / weights.numel()) ** 0.5


def test_biases_are_zero_and_norms_are_neutral() -> None:
    state = start(SMALL, [1, 2, 3])
    assert len(state.parameters) == 14
    for name, p in state.parameters.items():
        if name.endswith("bias"):
            assert torch.equal(p, torch.zeros_like(p)), name
        elif p.dim() == 2:
            assert torch.equal(p, torch.ones_like(p)), name
    assert torch.equal(state.buffers["1.running_mean"], torch.zeros(3, 8).double())
    assert torch.equal(state.buffers["1.running_var"], torch.ones(3, 8).double())


def test_the_recipes_weight_technique_is_used() -> None:
    a, b = start(SMALL, [1]), start(replace(SMALL, techniques=(Xavier(), *SMALL.techniques[1:])), [1])
    assert not torch.equal(a.parameters["0.weight"], b.parameters["0.weight"])
    without = start(replace(SMALL, techniques=SMALL.techniques[1:]), [1])
    assert torch.equal(a.parameters["0.weight"], without.parameters["0.weight"])


def test_a_member_starts_the_same_however_many_there_are() -> None:
    alone, together = start(SMALL, [7]), start(SMALL, [5, 6, 7])
    for name, p in together.parameters.items():
        assert torch.equal(p[2], alone.parameters[name][0])
    weights = together.parameters["0.weight"]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0, :8, :8], together.parameters["5.weight"][0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_floating_tensors_are_of_the_type_asked_for(dtype: torch.dtype) -> None:
    state = start([SMALL, SMALL.with_strengths({"Dropout.rate": 0.5})], [1, 2], dtype=dtype)
    tensors = [
        *state.parameters.values(),
        *state.buffers.values(),
        *(t for s in state.slots.values() for t in s.values()),
    ]
    assert {t.dtype for t in tensors if t.is_floating_point()} == {dtype}
    assert state.buffers["4.key"].dtype == torch.int64
    rate = state.strengths["Dropout.rate"]
    assert isinstance(rate, Tensor)
    assert rate.dtype == dtype


def test_strengths_are_stacked_only_where_they_differ() -> None:
    each = [SMALL.with_strengths({"Dropout.rate": rate}) for rate in (0.1, 0.2, 0.3)]
    found = stack_strengths(each, dtype=torch.float64, device=CPU)
    rate = found.pop("Dropout.rate")
    assert torch.equal(torch.as_tensor(rate), torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    assert found == {n: v for n, v in SMALL.strengths().items() if n != "Dropout.rate"}


def test_layers_get_the_strengths_in_which_members_differ() -> None:
    each = [SMALL.with_strengths({"Dropout.rate": rate}) for rate in (0.1, 0.2)]
    state = start(each, [1, 2])
    for layer in ("4.rate", "9.rate"):
        assert state.buffers[layer].tolist() == [0.1, 0.2]
    assert "1.momentum" not in state.buffers


def test_each_of_two_layers_of_a_kind_gets_its_own_strength() -> None:
    """Also where one and the same value is written twice."""
    drop = Dropout(rate=0.1)
    twice = Recipe(net=MLP(widths=(4,)), techniques=(drop, drop))
    state = start([twice, twice.with_strengths({"Dropout#2.rate": 0.5})], [1, 2])
    assert state.buffers["3.rate"].tolist() == [0.1, 0.5]
    assert "2.rate" not in state.buffers


class Users(nn.Module):
    """A user's module that draws a parameter, a buffer and weights, and has dropout in two depths."""

    def __init__(self) -> None:
        super().__init__()
        self.mine = nn.Parameter(torch.randn(4))
        self.register_buffer("features", torch.randn(3))
        self.net = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.25), nn.Linear(4, 2))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.drop(self.net(x))
        return out


PLAIN = Recipe(net=MLP(widths=(3,)))


def test_a_factorys_weights_are_what_it_draws_from_the_members_seed() -> None:
    state = start(PLAIN, [5, -3], factory=Users)
    for k, seed in enumerate((5, -3)):
        torch.manual_seed(seed)
        for name, p in Users().named_parameters():
            assert torch.equal(state.parameters[name][k], p.detach().double())
    assert torch.equal(start(PLAIN, [9, 1, -3], factory=Users).parameters["mine"][2], state.parameters["mine"][1])


def test_a_factorys_start_does_not_depend_on_the_global_generator_and_leaves_it() -> None:
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.random.get_rng_state()
        found.append(start(PLAIN, [3], factory=Users))
        found.append(start(replace(PLAIN, techniques=(He(),)), [3], factory=Users))
        assert torch.equal(torch.random.get_rng_state(), before)
    for a, b in ((found[0], found[2]), (found[1], found[3])):
        torch.testing.assert_close({**a.parameters, **a.buffers}, {**b.parameters, **b.buffers}, rtol=0, atol=0)


def test_a_weight_technique_is_used_for_a_factorys_layers_too() -> None:
    state = start(replace(PLAIN, techniques=(He(),)), [3], factory=Users)
    assert torch.equal(state.parameters["net.0.bias"], torch.zeros(1, 4).double())


class Frozen(nn.Module):
    """A pretrained layer that is not to be trained, and one on top."""

    def __init__(self) -> None:
        super().__init__()
        self.below, self.top = nn.Linear(6, 4), nn.Linear(4, 3)
        self.below.load_state_dict({"weight": torch.arange(24.0).view(4, 6) / 24, "bias": torch.ones(4)})
        self.below.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.top(torch.relu(self.below(x)))
        return out


@pytest.mark.parametrize("techniques", [(), (He(),)])
def test_what_a_factory_froze_is_not_trained(techniques: tuple) -> None:
    population = Population(
        replace(PLAIN, epochs=2, techniques=(*techniques, EMA(decay=0.5))), inputs=Inputs((6,)), outputs=3,
        factory=Frozen, members=2, dtype=torch.float64,
    )  # fmt: skip
    top = population.state.parameters["top.weight"].clone()
    assert population.state.parameters.keys() == {"top.weight", "top.bias"}
    for _ in population.train(made_rows(30)):
        pass
    expected = (torch.arange(24.0).view(4, 6) / 24).double().expand(2, 4, 6)
    torch.testing.assert_close(population.record.best["below.weight"], expected, rtol=1e-15, atol=0)
    assert (population.record.best["top.weight"] != top).any()


def test_dropout_is_replaced_and_named() -> None:
    drop = nn.Dropout(0.1)
    module = nn.Sequential(nn.Linear(2, 2), drop, nn.Sequential(nn.ReLU(), nn.Dropout(0.3)), drop, nn.Dropout2d(0.2))
    assert replace_dropout(module) == ["1", "2.1", "3"]
    rates = [m.technique.rate for m in module.modules() if isinstance(m, StackedDropout) and m.technique]  # type: ignore[attr-defined]
    assert rates == [0.1, 0.3, 0.1]
    assert module[1] is not module[3]
    assert isinstance(module[4], nn.Dropout2d)
    assert replace_dropout(module) == []


def test_averages_start_as_copies_of_weights_and_statistics() -> None:
    state = start(replace(SMALL, techniques=(*SMALL.techniques, EMA())), [1, 2])
    assert state.means.keys() == {n for n, t in {**state.parameters, **state.buffers}.items() if t.is_floating_point()}
    for name, mean in state.means.items():
        source = {**state.parameters, **state.buffers}[name]
        assert torch.equal(mean, source)
        assert mean.data_ptr() != source.data_ptr()
    assert start(SMALL, [1, 2]).means == {}


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda: 3, "What the factory returns must be a torch.nn.Module. Got 'int'."),
        (
            nn.ReLU,
            "The factory's module must have parameters to train. Got 'none that requires a gradient'.",
        ),
        (
            lambda: nn.Linear(2, 2).requires_grad_(False),
            "The factory's module must have parameters to train. Got 'none that requires a gradient'.",
        ),
    ],
)
def test_what_is_no_network_is_refused(factory: Factory, message: str) -> None:
    with pytest.raises(BadInput) as error:
        build_template(PLAIN, inputs=Inputs((2,)), outputs=2, factory=factory, dtype=torch.float32, device=CPU)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("technique", "net", "sentence"),
    [
        (InstanceNorm(), MLP(), "InstanceNorm must have room in the net MLP. Got 'none'. It acts on channels"),
        (StochasticDepth(), MLP(), "StochasticDepth must have room in the net MLP. Got 'none'. Take it out"),
        (Dropout(), MLP(widths=()), "Dropout must have room in the net MLP. Got 'none'. Take it out"),
    ],
)
def test_a_technique_without_room_is_refused(technique: Technique, net: Net, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        Population(Recipe(net=net, techniques=(technique,)), inputs=Inputs((6,)), outputs=3)
    assert str(refused.value).startswith(sentence)


def test_a_layer_beside_a_factory_is_told_to_change_nothing() -> None:
    with pytest.warns(NoEffect, match="Dropout changes nothing: the factory's module is trained as it is"):
        Population(Recipe(techniques=(Dropout(),)), inputs=Inputs((6,)), outputs=3, factory=lambda: nn.Linear(6, 3))


def test_a_parametrization_starts_from_the_weights_drawn() -> None:
    """Weight norm begins with each member's own lengths, so that the first outputs are those without it."""
    recipe = Recipe(net=MLP(widths=(8,)), techniques=(WeightNorm(),))
    normed = Population(recipe, inputs=Inputs((6,)), outputs=3, members=3)
    tensors = {**normed.state.parameters, **normed.state.buffers}
    for path in ("0", "2"):
        weight = tensors[f"{path}.affine.weight"]
        torch.testing.assert_close(tensors[f"{path}.parametrizations.0.scale"], weight.norm(dim=2))
    x = torch.randn(3, 5, 6)
    hidden = torch.bmm(x, tensors["0.affine.weight"].mT).relu()
    expected = torch.bmm(hidden, tensors["2.affine.weight"].mT)
    torch.testing.assert_close(stack_forward(normed.blueprint.template)(tensors, x), expected)
