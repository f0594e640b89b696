"""What the network says before the first step, and that a constant classifier of these shares is best."""

import pytest
import torch
from sklearn.dummy import DummyClassifier
from torch import nn

from wellposed.errors import BadInput
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.population.population import Population
from wellposed.recipe import Recipe
from wellposed.techniques import ClassPrior, Constant
from wellposed.techniques.places import Batch, Start
from wellposed.techniques.weights.class_prior import log_shares


def start_of(network: nn.Module, y: torch.Tensor, shares: torch.Tensor, codes: int = 0) -> Start:
    k, b = y.shape[:2]
    return Start(network, {}, Batch(torch.ones(k, b, 6), torch.ones(k, b, codes, dtype=torch.int64), y, None), shares)


def test_says_what_scikit_learns_prior_says() -> None:
    y = torch.tensor([0, 0, 0, 1, 2, 2])
    dummy = DummyClassifier(strategy="prior").fit(y.view(-1, 1).numpy(), y.numpy())
    shares = torch.bincount(y).double() / 6
    expected = torch.from_numpy(dummy.predict_proba([[0]])[0])
    torch.testing.assert_close(log_shares(shares, 3).softmax(0), expected, rtol=1e-12, atol=0)


def test_a_class_without_rows_keeps_finite_logits() -> None:
    for shares in (torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.5, 0.5])):
        logits = log_shares(shares, 3)
        torch.testing.assert_close(logits.softmax(0), torch.tensor([0.5, 0.5, 1e-6]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("cardinalities", [(), (4, 3)], ids=["numbers", "categories"])
def test_every_member_starts_from_the_shares(cardinalities: tuple[int, ...]) -> None:
    """With weights of 0, the network says nothing else."""
    population = Population(
        Recipe(net=MLP(widths=(5,)), techniques=(Constant(value=0.0),)),
        inputs=Inputs((6,), cardinalities),
        outputs=3,
        task="classification",
        members=2,
        dtype=torch.float64,
    )
    network = population.blueprint.template
    shares = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    start = start_of(network.float(), torch.zeros(2, 4, dtype=torch.int64), shares, len(cardinalities))
    ClassPrior().start_(population.state.parameters, start)
    last = list(population.state.parameters)[-1]
    assert last.endswith("bias")
    torch.testing.assert_close(population.state.parameters[last].softmax(1), shares.expand(2, 3), rtol=1e-12, atol=0)
    others = [p for n, p in population.state.parameters.items() if n.endswith("bias") and n != last]
    assert not any(p.any() for p in others)


def test_numbers_start_from_their_mean() -> None:
    net = nn.Sequential(nn.Linear(6, 1))
    parameters = {"0.weight": torch.zeros(2, 1, 6), "0.bias": torch.zeros(2, 1)}
    ClassPrior().start_(parameters, start_of(net, torch.ones(2, 4, 1), torch.tensor([-0.3])))
    assert parameters["0.bias"].flatten().tolist() == pytest.approx([-0.3, -0.3])


def test_soft_labels_are_classes() -> None:
    net = nn.Sequential(nn.Linear(6, 2))
    parameters = {"0.weight": torch.zeros(1, 2, 6), "0.bias": torch.zeros(1, 2)}
    ClassPrior().start_(parameters, start_of(net, torch.full((1, 4, 2), 0.5), torch.tensor([0.25, 0.75])))
    torch.testing.assert_close(parameters["0.bias"].softmax(1), torch.tensor([[0.25, 0.75]]))


@pytest.mark.parametrize("network", [nn.Linear(6, 3, bias=False), nn.Flatten(), nn.Linear(6, 2)])
def test_a_network_without_such_a_bias_is_refused(network: nn.Module) -> None:
    parameters = {name: p.detach().unsqueeze(0) for name, p in network.named_parameters()}
    start = start_of(network, torch.zeros(1, 4, dtype=torch.int64), torch.ones(3) / 3)
    with pytest.raises(BadInput, match="must end in an affine layer with a bias of 3 numbers"):
        ClassPrior().start_(parameters, start)
