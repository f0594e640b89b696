"""Splits: parts that share no row and together are all rows; the data's own test rows stay what they are."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.inputs.dataset import Data, Part
from wellposed.inputs.parts import split


def data(n: int, *, n_test: int = 0) -> Data:
    def part(first: int, size: int) -> Part:
        at = np.arange(first, first + size)
        return Part(at.reshape(-1, 1, 1).astype(np.float32), at % 2)

    test = part(n, n_test) if n_test else None
    return Data("made", "images", "classification", "y", part(0, n), test, (), "")


def numbers(part: Part) -> list[int]:
    return [int(image) for image in np.asarray(part.features).reshape(-1)]


@given(n=st.integers(10, 60), seed=st.integers(0, 2**32), share=st.sampled_from([0.1, 0.3, 0.5]))
def test_parts_share_no_row_and_are_a_function_of_the_seed(n: int, seed: int, share: float) -> None:
    parts, again = (split(data(n), test_share=share, seed=seed) for _ in range(2))
    each = [numbers(part) for part in (parts.train, parts.validation, parts.test)]
    assert sorted(chain(*each)) == list(range(n))
    assert each == [numbers(part) for part in (again.train, again.validation, again.test)]
    assert len(parts.test) == pytest.approx(share * n, abs=1.0)
    assert len(parts.validation) == pytest.approx(0.2 * (n - len(parts.test)), abs=1.0)


def test_the_datas_own_test_rows_stay() -> None:
    parts = split(data(20, n_test=6), test_share=0.5, seed=3)
    assert numbers(parts.test) == list(range(20, 26))
    assert sorted(numbers(parts.train) + numbers(parts.validation)) == list(range(20))
