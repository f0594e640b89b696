"""Against scikit-learn's ElasticNet, whose solution must be our minimum, and against L1 and L2 at its ends."""

import pytest
import torch
from sklearn.datasets import make_regression
from sklearn.linear_model import ElasticNet as Theirs
from torch import Tensor

from wellposed.techniques import L1, L2, ElasticNet

AMOUNT, SHARE = 3.0, 0.7


def problem() -> tuple[Tensor, Tensor, Tensor]:
    """Rows, targets and scikit-learn's weights `1 1 D`, of which some are exactly 0."""
    x, y = make_regression(60, 8, n_informative=3, noise=5.0, random_state=0)
    found = Theirs(alpha=AMOUNT, l1_ratio=SHARE, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x, y)
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(found.coef_).view(1, 1, -1)


def objective(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return 0.5 * (y - x @ w.flatten()).square().mean() + ElasticNet(amount=AMOUNT, l1_share=SHARE).penalty({"w": w})[0]


def test_scikit_learns_solution_is_the_minimum() -> None:
    """Slope 0 where a weight is not 0; where it is, no more than what L1 holds against."""
    x, y, w = problem()
    dead = w.flatten() == 0
    assert 0 < int(dead.sum()) < 8
    w.requires_grad_()
    objective(x, y, w).backward()
    slope = w.grad.flatten().abs()  # that of |w| is 0 at 0
    assert (slope[~dead] < 1e-8).all()
    assert (slope[dead] <= AMOUNT * SHARE).all()


def test_no_weights_beside_the_solution_pay_less() -> None:
    x, y, w = problem()
    generator = torch.Generator().manual_seed(0)
    best = objective(x, y, w)
    for size in (1e-3, 0.1, 10.0):
        for _ in range(20):
            assert objective(x, y, w + size * torch.randn(w.shape, generator=generator, dtype=w.dtype)) > best


@pytest.mark.parametrize(("share", "end"), [(1.0, L1(amount=0.3, where="0.*")), (0.0, L2(amount=0.3, where="0.*"))])
def test_its_ends_are_l1_and_l2(share: float, end: L1 | L2) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (2, 4, 3), "0.bias": (2, 4), "1.weight": (2, 3, 4, 2, 2)}
    parameters = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    ours = ElasticNet(amount=0.3, l1_share=share, where="0.*").penalty(parameters)
    assert torch.equal(ours, end.penalty(parameters))


def test_members_have_strengths_of_their_own() -> None:
    w = torch.tensor([[[3.0, -4.0]], [[3.0, -4.0]]])
    technique = ElasticNet().bound({"amount": torch.tensor([1.0, 2.0]), "l1_share": torch.tensor([1.0, 0.5])})
    torch.testing.assert_close(technique.penalty({"w": w}), torch.tensor([7.0, 2 * (3.5 + 6.25)]))
