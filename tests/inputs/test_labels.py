import numpy as np
import pandas as pd
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Part
from wellposed.inputs.labels import check_rows, check_test_rows, decide_task, settle_rows


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (list("aabb"), "classification"),
        ([True, False] * 3, "classification"),
        ([0, 1] * 3, "classification"),
        ([0.0, 1.0, np.nan] * 3, "classification"),
        (list(range(20)) * 2, "classification"),
        (list(range(21)) * 2, "regression"),
        (list(range(20)), "regression"),
        ([0, 1, 2.5] * 9, "regression"),
        ([0, np.inf] * 9, "classification"),
    ],
)
def test_what_a_target_asks_for(values: list[object], task: str) -> None:
    assert decide_task(pd.Series(values, name="y"), "auto", kind="table", where="t")[0] == task


def test_many_whole_labels_of_images_are_classes() -> None:
    assert decide_task(pd.Series(range(62)), "auto", kind="images", where="t") == ("classification", ())


def test_grades_are_told_and_the_user_may_choose() -> None:
    label = pd.Series([1, 2, 3] * 4, name="grade")
    note = "The target 'grade' has 3 whole values and was taken as classes; --task regression takes it as a number."
    assert decide_task(label, "auto", kind="table", where="t") == ("classification", (note,))
    assert decide_task(label, "regression", kind="table", where="t") == ("regression", ())
    assert decide_task(label + 0.5, "classification", kind="table", where="t") == ("classification", ())


def test_regression_on_text_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a.csv, row 2, column 'y': found 'x', expected a number, .*--task classif"):
        decide_task(pd.Series([None, "x", "z"], name="y"), "regression", kind="table", where="a.csv")


def test_a_target_without_a_value_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a.csv, column 'y': every value of the target is missing"):
        decide_task(pd.Series([np.nan, np.nan], name="y"), "auto", kind="table", where="a.csv")


@pytest.mark.parametrize(
    ("label", "expected", "dtype"),
    [
        (pd.Series(["b", "a"]), ["b", "a"], object),
        (pd.Series([1.0, 2.0]), [1, 2], np.int64),
        (pd.Series([0.5, 2.0]), [0.5, 2.0], np.float64),
        (pd.Series([3, 2], dtype="uint8"), [3, 2], np.int64),
        (pd.Series([2**60 + 1, 2**60]), [2**60 + 1, 2**60], np.int64),
        (pd.Series([True, False]), [True, False], bool),
        (pd.Series(pd.Categorical([2, 1])), [2, 1], np.int64),
        (pd.Series(pd.Categorical(["v", "u"])), ["v", "u"], object),
        (pd.Series([1, "a"], dtype=object), ["1", "a"], object),
    ],
)
def test_labels_are_kept_as_read(label: pd.Series, expected: list[object], dtype: type) -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    part, notes = settle_rows(frame, label, task="classification", where="t", infinite_is_missing=False)
    assert (part.target.tolist(), part.target.dtype, notes) == (expected, np.dtype(dtype), ())


def test_rows_without_a_target_are_dropped_and_counted() -> None:
    label = pd.Series([None, 1.0, 2.0, np.inf, None], name="y")
    features = np.arange(5)[:, None, None]
    part, notes = settle_rows(features, label, task="regression", where="a.npz", infinite_is_missing=True)
    assert (part.target.tolist(), np.ravel(part.features).tolist()) == ([1.0, 2.0], [1, 2])
    assert notes == ("a.npz: dropped 3 rows without a target.",)
    with pytest.raises(BadInput, match=r"a.npz, row 4, column 'y': found inf"):
        settle_rows(features, label, task="regression", where="a.npz", infinite_is_missing=False)


def part(labels: list[object]) -> Part:
    return Part(np.zeros((len(labels), 1, 1)), np.array(labels))


def test_a_class_with_one_row_is_told() -> None:
    (note,) = check_rows(part(list("aaabbc")), "classification", where="a.csv", target="y")
    assert "a.csv, column 'y': class c has one row only" in note
    assert check_rows(part(list("aaabb")), "classification", where="a.csv", target="y") == ()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (list("aabb"), "a.csv must have at least 5 rows with a target. Got 4"),
        (["a"] * 6, "column 'y': the target must have at least two classes. Got 'a' in every row"),
        (list("abcdef"), "a class must have more than one row. Got 6 rows and as many classes"),
    ],
)
def test_rows_that_teach_nothing_are_refused(labels: list[object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check_rows(part(labels), "classification", where="a.csv", target="y")


def test_test_rows_with_other_classes_are_refused() -> None:
    check_test_rows(part([1, 2]), part([1, 2, 3]), "classification")
    check_test_rows(part([0.5]), part([1.0]), "regression")
    with pytest.raises(BadInput, match=r"Got also 7, 9. If --limit left them out"):
        check_test_rows(part([1, 9, 7]), part([1, 2, 3]), "classification")
    with pytest.raises(BadInput, match="must have rows with a target"):
        check_test_rows(part([]), part([1.0]), "regression")


def test_regression_on_mixed_text_names_the_text() -> None:
    label = pd.Series(["1", None, "x", "3"], name="y")
    with pytest.raises(BadInput, match=r"a.csv, row 3, column 'y': found 'x', expected a number"):
        decide_task(label, "regression", kind="table", where="a.csv")
    assert decide_task(label.iloc[[0, 3]], "regression", kind="table", where="a.csv") == ("regression", ())
