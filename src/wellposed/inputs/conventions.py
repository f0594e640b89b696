"""Tables, images, targets and weights as scikit-learn's conventions pass them, refused in its words where they do."""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float
from narwhals.dependencies import is_into_dataframe
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from wellposed.checks import refusal
from wellposed.inputs.dataset import Features, Part, Task
from wellposed.inputs.frame import as_pandas

Weights: TypeAlias = Float[np.ndarray, " N"]


def tagged(tags: Tags) -> Tags:
    """What scikit-learn is told: NaN is a missing value, and images are taken."""
    tags.input_tags.allow_nan = True
    tags.input_tags.three_d_array = True
    return tags


def read_training(estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any, *, task: Task) -> tuple[Part, Weights]:
    """The rows to learn from and their weights, without rows of weight 0; what they look like is noted."""
    numeric = task == "regression"
    if y is not None and pd.isna(np.asarray(y, dtype=object if isinstance(y, list) else None)).any():
        raise ValueError("Input y contains NaN.")
    if is_into_dataframe(X):
        frame = X if isinstance(X, pd.DataFrame) else as_pandas(X)
        _, y = validate_data(estimator, frame, y, skip_check_array=True)
        features: Features = renamed(frame, estimator)
        target = column_or_1d(y, dtype=np.float64 if numeric else None, warn=True)
        check_consistent_length(features, target)
        assert_all_finite(target, input_name="y")
    elif isinstance(X, np.ndarray) and X.ndim in (3, 4):
        if getattr(estimator, "n_features_in_", None) is not None:  # of an earlier fit
            del estimator.n_features_in_
        features, target = validate_data(estimator, X, y, ensure_2d=False, allow_nd=True, y_numeric=numeric)
    else:
        X, target = validate_data(
            estimator, X, y, ensure_all_finite="allow-nan", ensure_min_samples=2, y_numeric=numeric
        )
        features = renamed(X, estimator)
    if not numeric:
        target = pd.Series(target).infer_objects().to_numpy() if target.dtype == object else target
        check_classification_targets(target)
    weight = _check_sample_weight(sample_weight, target, dtype=np.float64, ensure_non_negative=True)
    if not weight.any():
        raise refusal("sample_weight", "have a weight above 0", "zeros alone")
    part = Part(features, target)
    return (part, weight) if weight.all() else (part.take(np.flatnonzero(weight)), weight[weight > 0])


def read_features(estimator: BaseEstimator, X: Any, *, images: bool) -> Features:
    """Rows to answer for, checked against those trained on."""
    if images:
        return np.asarray(validate_data(estimator, X, reset=False, ensure_2d=False, allow_nd=True))
    if not is_into_dataframe(X):
        return renamed(validate_data(estimator, X, reset=False, ensure_all_finite="allow-nan"), estimator)
    frame = X if isinstance(X, pd.DataFrame) else as_pandas(X)
    if not len(frame):
        raise refusal("X", "have a row", "none")
    return renamed(validate_data(estimator, frame, reset=False, skip_check_array=True), estimator)


def renamed(table: pd.DataFrame | np.ndarray, estimator: BaseEstimator) -> pd.DataFrame:
    """A table with the columns' names trained on: those of the frame, or x0, x1 and so on where it had none."""
    names = getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(estimator.n_features_in_)])
    if isinstance(table, pd.DataFrame):
        return table.set_axis(list(names), axis=1).reset_index(drop=True)
    return pd.DataFrame(table, columns=list(names))


def class_factors(
    class_weight: object, target: np.ndarray, classes: np.ndarray, codes: np.ndarray, weight: Weights
) -> Float[np.ndarray, " C"]:
    """What the weights of each class's rows are multiplied by; "balanced" counts rows by their weights."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        return np.asarray(weight.sum() / (len(classes) * np.bincount(codes, weight)))
    return np.asarray(compute_class_weight(class_weight, classes=classes, y=target))
