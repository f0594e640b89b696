"""States: which members are taken, and what memory they share."""

from dataclasses import replace

import torch
from torch import Tensor

from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.population.population import Population
from wellposed.population.state import State, take
from wellposed.recipe import Recipe
from wellposed.techniques import EMA, BatchNorm, Dropout

RECIPE = Recipe(net=MLP(widths=(4,)), techniques=(BatchNorm(), Dropout(rate=0.5), EMA()))


def made() -> State:
    """Four members with everything a state can hold."""
    each = [RECIPE.with_strengths({"Dropout.rate": 0.1 * i}) for i in range(4)]
    state = Population(each, inputs=Inputs((3,)), outputs=2, seed=[5, 6, 7, 8], dtype=torch.float64).state
    return replace(state, owned=torch.arange(8).view(4, 2), loss_sum=torch.arange(4.0), step=3)


def tensors(state: State) -> dict[str, Tensor]:
    return {
        "ids": state.ids, "seeds": state.seeds, "loss_sum": state.loss_sum, "owned": torch.as_tensor(state.owned),
        **state.parameters, **state.buffers, **{f"mean {n}": t for n, t in state.means.items()},
        **{f"{slot} {n}": t for slot, named in state.slots.items() for n, t in named.items()},
        **{f"strength {n}": t for n, t in state.strengths.items() if isinstance(t, Tensor)},
    }  # fmt: skip


def test_a_slice_shares_memory() -> None:
    state = made()
    part = tensors(state.take(slice(1, 3)))
    for name, tensor in tensors(state).items():
        assert torch.equal(part[name], tensor[1:3])
        assert part[name].data_ptr() == tensor[1:].data_ptr(), name
    part["0.weight"].add_(1)
    assert torch.equal(state.parameters["0.weight"][1:3], part["0.weight"])


def test_positions_copy() -> None:
    state = made()
    chosen = torch.tensor([3, 0])
    part = tensors(state.take(chosen))
    for name, tensor in tensors(state).items():
        assert torch.equal(part[name], tensor[chosen])
        assert part[name].untyped_storage().data_ptr() != tensor.untyped_storage().data_ptr(), name


def test_a_copy_is_equal_and_apart() -> None:
    state = made()
    copied, before = tensors(state.copy()), {name: t.clone() for name, t in tensors(state).items()}
    for tensor in copied.values():
        tensor.add_(1)
    torch.testing.assert_close(tensors(state), before, rtol=0, atol=0)
    assert state.copy().step == 3
    assert len(state.copy()) == 4


def test_what_all_share_stays_a_number() -> None:
    state = made().take(slice(0, 1))
    assert state.strengths["BatchNorm.momentum"] == 0.1
    assert torch.as_tensor(state.strengths["Dropout.rate"]).shape == (1,)
    assert len(state.take(slice(0, 0))) == 0
    assert replace(state, owned=None).take(slice(0, 1)).owned is None


def test_views_count_their_changes_by_themselves() -> None:
    """Autograd must not take a change of one range for a change of what it saved of another."""
    whole = torch.ones(4, 2)
    first, second = take({"w": whole}, slice(0, 2))["w"], take({"w": whole}, slice(2, 4))["w"]
    leaf = first.detach().requires_grad_()
    out = leaf.square().sum()
    second.mul_(3)
    out.backward()
    assert torch.equal(torch.as_tensor(leaf.grad), torch.full((2, 2), 2.0))
    assert torch.equal(whole[2:], torch.full((2, 2), 3.0))


def test_bound_recipes_carry_the_members_strengths() -> None:
    bound = made().take(torch.tensor([3, 1])).bound(RECIPE).strengths()
    torch.testing.assert_close(bound["Dropout.rate"], torch.tensor([0.3, 0.1], dtype=torch.float64))
    assert bound["EMA.decay"] == 0.999


def test_averages_answer_in_the_place_of_weights() -> None:
    state = made()
    state.means["0.weight"].add_(1)
    answering = state.answering()
    assert torch.equal(answering["0.weight"], state.parameters["0.weight"] + 1)
    assert torch.equal(answering["3.key"], state.buffers["3.key"])
    assert answering.keys() == state.parameters.keys() | state.buffers.keys()
