"""Data in memory are the same data as in a file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.given import read_given
from wellposed.inputs.load import load


def test_loaded_named_and_in_memory_are_the_same(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(30, 3)), np.arange(30) % 3
    np.savez(tmp_path / "a.npz", X=x, y=y)
    expected = load(str(tmp_path / "a.npz"))
    assert read_given(expected) is expected
    for given in (str(tmp_path / "a.npz"), tmp_path / "a.npz", (x, y), (pd.DataFrame(x).add_prefix("x"), list(y))):
        found = read_given(given)
        assert (found.kind, found.task, found.target) == ("table", "classification", "y")
        assert found.fingerprint == expected.fingerprint


def test_images_numbers_and_rows_without_a_target() -> None:
    assert read_given((np.zeros((12, 4, 4)), np.arange(12) % 2)).kind == "images"
    y = np.linspace(0, 1, 12)
    y[3] = np.nan
    found = read_given((np.random.default_rng(0).normal(size=(12, 2)), y))
    assert found.task == "regression" and len(found.rows) == 11
    assert any("dropped 1 row" in note for note in found.notes)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (3, "be loaded data, a path"),
        ((1, 2, 3), "be loaded data, a path"),
        ((np.zeros((4, 2)), np.zeros(5)), "as many rows as targets"),
        ((np.zeros((3, 2)), [0, 1, 0]), "at least 5 rows"),
        ("no such thing", "DATA must be"),
    ],
)
def test_refuse_what_is_no_data(given: object, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        read_given(given)  # type: ignore[arg-type]
