"""Long tables to sequences, against pandas written out the slow way, and what cannot be one."""

import numpy as np
import pandas as pd
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Sequences
from wellposed.inputs.steps import as_sequences, targets_of


def read(frame: pd.DataFrame, step: str = "t") -> tuple[Sequences, tuple[str, ...]]:
    sequences, _, notes = as_sequences(frame, column="id", step=step, where="a.csv")
    return sequences, notes


def shuffled(n: int = 60) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"id": draw.integers(0, 5, n).astype(str), "a": draw.normal(size=n), "b": draw.normal(size=n)})
    return frame.assign(t=draw.permutation(n))


def test_steps_are_grouped_and_put_in_order() -> None:
    frame = shuffled()
    found, notes = read(frame)
    assert found.ids.tolist() == list(dict.fromkeys(frame["id"]))
    expected = [frame[frame["id"] == name].sort_values("t")[["a", "b"]] for name in found.ids]
    assert found.lengths.tolist() == [len(part) for part in expected]
    np.testing.assert_array_equal(found.steps.to_numpy(), pd.concat(expected).to_numpy())
    assert (notes, found.column, found.step) == ((), "id", "t")


def test_without_a_step_the_rows_stand_in_order() -> None:
    frame = shuffled().drop(columns="t")
    found, _ = read(frame, step="")
    expected = [frame[frame["id"] == name][["a", "b"]] for name in found.ids]
    np.testing.assert_array_equal(found.steps.to_numpy(), pd.concat(expected).to_numpy())


def test_dates_order_steps_too() -> None:
    frame = pd.DataFrame({"id": [1, 1, 1], "t": ["2024-01-10", "2024-01-09", "2023-12-31"], "a": [3, 2, 1]})
    assert read(frame)[0].steps["a"].tolist() == [1, 2, 3]


def test_gaps_are_filled_by_time_within_the_sequence_alone() -> None:
    frame = pd.DataFrame(
        {
            "id": ["u"] * 5 + ["v"] * 2 + ["w"] * 2,
            "t": [0, 1, 4, 5, 9, 0, 1, 0, 1],
            "a": [np.nan, 1, np.nan, 5, np.nan, np.nan, np.nan, 7, 8],
            "mood": ["x", None, "y", None, None, None, "z", None, None],
        }
    )
    found, notes = read(frame)
    # the oracle: pandas interpolates over an index of times
    series = pd.Series(frame["a"].to_numpy()[:5], index=frame["t"].to_numpy()[:5])
    np.testing.assert_allclose(found.steps["a"][:5], series.interpolate("index", limit_direction="both"), rtol=1e-12)
    assert found.steps["a"][5:7].isna().all() and found.steps["a"][7:].tolist() == [7, 8]
    assert found.steps["mood"][:7].tolist() == ["x", "x", "y", "y", "y", "z", "z"]
    assert found.steps["mood"][7:].isna().all()
    assert notes == ("a.csv: filled 7 missing cells from their neighbors in the same sequence.",)


def test_steps_that_are_repeated_are_averaged_and_counted() -> None:
    frame = pd.DataFrame({"id": [1, 1, 1, 2], "t": [0, 1, 1, 1], "a": [0.0, 2.0, 4.0, 9.0], "b": ["p", None, "q", "r"]})
    found, notes = read(frame)
    assert (found.steps["a"].tolist(), found.steps["b"].tolist()) == ([0, 3, 9], ["p", "q", "r"])
    assert found.lengths.tolist() == [2, 1]
    assert notes[0].startswith("a.csv: 1 row repeats a step of its sequence; numbers of one step were averaged")


def test_one_target_a_sequence() -> None:
    codes, ids = np.array([0, 1, 0, 2, 1]), np.array(["u", "v", "w"])

    def targets(values: list[object]) -> list[object]:
        return targets_of(pd.Series(values, name="y"), codes, ids, where="a.csv", column="id").tolist()

    assert targets([1, 2, 1, 3, 2]) == [1, 2, 3]
    assert targets(["a", None, "a", "b", "c"]) == ["a", "c", "b"]
    some = targets([1.0, np.nan, np.nan, 3.0, np.nan])
    assert some[0] == 1.0 and some[2] == 3.0 and pd.isna(some[1])
    with pytest.raises(
        BadInput, match=r"a.csv, row 5, column 'y': found '3', expected '2', .* sequence 'v': the target"
    ):
        targets([1, 2, 1, 3, 3])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": [None, "u"]}, r"a.csv, row 1, column 'id': found a missing value, expected the name of a sequence"),
        ({"t": [1.0, np.nan]}, r"a.csv, row 2, column 't': found a missing value, expected a step"),
        ({"t": ["x", "y"]}, r"a.csv, row 1, column 't': found 'x', expected a number"),
        ({"a": [np.inf, 1.0]}, r"a.csv, row 1, column 'a': found inf"),
    ],
)
def test_what_is_no_sequence_is_refused_by_its_row(change: dict[str, list[object]], words: str) -> None:
    frame = pd.DataFrame({"id": ["u", "u"], "t": [0, 1], "a": [1.0, 2.0]}).assign(**change)
    with pytest.raises(BadInput, match=words):
        read(frame)


def test_columns_are_named_with_the_nearest() -> None:
    frame = pd.DataFrame({"idd": ["u", "u"], "a": [1.0, 2.0]})
    with pytest.raises(BadInput, match=r"--sequence must name a column of a.csv. Got 'id'. Did you mean 'idd'\?"):
        as_sequences(frame, column="id", where="a.csv")
    with pytest.raises(BadInput, match=r"--step must name a column of a.csv"):
        as_sequences(frame, column="idd", step="t", where="a.csv")
    with pytest.raises(BadInput, match=r"a.csv must have a channel beside"):
        as_sequences(frame[["idd"]], column="idd", where="a.csv")


def test_infinities_may_be_missing() -> None:
    frame = pd.DataFrame({"id": [1, 1, 1], "a": [1.0, np.inf, 3.0]})
    found, _, notes = as_sequences(frame, column="id", where="a.csv", infinite_is_missing=True)
    assert found.steps["a"].tolist() == [1, 2, 3] and "filled 1 missing cell" in notes[0]
