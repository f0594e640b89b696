"""Against a slow loop over one network's gradients, made by autograd; and what noise alone gives."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from wellposed.techniques import Evidence
from wellposed.techniques.end.evidence import evidence_of_noise
from wellposed.techniques.places import Curves


def written_out(rows: list[list[float]], eps: float) -> float:
    """The formula of the docstring with sums over Python numbers."""
    b, p = len(rows), len(rows[0])
    total = 0.0
    for j in range(p):
        mean = sum(row[j] for row in rows) / b
        variance = (sum(row[j] ** 2 for row in rows) - b * mean**2) / (b - 1)
        total += mean**2 / (variance + eps)
    return 1 - b * total / p


@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 1000))
def test_equals_the_formula(b: int, p: int, seed: int) -> None:
    gradients = torch.randn(b, p, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3
    assert float(evidence_of_noise(gradients)) == pytest.approx(written_out(gradients.tolist(), 1e-5), rel=1e-9)


def test_of_gradients_made_by_autograd() -> None:
    """A linear network far from its goal has evidence, and none at the least squares, where the mean gradient is 0."""
    torch.manual_seed(0)
    x, layer = torch.randn(50, 3, dtype=torch.float64), nn.Linear(3, 1, bias=False).double()
    y = x @ torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64) + torch.randn(50, 1, dtype=torch.float64)

    def gradients() -> torch.Tensor:
        rows = [torch.autograd.grad((layer(x[i]) - y[i]).square().sum(), layer.weight)[0] for i in range(50)]
        return torch.stack(rows).flatten(1).unsqueeze(0)

    curves = Curves(torch.zeros(1, 0), torch.zeros(1, 1), 0.0, gradients)
    assert Evidence().ended(curves).tolist() == [False]
    with torch.no_grad():
        layer.weight.copy_(torch.linalg.lstsq(x, y).solution.T)
    assert Evidence().ended(curves).tolist() == [True]


def test_noise_alone_gives_zero_on_average() -> None:
    """B g^2 / S is Student's t squared, of mean (B-1)/(B-3). The mean of 20000 has a deviation below 0.016; 6 of them:
    one false alarm in 5e8."""
    b = 30
    noise = torch.randn(b, 20000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert abs(float(evidence_of_noise(noise, eps=0.0)) - (1 - (b - 1) / (b - 3))) < 6 * 0.016


def test_one_row_is_no_evidence_and_no_number_stops_nobody() -> None:
    def ended(gradients: torch.Tensor) -> list[bool]:
        return Evidence().ended(Curves(gradients[:, 0], gradients[:, 0], 0.0, lambda: gradients)).tolist()

    assert ended(torch.zeros(2, 1, 4)) == [False, False]
    assert ended(torch.zeros(2, 3, 4)) == [True, True]
    assert ended(torch.full((2, 3, 4), torch.nan)) == [False, False]
