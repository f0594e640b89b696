import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder, StandardScaler

from wellposed.errors import BadInput
from wellposed.inputs.target import Target, mean_and_deviation


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["b", "a", "b"]), ("a", "b")),
        (np.array(["b", "a", "b"], dtype=object), ("a", "b")),
        (np.array([10, 9, 10]), (9, 10)),
        (np.array([0.5, -1.0]), (-1.0, 0.5)),
        (np.array([True, False]), (False, True)),
        (np.array(["a", 2, 1.5], dtype=object), (1.5, 2, "a")),
    ],
)
def test_classes_keep_their_types_there_and_back(labels: np.ndarray, classes: tuple[object, ...]) -> None:
    target = Target.fit(labels, "classification")
    assert target.classes == classes
    assert [type(label) for label in target.classes] == [type(label) for label in classes]
    assert target.decode(target.encode(labels)).tolist() == labels.tolist()
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert again == target
    assert [type(label) for label in again.classes] == [type(label) for label in classes]


def test_codes_are_those_of_scikit_learn() -> None:
    labels = np.array(list("the quick brown fox jumps over the lazy dog"))
    codes = Target.fit(labels, "classification").encode(labels)
    assert codes.dtype == torch.int64
    np.testing.assert_array_equal(codes.numpy(), LabelEncoder().fit_transform(labels))


def test_decoding_keeps_the_shape_of_codes() -> None:
    target = Target.fit(np.array(["no", "yes"]), "classification")
    assert target.decode(np.array([[0, 1], [1, 1]])).tolist() == [["no", "yes"], ["yes", "yes"]]


def test_an_unseen_label_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"trained on. Got 'maybee'. Did you mean 'maybe'?"):
        Target.fit(np.array(["maybe", "never"]), "classification").encode(np.array(["maybee"]))
    with pytest.raises(BadInput, match=r"Got 3. Known: 1, 2"):
        Target.fit(np.array([1, 2]), "classification").encode(np.array([1, 3]))


@pytest.mark.parametrize("labels", [np.array(["a", None], dtype=object), np.array([1.0, np.nan])])
def test_a_missing_label_is_refused(labels: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"row 2: found a missing value"):
        Target.fit(labels, "classification")


def test_one_class_is_refused() -> None:
    with pytest.raises(BadInput, match=r"at least two classes. Got \['a'\]"):
        Target.fit(np.array(["a", "a"]), "classification")


def test_regression_is_standardized_like_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    values, weight = draw.normal(5, 3, 50), draw.uniform(0, 2, 50)
    for weights in (None, weight):
        target = Target.fit(values, "regression", weights)
        oracle = StandardScaler().fit(values[:, None], sample_weight=weights)
        encoded = target.encode(values, torch.float64)
        assert (encoded.shape, encoded.dtype) == ((50, 1), torch.float64)
        np.testing.assert_allclose(encoded.numpy(), oracle.transform(values[:, None]), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(target.decode(encoded), values, rtol=1e-12)
    assert Target.from_json(json.loads(json.dumps(target.to_json()))) == target


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-320, -1e300])
def test_a_constant_target_has_deviation_1(value: float) -> None:
    target = Target.fit(np.full(7, value), "regression")
    assert target.scale == pytest.approx((value, 1.0))
    assert target.encode(np.full(7, value)).abs().max() < 1e-15


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.floats(-1e308, 1e308))
def test_whatever_the_numbers_codes_are_finite(values: list[float], new: float) -> None:
    target = Target.fit(np.array(values), "regression")
    assert np.isfinite(target.scale).all()
    assert target.scale[1] > 0
    assert target.encode(np.array([*values, new])).isfinite().all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array(["a", "b"]), "row 1, column 'target': found 'a', expected a number"),
        (np.array([1.0, np.inf]), "row 2, column 'target': found inf"),
        (np.array([np.nan, 1.0]), "row 1: found a missing value"),
    ],
)
def test_what_is_no_number_is_refused(values: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Target.fit(values, "regression")


def test_large_numbers_do_not_overflow() -> None:
    mean, deviation = mean_and_deviation(np.array([1e300, -1e300, 1e300, -1e300]), None)
    assert (mean, deviation) == (0.0, 1e300)


def test_labels_of_numpy_survive_json() -> None:
    labels = np.array([np.int64(2), np.str_("a"), np.float64(0.5), np.bool_(True)], dtype=object)
    target = Target.fit(labels, "classification")
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert again.classes == (0.5, True, 2, "a")
    assert again.encode(labels).tolist() == [2, 3, 0, 1]


@pytest.mark.parametrize("missing", [None, pd.NA, pd.NaT, np.nan])
def test_every_mark_of_a_missing_label_is_refused(missing: object) -> None:
    target = Target.fit(np.array(["a", "b"]), "classification")
    with pytest.raises(BadInput, match="row 2: found a missing value, expected a class label"):
        target.encode(np.array(["a", missing], dtype=object))


def test_a_label_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(BadInput, match=r"class label must be text, a number or a boolean. Got datetime.date"):
        Target.fit(np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[D]"), "classification")
