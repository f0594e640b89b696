"""What the noise adds to the loss of linear regression, on average; and that the present weights stay."""

import math

import torch
from scipy import stats

from wellposed.random import make_key
from wellposed.techniques import WeightNoise
from wellposed.techniques.gradient.weight_noise import shake_weights

KEYS = make_key(torch.arange(3), step=1, place="noise")


def test_linear_regression_pays_for_its_inputs_alone() -> None:
    """E (y - (w + e) x)^2 = (y - w x)^2 + s^2 |x|^2: the same for any w. Over 1e5 members, within 6 standard errors,
    which are below 1 %: one false alarm in 5e8.
    """
    n, x, y, deviation = 100_000, torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 0.7, 0.3
    keys = make_key(torch.arange(n), step=1, place="noise")
    for w in ([0.0, 0.0, 0.0], [0.5, -1.0, 2.0]):
        weight = torch.tensor(w, dtype=torch.float64)
        moved = shake_weights({"weight": weight.expand(n, 1, 3)}, deviation, key=keys)["weight"]
        losses = (y - moved[:, 0] @ x).square()
        expected = (y - weight @ x).square() + deviation**2 * x.square().sum()
        error = 6 * losses.std() / math.sqrt(n)
        assert error < 0.05 * expected
        assert abs(losses.mean() - expected) < error


def test_its_mean_gradient_is_that_of_the_loss_alone() -> None:
    """As what is added is constant in the weights: over 1e5 members, within 6 standard errors."""
    n, x, y = 100_000, torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 0.7
    keys, weight = make_key(torch.arange(n), step=1, place="noise"), torch.ones(1, 3, dtype=torch.float64)
    moved = shake_weights({"weight": weight.expand(n, 1, 3)}, 0.3, key=keys)["weight"].requires_grad_()
    (y - moved[:, 0] @ x).square().sum().backward()
    slopes = moved.grad[:, 0]
    expected = -2 * (y - weight[0] @ x) * x
    assert ((slopes.mean(0) - expected).abs() < 6 * slopes.std(0) / math.sqrt(n)).all()


def test_noise_is_normal_and_each_members_own() -> None:
    """Kolmogorov and Smirnov's p of at least 1e-6, the rate of false alarms."""
    weight, deviations = torch.ones(3, 100, 100), torch.tensor([0.0, 0.1, 2.0])
    technique = WeightNoise().bound({"deviation": deviations})
    moved = technique.point({"weight": weight}, {}, KEYS)["weight"]
    assert torch.equal(moved[0], weight[0])
    for k in (1, 2):
        noise = (moved - weight)[k].flatten().numpy()
        assert stats.kstest(noise, stats.norm(0, float(deviations[k])).cdf).pvalue > 1e-6
    alone = shake_weights({"weight": weight[1:2]}, 0.1, key=KEYS[1:2])["weight"]
    torch.testing.assert_close(moved[1:2], alone)


def test_weights_alone_move_and_all_is_in_memory_of_its_own() -> None:
    shapes = {"0.weight": (3, 4, 2), "0.bias": (3, 4), "1.weight": (3, 4, 5), "1.bias": (3, 4, 5)}
    parameters = {name: torch.ones(shape) for name, shape in shapes.items()}
    moved = WeightNoise(deviation=0.3).point(parameters, {}, KEYS)
    assert list(moved) == list(parameters)
    assert [name for name in shapes if not torch.equal(moved[name], parameters[name])] == ["0.weight"]
    for name, parameter in parameters.items():
        assert (parameter == 1).all()
        assert moved[name].data_ptr() != parameter.data_ptr()
