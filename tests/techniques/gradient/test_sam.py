"""Against the gradient of a quadratic in closed form, the highest loss of a ball, and what ASAM is invariant to."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from wellposed.techniques import SAM
from wellposed.techniques.gradient.sam import climb, climb_adaptively

KEY = torch.tensor([1, 2])


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_on_a_quadratic_the_gradient_is_that_of_the_closed_form() -> None:
    """Of L = w A w / 2 it is A w + rho A A w / |A w|."""
    w, root, radii = drawn(2, 5), drawn(5, 5, seed=1), (0.05, 2.0)
    a = root @ root.T
    technique = SAM().bound({"radius": torch.tensor(radii, dtype=torch.float64)})
    point = technique.point({"w": w}, {"w": w @ a}, KEY)["w"]
    for k, radius in enumerate(radii):
        slope = a @ w[k]
        torch.testing.assert_close(a @ point[k], slope + radius * (a @ slope) / slope.norm(), rtol=1e-12, atol=1e-12)


def test_of_a_linear_loss_it_is_the_highest_point_of_the_ball() -> None:
    weights, slopes = {"a": drawn(2, 4, 3), "b": drawn(2, 4)}, {"a": drawn(2, 4, 3, seed=1), "b": drawn(2, 4, seed=2)}

    def loss(point: dict[str, Tensor]) -> Tensor:
        return sum(((point[n] * slopes[n]).flatten(1).sum(1) for n in point), torch.zeros(2, dtype=torch.float64))

    point = climb(weights, slopes, 0.3)
    length = torch.cat([(point[n] - weights[n]).flatten(1) for n in point], dim=1).norm(dim=1)
    torch.testing.assert_close(length, torch.full_like(length, 0.3), rtol=1e-10, atol=0)
    for seed in range(50):
        directions = {"a": drawn(2, 4, 3, seed=seed + 3), "b": drawn(2, 4, seed=seed + 100)}
        assert (loss(climb(weights, directions, 0.3)) <= loss(point)).all()


def test_one_step_with_gradient_descent_is_the_published_algorithm() -> None:
    """Written with autograd on one network: climb, take the gradient there, and step from where it was."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)).double(), drawn(8, 4)
    names = [name for name, _ in model.named_parameters()]

    def slopes(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
        loss = torch.func.functional_call(model, leaves, (x,)).square().mean()
        return dict(zip(names, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    start = {name: p.detach() for name, p in model.named_parameters()}
    first = slopes(start)
    stacked = SAM(radius=0.1).point({n: p[None] for n, p in start.items()}, {n: g[None] for n, g in first.items()}, KEY)
    ours = slopes({name: p[0] for name, p in stacked.items()})

    whole = nn.utils.get_total_norm(first.values())
    theirs = slopes({name: start[name] + 0.1 * first[name] / whole for name in names})
    for name in names:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-10, atol=1e-12)


def test_adaptively_the_scale_of_layers_does_not_matter() -> None:
    """Of w2 relu(w1 x), w1 may be doubled and w2 halved: the loss at the point stays (without the floor)."""
    x = drawn(8, 4)

    def loss(w: dict[str, Tensor]) -> Tensor:
        return (torch.relu(x @ w["a"][0].T) @ w["b"][0].T).square().mean()

    def at_point(scale: float, adaptive: bool) -> Tensor:
        leaves = {"a": (drawn(1, 3, 4) * scale).requires_grad_(), "b": (drawn(1, 2, 3) / scale).requires_grad_()}
        found = torch.autograd.grad(loss(leaves), list(leaves.values()))
        gradients = dict(zip(leaves, found, strict=True))
        weights = {name: leaf.detach() for name, leaf in leaves.items()}
        move = partial(climb_adaptively, floor=0.0) if adaptive else climb
        return loss(move(weights, gradients, 0.3))

    torch.testing.assert_close(at_point(1.0, True), at_point(5.0, True), rtol=1e-10, atol=0)
    assert abs(at_point(1.0, False) - at_point(5.0, False)) > 1e-3


def test_adaptively_a_bias_counts_as_it_is() -> None:
    """w + rho T T g / |T g| with T = |w| + 0.01 for weights, 1 for biases."""
    w, b, gw, gb = drawn(2, 3, 4), drawn(2, 3), drawn(2, 3, 4, seed=1), drawn(2, 3, seed=2)
    point = SAM(adaptive=True, radius=0.3).point({"0.weight": w, "0.bias": b}, {"0.weight": gw, "0.bias": gb}, KEY)
    for k in range(2):
        unit = w[k].abs() + 0.01
        length = torch.cat([(unit * gw[k]).flatten(), gb[k]]).norm()
        torch.testing.assert_close(point["0.weight"][k], w[k] + 0.3 * unit**2 * gw[k] / length, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(point["0.bias"][k], b[k] + 0.3 * gb[k] / length, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("adaptive", [False, True])
def test_without_a_slope_it_stays_and_others_do_not_matter(adaptive: bool) -> None:
    weights, slopes = {"w": drawn(2, 3, 4)}, {"w": drawn(2, 3, 4, seed=1)}
    slopes["w"][0] = 0
    point = SAM(adaptive=adaptive).point(weights, slopes, KEY)["w"]
    assert torch.equal(point[0], weights["w"][0])
    assert point.data_ptr() != weights["w"].data_ptr()
    slopes["w"][0] = float("nan")
    assert torch.equal(SAM(adaptive=adaptive).point(weights, slopes, KEY)["w"][1], point[1])
