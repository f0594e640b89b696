import gzip
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.inputs.table import read_bytes, read_table, table_suffix

TABLES = [
    "abalone.csv", "adult.csv.gz", "auto_imports.csv", "auto_mpg.csv", "horse_colic.csv", "letter.csv.gz",
    "pima_diabetes.csv", "sick.csv.gz", "sonar.csv", "soybean.csv", "wheat_seeds.csv", "wine_quality_white.csv.gz",
]  # fmt: skip


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


@pytest.mark.parametrize("name", TABLES)
def test_real_tables_as_pandas_reads_them(shared_data: Path, name: str) -> None:
    frame, notes = read_table(shared_data / "tabular" / name)
    oracle = pd.read_csv(shared_data / "tabular" / name, keep_default_na=False, na_values=[""])
    assert notes == ()
    assert frame.columns.tolist() == oracle.columns.tolist()
    for column in frame:
        both = frame[column].isna() & oracle[column].isna()
        assert ((frame[column] == oracle[column]) | both).all(), column
        assert pd.api.types.is_numeric_dtype(frame[column]) == pd.api.types.is_numeric_dtype(oracle[column])


def test_quoted_messages_with_tabs_between(shared_data: Path) -> None:
    path = shared_data / "text" / "sms_spam.tsv"
    frame, _ = read_table(path)
    oracle = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert len(frame) == 5574
    assert frame["message"].tolist() == [text.strip() for text in oracle["message"]]
    assert frame["label"].tolist() == oracle["label"].tolist()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path: Path, delimiter: str) -> None:
    rows = [['"a,;|b"', "c", "d"], ["1", "x", "2.5"], ["2", '"y,;|\n""z"""', "3"]]
    frame, _ = read_table(write(tmp_path, "\r\n".join(delimiter.join(row) for row in rows)))
    assert frame.columns.tolist() == ["a,;|b", "c", "d"]
    assert frame.iloc[1].tolist() == [2, 'y,;|\n"z"', 3.0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines(tmp_path: Path, end: str) -> None:
    frame, _ = read_table(write(tmp_path, end.join(["", "a,b", "1,2", "", "3,4", ""])))
    assert frame.to_dict("list") == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("utf-8", ""), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("latin-1", "latin-1")],
)
def test_encodings_are_found_and_told(tmp_path: Path, encoding: str, words: str) -> None:
    frame, notes = read_table(write(tmp_path, "größe,b\nklein,1\nübergroß,2\n".encode(encoding)))
    assert frame["größe"].tolist() == ["klein", "übergroß"]
    assert (len(notes), words in "".join(notes)) == (1 if words else 0, True)


NAMES = [
    "<script>alert(1)</script>",
    'say "hi"',
    "two\nlines",
    "=cmd()",
    "\u202egnp",
    "🎲",
    "two words",
    "[/b]",
    "x" * 10000,
]


def test_hostile_names_are_names(tmp_path: Path) -> None:
    header = ",".join('"' + name.replace('"', '""') + '"' for name in NAMES)
    frame, _ = read_table(write(tmp_path, f"{header}\n{','.join('1' * len(NAMES))}\n"))
    assert frame.columns.tolist() == NAMES


def test_blanks_around_names_and_cells_do_not_count(tmp_path: Path) -> None:
    frame, _ = read_table(write(tmp_path, "a , b\n 1, x\n2 ,x \n"))
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "x"]}


def test_the_first_rows_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "a\n1\n2\noops\n")
    assert read_table(path, limit=2)[0]["a"].tolist() == [1, 2]


def test_columns_that_stay_text(tmp_path: Path) -> None:
    frame, _ = read_table(write(tmp_path, "a,b\n01,01\n,\n"), text=["a"])
    assert (frame["a"][0], frame["b"][0], frame["a"].isna()[1]) == ("01", 1.0, True)


def test_a_header_of_numbers_is_told(tmp_path: Path) -> None:
    assert "names of the columns" in read_table(write(tmp_path, "6,148,72\n1,85,66\n"))[1][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a.csv must hold data. Got an empty file"),
        (" \n\n", "a.csv must hold data. Got an empty file"),
        ("a,b\n", "a.csv must hold rows. Got a header only"),
        ("a,b", "a.csv must hold rows. Got a header only"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.csv must be a table of text"),
        (bytes(range(256)) * 4, "a.csv must be a table of text"),
        ("a,b\n1,2\n\n3,4,5\n", "a.csv, row 2: found 3 cells, expected 2"),
        ("a,b\n1,2\n3\n", "a.csv, row 2: found 1 cells, expected 2"),
        ('a,b\n1,2\n"3,4\n5,6\n', r"a.csv, row 2: found 1 cells, expected 2. Is a quote opened there"),
        ('a,b\n1,2\n3,"4\n5,6\n', "a.csv, row 2: found a quote that is opened and never closed"),
        ('a,"b\n1,2\n', "a.csv, header: found a quote that is opened and never closed"),
        ("a,b,a\n1,2,3\n", "a.csv: columns 1 and 3 must differ in name. Got 'a' twice"),
        (",a,b\n0,1,2\n", "a.csv, column 1: found an empty name"),
        (b"\x1f\x8b\x08\0damaged", "a.csv must be a whole gzip file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_table(write(tmp_path, text))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = write(tmp_path_factory.getbasetemp(), raw, "any.csv")
    try:
        frame, _ = read_table(path)
    except BadInput as error:
        refused = str(error)
        assert "any.csv" in refused
    else:
        assert len(frame) > 0


@given(st.lists(st.lists(st.text('ab"\n, ;é', max_size=4), min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_pandas_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    pd.DataFrame(rows, columns=["u", "v", "w"]).to_csv(path, index=False)
    cells = read_table(path)[0].astype(object).fillna("").to_numpy().tolist()
    assert cells == [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_parquet_keeps_its_types(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({
        "i": [1, 2, 3], "f": [0.5, None, 2], "s": ["01", None, "?"], "b": [True, False, True],
        "t": pd.to_datetime(pd.Series(["2024-02-29", None, "2024-03-01"])), "c": pd.Categorical(["x", None, "y"]),
    })  # fmt: skip
    frame.to_parquet(tmp_path / "a.parquet")
    if suffix:
        write(tmp_path, gzip.compress((tmp_path / "a.parquet").read_bytes()), "a.parquet.gz")
    path = tmp_path / f"a.parquet{suffix}"
    pd.testing.assert_frame_equal(read_table(path)[0], frame)
    assert read_table(path, missing=["?"])[0]["s"].isna().tolist() == [False, True, True]
    assert len(read_table(path, limit=2)[0]) == 2


def test_parquet_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": [[1], [2]]}).to_parquet(path)
    with pytest.raises(BadInput, match=r"a.parquet, row 1, column 'a': found a ndarray, expected one value"):
        read_table(path)
    pd.DataFrame({"a": [1.0]}).iloc[:0].to_parquet(path)
    with pytest.raises(BadInput, match=r"a.parquet must hold rows"):
        read_table(path)
    for raw in (b"PAR1 and no more", path.read_bytes()[:-20]):
        path.write_bytes(raw)
        with pytest.raises(BadInput, match=r"a.parquet must be a whole Parquet file"):
            read_table(path)


@pytest.mark.parametrize(("name", "suffix"), [("a.CSV", ".csv"), ("a.b.tsv.gz", ".tsv"), ("a.gz", ""), ("a", "")])
def test_the_suffix_that_says_what_a_file_is(name: str, suffix: str) -> None:
    assert table_suffix(Path(name)) == suffix


def test_gzip_is_found_by_its_content(tmp_path: Path) -> None:
    text = "a\n1\n2\n"
    for name, raw in itertools.product(["a.csv", "a.csv.gz"], [gzip.compress(text.encode())]):
        assert read_table(write(tmp_path, raw, name))[0]["a"].tolist() == [1, 2]
    with pytest.raises(BadInput, match=r"a.csv.gz must be gzip-compressed"):
        read_table(write(tmp_path, text, "a.csv.gz"))
    with pytest.raises(BadInput, match=r"a.csv.gz must hold data"):
        read_table(write(tmp_path, gzip.compress(b""), "a.csv.gz"))


def test_a_file_cut_short_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    raw = gzip.compress(b"a\n" + b"1\n" * 1000)
    for length in range(2, len(raw)):
        with pytest.raises(BadInput, match="whole gzip file"):
            read_bytes(write(tmp_path, raw[:length], "a.csv.gz"))


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read every file
    with pytest.raises(BadInput, match=r"a.csv must be a file that can be read. Got 'Permission denied'"):
        read_bytes(tmp_path / "a.csv")


def test_a_long_table_is_read_whole(tmp_path: Path) -> None:
    numbers = np.arange(200_000)
    pd.DataFrame({"a": numbers, "b": "text " * 20}).to_csv(tmp_path / "a.csv", index=False)
    frame, _ = read_table(tmp_path / "a.csv")
    np.testing.assert_array_equal(frame["a"], numbers)


def test_a_quote_that_swallows_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a.csv must begin with the names of its columns. .* never closed\?$"):
        read_table(write(tmp_path, '"a,b\n' + "1,2\n" * 50_000))


@pytest.mark.parametrize("cut", [slice(0, -8), slice(0, 40)])
def test_gzip_with_other_bytes_in_it_is_refused(tmp_path: Path, cut: slice) -> None:
    raw = gzip.compress(b"a,b\n" + b"1,2\n" * 1000, mtime=0)[cut] + bytes(8)
    with pytest.raises(BadInput, match=r"a.csv.gz must be a whole gzip file. .* fetch it again\.$"):
        read_table(write(tmp_path, raw, "a.csv.gz"))


def test_marks_are_found_in_categories_and_indexes_are_dropped(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "c": pd.Categorical(["x", "y"])}, index=pd.Index(["u", "v"], name="id"))
    frame.to_parquet(tmp_path / "a.parquet")
    again, _ = read_table(tmp_path / "a.parquet", missing=["x"])
    assert again.columns.tolist() == ["a", "c"]
    assert again["c"].isna().tolist() == [True, False]


def test_dicts_in_parquet_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2], "deep": [None, {"b": 1}]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"a.parquet, row 2, column 'deep': found a dict, expected one value"):
        read_table(tmp_path / "a.parquet")
