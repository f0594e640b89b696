"""Goodfellow's closed form for logistic regression; the objective written by hand; what moves, and how far."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.nets.resnet import ResNet
from wellposed.optimizers import SGD
from wellposed.population.population import Population
from wellposed.recipe import Recipe
from wellposed.techniques import AdversarialTraining, Dropout
from wellposed.techniques.loss.adversarial import climb, within_range
from wellposed.techniques.places import Answers, Batch, Facts

KEY = torch.tensor([1, 2])


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def asked(weight: Tensor, x: Tensor, y: Tensor) -> Answers:
    """Of two logistic regressions `2 D` whose classes are -1 and 1, with the logistic loss as the paper writes it."""
    x = x.clone().requires_grad_()

    def loss_at(x: Tensor) -> Tensor:
        return F.softplus(-y * (x @ weight.unsqueeze(-1)).squeeze(-1)).mean(1)

    outputs = x @ weight.unsqueeze(-1)
    batch = Batch(x, torch.zeros(*x.shape[:2], 0, dtype=torch.int64), y.unsqueeze(-1), None)
    return Answers(outputs, batch, lambda draw: outputs, loss_at(x), loss_at)


def test_of_logistic_regression_it_is_the_papers_closed_form() -> None:
    """Section 5: the worst case of a step in the maximum norm is softplus(eps |w|_1 - y w x); and its gradient."""
    weight, x = drawn(2, 6).requires_grad_(), drawn(2, 9, 6, seed=1)
    y = drawn(2, 9, seed=2).sign()
    epsilon = torch.tensor([0.1, 0.5], dtype=torch.float64)
    found = AdversarialTraining(share=1.0).bound({"epsilon": epsilon}).penalize(asked(weight, x, y), KEY)
    margins = y * (x @ weight.unsqueeze(-1)).squeeze(-1)
    worst = F.softplus(epsilon.unsqueeze(1) * weight.abs().sum(1, keepdim=True) - margins).mean(1)
    expected = worst - F.softplus(-margins).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    ours, theirs = (torch.autograd.grad(p.sum(), weight, retain_graph=True)[0] for p in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_share_of_the_objective_is_that_of_moved_rows() -> None:
    answers = asked(drawn(2, 6).requires_grad_(), drawn(2, 9, 6, seed=1), drawn(2, 9, seed=2).sign())
    whole = AdversarialTraining(share=1.0).penalize(answers, KEY)
    shares = torch.tensor([0.0, 0.3], dtype=torch.float64)
    found = AdversarialTraining().bound({"share": shares}).penalize(answers, KEY)
    torch.testing.assert_close(found, shares * whole)
    assert whole.gt(0).all()


def test_rows_move_by_epsilon_where_there_is_a_slope() -> None:
    slope = torch.tensor([[[3.0, -1e-9, 0.0]], [[1.0, 0.0, -2.0]]])
    moved = climb(torch.zeros(2, 1, 3), slope, torch.tensor([0.1, 0.2]))
    assert torch.equal(moved, torch.tensor([[[0.1, -0.1, 0.0]], [[0.2, 0.0, -0.2]]]))


def test_pixels_stay_in_the_range_of_the_training_images_and_columns_do_not() -> None:
    """A pixel that is outside already moves no further out, and may come back."""
    x = torch.tensor([0.0, 0.95, 1.3, 1.3]).view(1, 1, 1, 2, 2)
    moved = torch.tensor([-0.1, 1.05, 1.4, 1.2]).view(1, 1, 1, 2, 2)
    facts = Facts(torch.zeros(1), torch.ones(1))
    empty = torch.zeros(1, 1, 0, dtype=torch.int64)
    batch = Batch(x, empty, torch.zeros(1, 1, 1), None, facts)
    assert within_range(moved, batch).flatten().tolist() == pytest.approx([0.0, 1.0, 1.3, 1.2])
    assert torch.equal(within_range(moved, batch._replace(facts=None)), moved)
    row = batch._replace(x=x.view(1, 1, 4), facts=Facts(torch.zeros(4), torch.ones(4)))
    assert torch.equal(within_range(moved.view(1, 1, 4), row), moved.view(1, 1, 4))


def test_texts_are_refused() -> None:
    empty = Batch(torch.zeros(1, 4, 0), torch.ones(1, 4, 3, dtype=torch.int64), torch.zeros(1, 4, 2), None)
    answers = Answers(torch.zeros(1, 4, 2), empty, lambda draw: empty.x, torch.zeros(1), lambda x: torch.zeros(1))
    with pytest.raises(BadInput, match=r"must be numbers\. Got 'none'\. Leave it out for texts and categories\.$"):
        AdversarialTraining().penalize(answers, KEY[:1])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_population_trains_on_the_mean_of_both_losses(task: str) -> None:
    """Three steps of plain gradient descent on all rows at once: a loop in PyTorch with the same starting weights."""
    x = drawn(20, 5)
    y = torch.arange(20) % 3 if task == "classification" else drawn(20, 1, seed=1)
    rows = Rows(x, torch.zeros(20, 0, dtype=torch.int64), y)
    technique = AdversarialTraining(epsilon=0.2, share=0.3)
    recipe = Recipe(
        net=MLP(widths=(8,), activation="tanh"),
        optimizer=SGD(learning_rate=0.5),
        epochs=3,
        batch_size="all",
        techniques=(technique,),
    )
    outputs = 3 if task == "classification" else 1
    made = {"inputs": Inputs((5,)), "outputs": outputs, "task": task, "members": 2, "dtype": torch.float64}
    population = Population(recipe, **made)  # type: ignore[arg-type]
    nets = []
    for k in range(2):
        net = MLP(widths=(8,), activation="tanh").build(Inputs((5,)), outputs, ()).double()
        net.load_state_dict({name: p[k].clone() for name, p in population.state.parameters.items()})
        nets.append(net)
    for _ in population.train(rows):
        pass
    criterion = F.cross_entropy if task == "classification" else F.mse_loss
    for k, net in enumerate(nets):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        for _ in range(3):
            given = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(criterion(net(given), y), given)
            loss = 0.7 * criterion(net(x), y) + 0.3 * criterion(net(x + 0.2 * slope.sign()), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            torch.testing.assert_close(population.raw_outputs(rows)[k], net(x), rtol=1e-9, atol=1e-9)


def test_both_losses_are_of_the_same_masks() -> None:
    """With a step of 0 nothing is paid, whatever dropout draws: training goes as without."""
    rows = Rows(drawn(30, 5), torch.zeros(30, 0, dtype=torch.int64), torch.arange(30) % 3)
    found = []
    for techniques in ((Dropout(),), (Dropout(), AdversarialTraining(epsilon=0.0))):
        recipe = Recipe(net=MLP(widths=(16,)), epochs=2, batch_size=10, techniques=techniques)
        population = Population(recipe, inputs=Inputs((5,)), outputs=3, members=2, dtype=torch.float64)
        for _ in population.train(rows):
            pass
        found.append(population.raw_outputs(rows))
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


def test_images_are_told_their_range() -> None:
    """In a population: no network is ever shown a pixel beyond those of the training images."""
    x = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    rows = Rows(x, torch.zeros(24, 0, dtype=torch.int64), torch.arange(24) % 3)
    seen: list[Tensor] = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = ResNet(channels=(2,)).build(Inputs((1, 8, 8)), 3, ())

        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.stack([x.detach().amin(), x.detach().amax()]))
            out: Tensor = self.net(x)
            return out

    recipe = Recipe(epochs=1, batch_size=12, techniques=(AdversarialTraining(epsilon=0.5),))
    population = Population(recipe, inputs=Inputs((1, 8, 8)), outputs=3, factory=Watched)
    for _ in population.train(rows):
        pass
    ends = torch.stack([both for both in seen if both.any()])  # but for the row of zeros whose cost is measured
    assert len(ends) >= 4
    torch.testing.assert_close(ends.amin(0)[0], x.min())
    torch.testing.assert_close(ends.amax(0)[1], x.max())
