"""Against scikit-learn's MinMaxScaler, and what it leaves open."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler

from wellposed.techniques import MinMax
from wellposed.techniques.data.min_max import measure_range


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 5


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 2.5)])
def test_equals_scikit_learn(low: float, high: float) -> None:
    x, fresh = rows(50, 4), 2 * rows(7, 4)
    x[:, 2] = 0.1
    scaler = MinMaxScaler((low, high)).fit(x.numpy())
    technique = MinMax(low=low, high=high)
    fitted = technique.fit(x, None)
    for some in (x, fresh):
        expected = torch.from_numpy(scaler.transform(some.numpy()))
        torch.testing.assert_close(technique.data(some, fitted), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=20)
@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=9), st.floats(-9, 9, width=32))
def test_both_ends_are_met_exactly(numbers: list[float], low: float) -> None:
    x = torch.tensor(numbers).unsqueeze(1)
    technique = MinMax(low=low, high=low + 1)
    y = technique.data(x, technique.fit(x, None))
    assert y.min() == low
    assert y.max() == (torch.tensor(low + 1) if x.max() > x.min() else low)


def test_images_are_scaled_by_channel_and_rows_of_no_weight_do_not_count() -> None:
    x = rows(6, 3, 4, 5)
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0, 3.0, 1.0])
    x[2] = float("nan")
    lowest, highest = measure_range(x, weight)
    assert lowest.shape == highest.shape == (3, 1, 1)
    kept = x[weight > 0].movedim(1, 0).flatten(1)
    assert torch.equal(lowest.flatten(), kept.amin(1))
    assert torch.equal(highest.flatten(), kept.amax(1))
