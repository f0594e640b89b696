"""What crosses from scikit-learn's conventions; the estimators' own tests cover the refusals in its words."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils import Tags

from wellposed.errors import BadInput
from wellposed.inputs.conventions import class_factors, read_features, read_training, renamed, tagged


class Reader(BaseEstimator):  # type: ignore[misc]
    """As much of an estimator as is asked for."""

    def fit(self, X: Any, y: Any) -> "Reader":
        return self

    def __sklearn_tags__(self) -> Tags:
        return tagged(super().__sklearn_tags__())


FRAME = pd.DataFrame({"a": [1.0, None, 3.0], "b": ["x", "y", None]}, index=[7, 8, 9])


def test_a_frame_stays_as_it_is_but_for_its_index() -> None:
    reader = Reader()
    part, weight = read_training(reader, FRAME, ["u", "v", "u"], None, task="classification")
    assert isinstance(part.features, pd.DataFrame)
    pd.testing.assert_frame_equal(part.features, FRAME.reset_index(drop=True))
    assert part.target.tolist() == ["u", "v", "u"]
    assert weight.tolist() == [1, 1, 1]
    assert reader.feature_names_in_.tolist() == ["a", "b"]
    again = read_features(reader, pl.from_pandas(FRAME), images=False)
    assert isinstance(again, pd.DataFrame)
    assert again["b"].isna().tolist() == [False, False, True]


def test_columns_without_names_are_counted() -> None:
    reader = Reader()
    for table in (np.eye(3), pd.DataFrame(np.eye(3)), np.eye(3).tolist()):
        part, _ = read_training(reader, table, [1, 2, 3], None, task="regression")
        assert isinstance(part.features, pd.DataFrame)
        assert part.features.columns.tolist() == ["x0", "x1", "x2"]
    assert renamed(np.zeros((1, 3)), reader).columns.tolist() == ["x0", "x1", "x2"]


def test_rows_of_weight_0_are_left_out_of_tables_and_images() -> None:
    for features in (np.arange(6.0).reshape(3, 2), np.zeros((3, 4, 4)), np.zeros((3, 4, 4, 3))):
        part, weight = read_training(Reader(), features, [1.0, 2.0, 3.0], [2, 0, 1], task="regression")
        assert (len(part.features), part.target.tolist(), weight.tolist()) == (2, [1, 3], [2, 1])
    for wrong in ([0, 0, 0], [1, -1, 1], [1, 1]):
        with pytest.raises(ValueError, match=r"weight"):
            read_training(Reader(), features, [1.0, 2.0, 3.0], wrong, task="regression")


def test_images_are_checked_by_their_encoder() -> None:
    reader = Reader()
    assert read_features(reader, np.zeros((2, 4, 4)), images=True).shape == (2, 4, 4)
    with pytest.raises(BadInput, match="X must have a row"):
        read_features(reader, FRAME[:0], images=False)


def test_balanced_classes_weigh_the_same() -> None:
    y, weight = np.array(["a", "b", "b", "b"]), np.array([1.0, 1.0, 1.0, 2.0])
    classes, codes = np.unique(y, return_inverse=True)
    total = np.bincount(codes, weight * class_factors("balanced", y, classes, codes, weight)[codes])
    assert total == pytest.approx([2.5, 2.5])
    assert class_factors({"a": 3.0}, y, classes, codes, weight).tolist() == [3, 1]
    with pytest.raises(ValueError, match="class_weight"):
        class_factors("fair", y, classes, codes, weight)
