"""Against slow loops written from the paper, and the worked examples of another implementation."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.techniques.end.strips import ends_strip, generalization_loss, increases, training_progress

errors = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=15)


def float64(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(errors)
def test_generalization_loss_is_the_papers(curve: list[float]) -> None:
    found = generalization_loss(float64(curve)).tolist()
    for t in range(1, len(curve) + 1):
        lowest = min(curve[:t])
        expected = 100 * (curve[t - 1] / lowest - 1)
        assert math.isclose(found[t - 1], expected, rel_tol=1e-9, abs_tol=1e-11)


@given(errors, st.integers(1, 6))
def test_progress_is_the_papers(curve: list[float], k: int) -> None:
    last = curve[-k:]
    expected = 1000 * (sum(last) / (len(last) * min(last)) - 1)
    assert math.isclose(float(training_progress(float64(curve), k)), expected, rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(st.integers(0, 3).map(float), min_size=1, max_size=15), st.integers(1, 4))
def test_increases_are_between_ends_of_strips(curve: list[float], k: int) -> None:
    ends = [t for t in range(1, len(curve) + 1) if t % k == 0]
    assert ends == [t for t in range(len(curve) + 1) if ends_strip(t, k)]
    expected = [curve[t - 1] > curve[t - k - 1] for t in ends if t - k >= 1]
    assert increases(float64(curve), k).tolist() == expected


def test_worked_example_of_early_stopping_jl() -> None:
    """Its documentation stops by PQ with 2 and strips of 2 at the last of these, where the quotient is 2.075."""
    validation, strips = [10.0, 8.0, 9.0], [[9.5, 9.3], [9.1, 8.9], [8.3, 8.4]]
    lost = generalization_loss(float64(validation))
    quotients = [float(lost[i] / training_progress(float64(strip), 2)) for i, strip in enumerate(strips)]
    assert [round(q, 3) for q in quotients] == [0.0, 0.0, 2.075]


def test_negative_losses_are_measured_by_their_size() -> None:
    """As EarlyStopping.jl has it: a loss of -9 after -10 is 10 percent worse."""
    torch.testing.assert_close(generalization_loss(float64([-10.0, -9.0])), float64([0.0, 10.0]))
    torch.testing.assert_close(training_progress(float64([-10.0, -9.0]), 2), float64([50.0])[0])


def test_losses_that_are_no_numbers_and_a_lowest_of_zero() -> None:
    lost = generalization_loss(float64([math.nan, 2.0, math.inf, 2.0, 0.0, 0.0, 1.0]))
    assert lost.tolist() == [math.inf, 0.0, math.inf, 0.0, 0.0, 0.0, math.inf]
    assert float(training_progress(float64([0.0, 0.0]), 2)) == 0
    assert float(training_progress(float64([math.nan, math.nan]), 2)) == 0
    assert float(training_progress(float64([math.nan, 1.0]), 2)) == math.inf
    assert increases(float64([1.0, math.nan, math.nan, 1.0]), 1).tolist() == [True, True, False]


def test_shapes_and_dtype_stay() -> None:
    curves = torch.rand(2, 3, 7)
    assert generalization_loss(curves).shape == curves.shape
    assert generalization_loss(curves[..., :0]).shape == (2, 3, 0)
    assert increases(curves, 2).shape == (2, 3, 2)
    assert training_progress(curves, 5).shape == (2, 3)
    assert training_progress(curves, 5).dtype == torch.float32
