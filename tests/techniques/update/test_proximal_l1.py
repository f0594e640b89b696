"""Against torch.nn.functional.softshrink, scikit-learn's Lasso, and the closed form of a diagonal quadratic."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import make_regression
from sklearn.linear_model import Lasso

from wellposed.techniques import ProximalL1
from wellposed.techniques.update.proximal_l1 import dead_inputs, shrink_weights_


def drawn(dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (2, 5, 4), "0.bias": (2, 5), "1.weight": (2, 3, 5, 2, 2)}
    return {n: torch.randn(s, generator=generator, dtype=dtype) for n, s in shapes.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_equals_softshrink_for_each_member(dtype: torch.dtype) -> None:
    found, rates, amounts = drawn(dtype), (0.5, 0.25), (1.0, 3.0)
    technique = ProximalL1().bound({"amount": torch.tensor(amounts, dtype=dtype)})
    technique.update_(found, torch.tensor(rates, dtype=dtype))
    for k in range(2):
        for name in ("0.weight", "1.weight"):
            expected = F.softshrink(drawn(dtype)[name][k], rates[k] * amounts[k])
            assert torch.equal(found[name][k], expected)
            assert 0 < int((expected == 0).sum()) < expected.numel()
    assert torch.equal(found["0.bias"], drawn(dtype)["0.bias"])


def test_gradient_descent_ends_at_the_closed_form_of_a_quadratic() -> None:
    """Of (w - w*) H (w - w*) / 2 with a diagonal H: sign(w*) max(|w*| - amount / H, 0), with zeros that are exact."""
    best, curvature = torch.tensor([[3.0, -2.0, 0.5, -0.0625], [1.0, 2.0, 0.5, 4.0]], dtype=torch.float64)
    amount, rate, w = 0.4, 0.2, torch.zeros(1, 1, 4, dtype=torch.float64)
    for _ in range(500):
        w -= rate * curvature * (w - best)
        ProximalL1(amount=amount).update_({"w": w}, rate)
    expected = best.sign() * (best.abs() - amount / curvature).clamp_min(0)
    assert (w.flatten() == 0).tolist() == [False, False, True, True] == (expected == 0).tolist()
    torch.testing.assert_close(w.flatten(), expected, rtol=1e-10, atol=0)


def test_gradient_descent_ends_at_scikit_learns_lasso_with_the_same_dead_inputs() -> None:
    rows, targets = make_regression(60, 8, n_informative=3, noise=5.0, random_state=0)
    theirs = Lasso(alpha=2.0, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(rows, targets)
    x, y, w = torch.from_numpy(rows), torch.from_numpy(targets), torch.zeros(1, 1, 8, dtype=torch.float64)
    for _ in range(1000):
        w -= 0.3 * (x.T @ (x @ w.flatten() - y) / len(y))
        ProximalL1(amount=2.0).update_({"w": w}, 0.3)
    expected = torch.from_numpy(theirs.coef_)
    torch.testing.assert_close(w.flatten(), expected, rtol=1e-8, atol=1e-10)
    dead = (expected == 0).nonzero().flatten()
    assert 0 < len(dead) < 8
    assert torch.equal(dead_inputs(w[0]), dead)


def test_where_names_who_is_pulled() -> None:
    found = drawn()
    ProximalL1(amount=1.0, where="1.*").update_(found, 0.1)
    assert torch.equal(found["0.weight"], drawn()["0.weight"])
    assert not torch.equal(found["1.weight"], drawn()["1.weight"])


def test_what_is_broken_stays_so() -> None:
    weight = torch.tensor([[[float("nan"), 1.0, float("inf")]]])
    shrink_weights_({"weight": weight}, 0.5)
    assert weight[0, 0, 0].isnan()
    assert weight[0, 0, 1:].tolist() == [0.5, float("inf")]


def test_a_dead_channel_has_no_weight_in_any_place_of_the_kernel() -> None:
    weight = torch.zeros(2, 4, 3, 3)
    weight[1, 2, 0, 2] = 1e-30
    weight[0, 0, 1, 1] = -1.0
    assert dead_inputs(weight).tolist() == [1, 3]
    assert dead_inputs(torch.ones(2, 3)).tolist() == []
