import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OrdinalEncoder

from wellposed.errors import BadInput
from wellposed.inputs.encode import TableEncoder
from wellposed.inputs.table import read_table

TABLES = [
    "abalone.csv", "adult.csv.gz", "auto_imports.csv", "auto_mpg.csv", "horse_colic.csv", "letter.csv.gz",
    "pima_diabetes.csv", "sick.csv.gz", "sonar.csv", "soybean.csv", "wheat_seeds.csv", "wine_quality_white.csv.gz",
]  # fmt: skip
HOUSES = pd.DataFrame(
    {
        "area": [50.0, None, 70.0, 90.0],
        "town": ["B", "A", None, "B"],
        "sold": ["2024-01-01", "2024-04-01", None, "2023-12-31"],
        "new": [True, False, True, True],
    }
)


@pytest.mark.parametrize("name", TABLES)
def test_every_real_table_becomes_finite_tensors(shared_data: Path, name: str) -> None:
    frame, _ = read_table(shared_data / "tabular" / name)
    encoder = TableEncoder.fit(frame)
    x, codes = encoder.encode(frame)
    assert x.isfinite().all()
    assert x.shape == (len(frame), encoder.n_numeric)
    assert codes.shape == (len(frame), len(encoder.category_names))
    assert (codes < torch.tensor(encoder.cardinalities)).all()
    assert not (codes == 1).any()  # nothing is unseen in training
    assert [(codes[:, j] == 0).sum().item() for j in range(codes.shape[1])] == [
        frame[column].isna().sum() for column in encoder.category_names
    ]
    again = TableEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder
    assert torch.equal(again.encode(frame)[0], x)


@pytest.mark.parametrize("name", ["auto_imports.csv", "sick.csv.gz", "auto_mpg.csv"])
def test_missing_numbers_are_filled_as_scikit_learn_fills_them(shared_data: Path, name: str) -> None:
    frame, _ = read_table(shared_data / "tabular" / name)
    encoder = TableEncoder.fit(frame)
    x, _ = encoder.encode(frame, dtype=torch.float64)
    numeric = frame.select_dtypes("number").dropna(axis=1, how="all")
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    expected = imputer.fit_transform(numeric.to_numpy(dtype=float))
    holed = numeric.columns[numeric.isna().any()]
    names = [*numeric.columns, *(f"{column} is missing" for column in holed)]
    assert sorted(names) == sorted(encoder.numeric_names)
    order = [encoder.numeric_names.index(column) for column in names]
    np.testing.assert_array_equal(x.numpy()[:, order], expected)


def test_each_kind_of_column_by_hand() -> None:
    encoder = TableEncoder.fit(HOUSES)
    x, codes = encoder.encode(HOUSES)
    assert encoder.numeric_names == (
        "area", "area is missing",
        "sold", "sold, month sine", "sold, month cosine", "sold, weekday sine", "sold, weekday cosine",
        "sold is missing", "new",
    )  # fmt: skip
    assert x[:, 0].tolist() == [50, 70, 70, 90]
    assert x[:, 1].tolist() == [0, 1, 0, 0]
    assert x[:, 2].tolist() == [19723, 19814, 19723, 19722]
    assert x[1, 3:5].tolist() == pytest.approx([1, 0], abs=1e-6)  # April is a quarter of the circle
    assert x[2, 3:8].tolist() == [0, 0, 0, 0, 1]
    assert x[:, 8].tolist() == [1, 0, 1, 1]
    assert (encoder.category_names, encoder.cardinalities) == (("town",), (4,))
    assert codes.tolist() == [[3], [2], [0], [3]]


def test_new_rows_with_unseen_and_missing_values() -> None:
    encoder = TableEncoder.fit(HOUSES)
    new = pd.DataFrame(
        {"town": ["C", None], "extra": [1, 2], "new": [0, 1], "sold": [None, None], "area": [None, 1e300]}
    )
    x, codes = encoder.encode(new)
    assert codes.tolist() == [[1], [0]]
    assert x.isfinite().all()
    assert x[:, 0].tolist() == pytest.approx([70, 1e15])
    assert encoder.ignored(new) == ("Ignored 1 column not trained on: 'extra'.",)
    assert encoder.ignored(HOUSES) == ()


def test_training_rows_alone_decide() -> None:
    train, new = HOUSES, HOUSES.assign(area=[1.0, 2.0, np.nan, 3.0])
    encoder = TableEncoder.fit(train)
    before = encoder.to_json()
    assert encoder.encode(new)[0][2, 0] == 70
    assert encoder.to_json() == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_have_the_type_asked_for(dtype: torch.dtype) -> None:
    x, codes = TableEncoder.fit(HOUSES).encode(HOUSES, dtype=dtype)
    assert (x.dtype, codes.dtype) == (dtype, torch.int64)


def test_columns_that_teach_nothing_are_dropped_and_told() -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "kept": draw.normal(size=120),
            "empty": [None] * 120,
            "constant": 7,
            "same word": "x",
            "identifier": [f"id {i}" for i in range(120)],
            "coarse": [f"id {i // 4}" for i in range(120)],
            "sometimes": ["x", None] * 60,
        }
    ).assign(copy=lambda f: f["kept"], recoded=lambda f: f["coarse"].astype("category"))
    encoder = TableEncoder.fit(frame)
    assert encoder.numeric_names == ("kept",)
    assert encoder.category_names == ("coarse", "sometimes")
    assert sorted(encoder.notes) == [
        "Dropped 1 column of text that differs in nearly every row: 'identifier'.",
        "Dropped 1 column without a value: 'empty'.",
        "Dropped 2 columns equal to an earlier one: 'copy' (= 'kept'), 'recoded' (= 'coarse').",
        "Dropped 2 columns with one value only: 'constant', 'same word'.",
    ]


def test_an_integer_column_that_repeats_a_float_column_is_dropped() -> None:
    encoder = TableEncoder.fit(pd.DataFrame({"a": [1, 2, -0.0], "b": [1, 2, 0], "c": [1, 2, 1]}))
    assert encoder.numeric_names == ("a", "c")


@pytest.mark.parametrize(("n", "n_distinct", "kept"), [(100, 51, False), (102, 51, True), (40, 40, True)])
def test_what_an_identifier_is(n: int, n_distinct: int, kept: bool) -> None:
    frame = pd.DataFrame({"name": [f"v{i % n_distinct}" for i in range(n)], "x": range(n)})
    assert (TableEncoder.fit(frame).category_names == ("name",)) is kept


def test_a_table_of_which_nothing_is_kept_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a.csv must have a column to learn from. Got none. Dropped 1 column with one"):
        TableEncoder.fit(pd.DataFrame({"a": [1, 1]}), where="a.csv")


def test_mixed_values_are_compared_by_their_text() -> None:
    encoder = TableEncoder.fit(pd.DataFrame({"a": pd.Series([1, "1", "b", 2.0], dtype=object)}))
    assert encoder.encode(pd.DataFrame({"a": [2, 1, 3]}))[1].tolist() == [[3], [2], [1]]
    assert encoder.encode(pd.DataFrame({"a": ["2", "b", None]}))[1].tolist() == [[3], [4], [0]]


@pytest.mark.parametrize("dtype", ["object", "string", "str", "category"])
def test_text_of_every_type_gives_the_same_codes(dtype: Any) -> None:
    column = pd.Series(["b", None, "a", "b"], dtype="object")
    encoder = TableEncoder.fit(pd.DataFrame({"a": column}))
    assert TableEncoder.fit(pd.DataFrame({"a": column.astype(dtype)})) == encoder
    assert encoder.encode(pd.DataFrame({"a": column.astype(dtype)}))[1].tolist() == [[3], [0], [2], [3]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"area": ["1", "x", "3", "4"]}, "new.csv, row 2, column 'area': found 'x', expected a number"),
        ({"area": [1, 2, 3, np.inf]}, "new.csv, row 4, column 'area': found inf, expected a finite number"),
        ({"sold": ["2024-01-01", "soon", "", ""]}, "new.csv, row 2, column 'sold': found 'soon', expected a date"),
        ({"new": [True, [], False, True]}, "new.csv, row 2, column 'new': found a list, expected one value"),
    ],
)
def test_what_a_column_cannot_be_is_refused(change: dict[str, list[object]], words: str) -> None:
    frame = HOUSES.assign(**{name: pd.Series(cells, dtype=object) for name, cells in change.items()})
    with pytest.raises(BadInput, match=words):
        TableEncoder.fit(HOUSES).encode(frame, where="new.csv")


def test_missing_columns_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"new.csv must have .* Missing: 'area'. Did you mean 'aera'\?"):
        TableEncoder.fit(HOUSES).encode(HOUSES.rename(columns={"area": "aera"}), where="new.csv")


def test_infinities_are_refused_or_missing_for_good() -> None:
    frame = pd.DataFrame({"a": [1.0, np.inf, 3.0], "b": [1, 2, 3]})
    with pytest.raises(BadInput, match=r"a.csv, row 2, column 'a': found inf.*--inf missing"):
        TableEncoder.fit(frame, where="a.csv")
    encoder = TableEncoder.fit(frame, infinite_is_missing=True)
    encoder = TableEncoder.from_json(encoder.to_json())
    new = pd.DataFrame({"a": [-np.inf, 5.0], "b": [0, 0]})
    assert encoder.encode(new)[0].tolist() == [[2.0, 1.0, 0.0], [5.0, 0.0, 0.0]]


def test_no_row_and_one_row() -> None:
    encoder = TableEncoder.fit(HOUSES)
    assert encoder.encode(HOUSES.iloc[:0])[0].shape == (0, 9)
    assert encoder.encode(HOUSES.iloc[2:3])[1].tolist() == [[0]]


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_infinity=False), st.text(max_size=3)
)


@given(st.lists(st.tuples(CELLS, CELLS, st.floats(allow_nan=False, allow_infinity=False)), min_size=2, max_size=12))
def test_any_cells_become_finite_numbers_and_codes_in_range(rows: list[tuple[object, object, float]]) -> None:
    frame = pd.DataFrame(
        {name: pd.Series(cells, dtype=object) for name, cells in zip("abc", zip(*rows, strict=True), strict=True)}
    ).assign(place=range(len(rows)))
    encoder = TableEncoder.fit(frame)
    x, codes = encoder.encode(frame)
    assert x.isfinite().all()
    assert ((codes >= 0) & (codes < torch.tensor(encoder.cardinalities))).all()
    assert TableEncoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder
    shuffled = frame.iloc[::-1, ::-1]
    assert torch.equal(encoder.encode(shuffled)[0], x.flip(0))
    assert torch.equal(encoder.encode(shuffled)[1], codes.flip(0))


def test_a_wide_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 2000))).add_prefix("x")
    x, _ = TableEncoder.fit(frame).encode(frame, dtype=torch.float64)
    np.testing.assert_array_equal(x.numpy(), frame.to_numpy())


def test_frames_of_every_library_are_encoded_alike() -> None:
    encoder = TableEncoder.fit(HOUSES)
    x, codes = encoder.encode(HOUSES)
    frames: list[Any] = [
        HOUSES.convert_dtypes(),
        HOUSES.convert_dtypes(dtype_backend="pyarrow"),
        HOUSES.astype(object),
        HOUSES.astype({"town": "category", "sold": "datetime64[s]"}),
        HOUSES.assign(sold=pd.to_datetime(HOUSES["sold"]).dt.tz_localize("UTC"), new=[1, 0, 1, 1]),
        HOUSES.iloc[:, ::-1].set_index(pd.Index(list("wxyz"))),
        pl.from_pandas(HOUSES),
        pl.from_pandas(HOUSES).lazy(),
        pl.from_pandas(HOUSES).with_columns(pl.col("sold").str.to_date(), pl.col("town").cast(pl.Categorical)),
    ]
    for frame in frames:
        assert torch.equal(encoder.encode(frame)[0], x)
        assert torch.equal(encoder.encode(frame)[1], codes)
        assert torch.equal(TableEncoder.fit(frame).encode(HOUSES)[1], codes)


def test_codes_are_those_of_scikit_learn(shared_data: Path) -> None:
    frame, _ = read_table(shared_data / "tabular" / "horse_colic.csv")
    train, test = frame.iloc[:40], frame.iloc[40:]
    encoder = TableEncoder.fit(train)
    names = list(encoder.category_names)
    oracle = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    expected = oracle.fit(train[names].astype(object)).transform(test[names].astype(object)) + 2
    expected[test[names].isna()] = 0  # there unseen, where training had none missing
    np.testing.assert_array_equal(encoder.encode(test)[1].numpy(), expected)
    assert (expected == 1).any()


def test_days_that_repeat_are_dropped() -> None:
    days = pd.Series(["2024-02-29", None, "2024-03-01"])
    frame = pd.DataFrame({"a": days, "b": pd.to_datetime(days), "c": ["2024-02-29"] * 3})
    encoder = TableEncoder.fit(frame)
    assert [field.name for field in encoder.fields] == ["a"]
    assert encoder.notes == (
        "Dropped 1 column equal to an earlier one: 'b' (= 'a').",
        "Dropped 1 column with one value only: 'c'.",
    )


def test_notes_stay_short_and_on_one_line() -> None:
    frame = pd.DataFrame({"kept": [1, 2], "n" * 10_000: [0, 0], "two\nlines": [0, 0]})
    (note,) = TableEncoder.fit(frame.assign(**{f"c{i}": [0, 0] for i in range(20)})).notes
    assert len(note) < 300
    assert "\n" not in note
    assert note.startswith("Dropped 22 columns with one value only: 'nnn")
    assert note.endswith("'c7' and 12 more.")


def test_huge_and_tiny_numbers_stay_finite_and_apart() -> None:
    frame = pd.DataFrame(
        {
            "huge": [1e300, -1e300, 5e299, 0.0],
            "largest": [1.7e308, -1.7e308, 1e308, 0.0],
            "tiny": [5e-324, 1e-310, 0.0, 1e-300],
            "both": [1e300, 1.0, 2.0, 3.0],
            "late": [1.7e9, 1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 3],
        }
    )
    encoder = TableEncoder.fit(frame)
    x, _ = encoder.encode(frame)
    assert x.isfinite().all()
    assert x.square().sum(0).isfinite().all()
    assert [len(column.unique()) for column in x.T] == [4, 3, 4, 4, 4]  # beyond 1e300 all is one
    assert [note.split(":")[0] for note in encoder.notes] == [f"Column {name!r}" for name in frame]
