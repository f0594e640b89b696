"""Against scikit-learn's RobustScaler and NumPy's quantiles, and what they leave open."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import RobustScaler

from wellposed.techniques import Robust
from wellposed.techniques.data.robust import clip_smoothly, find_quantiles, measure_spread

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12)


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 5


def test_equals_scikit_learn() -> None:
    x, fresh = rows(51, 4), rows(7, 4)
    scaler = RobustScaler().fit(x.numpy())
    robust = Robust(clip=False)
    fitted = robust.fit(x, None)
    for some in (x, fresh):
        expected = torch.from_numpy(scaler.transform(some.numpy()))
        torch.testing.assert_close(robust.data(some, fitted), expected, rtol=1e-12, atol=1e-12)


@given(values)
def test_quantiles_equal_numpy(numbers: list[float]) -> None:
    found = find_quantiles(torch.tensor(numbers, dtype=torch.float64), SHARES)
    np.testing.assert_allclose(found, np.quantile(np.array(numbers), SHARES), rtol=1e-12, atol=1e-8)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 4)), max_size=10), st.floats(1e-4, 1e4))
def test_weights_count_rows_in_units_of_the_smallest(pairs: list[tuple[float, int]], unit: float) -> None:
    pairs = [*pairs, (0.5, 1)]
    numbers = torch.tensor([x for x, _ in pairs], dtype=torch.float64)
    weight = torch.tensor([w for _, w in pairs])
    expected = find_quantiles(numbers.repeat_interleave(weight), SHARES)
    for dtype in (torch.float32, torch.float64):
        found = find_quantiles(numbers, SHARES, (weight.double() * unit).to(dtype))
        # Single precision holds the weights, and so the place between neighbours, to 1e-6 of at most 2e6.
        torch.testing.assert_close(found, expected, rtol=0, atol=10.0 if dtype == torch.float32 else 1e-5)


def test_equal_weights_change_nothing() -> None:
    x = rows(30, 3)
    for weight in (1.0, 0.1, 7.0):
        for found, expected in zip(
            measure_spread(x, torch.full((30,), weight, dtype=torch.float64)), measure_spread(x), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_weights_of_any_size_stay_within_the_data() -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    found = find_quantiles(x, SHARES, torch.tensor([1e-6, 1.0, 1e-6]))
    torch.testing.assert_close(found, torch.tensor([1.0, 2.0, 2.0, 2.0, 2.0, 3.0]))


def test_more_values_than_torch_quantile_takes() -> None:
    n = 2**24 + 1
    found = find_quantiles(torch.arange(n, dtype=torch.float32), (0.5,))
    assert found.item() == n // 2


def test_images_are_scaled_by_channel() -> None:
    x = rows(6, 3, 4, 5)
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0, 3.0, 1.0], dtype=torch.float64)
    for w in (None, weight):
        flat = measure_spread(x.movedim(1, -1).reshape(-1, 3), None if w is None else w.repeat_interleave(20))
        for found, expected in zip(measure_spread(x, w), flat, strict=True):
            assert found.shape == (3, 1, 1)
            torch.testing.assert_close(found.flatten(), expected)


def test_equal_quartiles_fall_back_to_half_the_range_and_then_to_one() -> None:
    x = torch.tensor([[0.0, 7.0], [0.0, 7.0], [0.0, 7.0], [0.0, 7.0], [8.0, 7.0]])
    median, scale = measure_spread(x)
    assert median.tolist() == [0, 7]
    assert scale.tolist() == [4, 1]


def test_clip_is_monotone_and_bounded() -> None:
    x = torch.tensor([-3e38, -1e5, -100.0, -3.0, -1e-3, 0.0, 1e-3, 3.0, 100.0, 3e38])
    y = clip_smoothly(x)
    assert (y.diff() >= 0).all()
    assert y.abs().max() <= 3
    torch.testing.assert_close(y[1:-1], x[1:-1] / (1 + (x[1:-1] / 3) ** 2).sqrt())


@pytest.mark.parametrize("clip", [True, False])
def test_an_outlier_does_not_squeeze_the_rest(clip: bool) -> None:
    x = torch.cat([torch.linspace(-1, 1, 101), torch.tensor([1e6])]).unsqueeze(1)
    robust = Robust(clip=clip)
    y = robust.data(x, robust.fit(x, None))
    assert y[:101].std() > 0.4
    assert (y.abs().max() <= 3) == clip
