"""Files to frames: `.csv`, `.tsv` and `.parquet`, gzip-compressed or not. Tolerant where nothing is lost by it."""

import csv
import gzip
import io
import zlib
from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.inputs.cells import read_cells
from wellposed.inputs.frame import check_frame, check_names

DELIMITERS = ",;\t|"
SUFFIXES = (".csv", ".tsv", ".parquet")


def read_table(
    path: Path,
    *,
    missing: Collection[str] = (),
    limit: int | None = None,
    text: Collection[str] = (),
    verbatim: Collection[str] = (),
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table in a file, and what was told and carried on with.

    Args:
        path: A file with a suffix of `SUFFIXES`, and perhaps `.gz`.
        missing: Marks of missing values besides the usual ones of a text file.
        limit: Read the first rows only.
        text: Names of columns that stay text even where they look like numbers.
        verbatim: Names of columns whose cells stay as they are written, blanks and marks of missing values included.
    """
    raw = read_bytes(path)
    if table_suffix(path) == ".parquet":
        return _read_parquet(raw, path.name, missing=missing, limit=limit), ()
    written, notes = _decode(raw, path.name)
    delimiter = "\t" if table_suffix(path) == ".tsv" else _sniff(written)
    names, rows = _read_rows(written, delimiter, path.name)
    if all(_is_number(name) for name in names):
        notes += (f"The first line of {path.name} holds numbers; it was taken as the names of the columns.",)
    columns: dict[str, pd.Series] = {}
    for name, cells in zip(names, rows.slice(0, limit).columns, strict=True):
        if name in verbatim:
            columns[name] = cells.combine_chunks().to_pandas().astype(object)
            continue
        where = f"{path.name}, column {name!r}"
        columns[name], note = read_cells(cells.combine_chunks(), where=where, missing=missing, keep_text=name in text)
        notes += (note,) if note else ()
    return pd.DataFrame({name: column.array for name, column in columns.items()}), notes  # arrays: no index to align


def table_suffix(path: Path) -> str:
    """The suffix of a file without regard to case and to a `.gz` at its end.

    >>> table_suffix(Path("a.b.CSV.gz"))
    '.csv'
    """
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def read_bytes(path: Path) -> bytes:
    """What a file holds, decompressed; a damaged or unreadable file is refused."""
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise refusal(path.name, "be a file that can be read", fault.strerror or str(fault)) from fault
    if not raw:
        raise BadInput(f"{path.name} must hold data. Got an empty file.")
    if raw[:2] != b"\x1f\x8b":
        if path.suffix.lower() == ".gz":
            raise refusal(path.name, "be gzip-compressed", raw[:8], "It is damaged or misnamed.")
        return raw
    try:
        raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as fault:
        raise refusal(path.name, "be a whole gzip file", str(fault), "It is damaged: fetch it again.") from fault
    if not raw:
        raise BadInput(f"{path.name} must hold data. Got an empty file.")
    return raw


def _decode(raw: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """Text of UTF-8 with or without a byte order mark, of UTF-16 with one, else of latin-1."""
    notes: tuple[str, ...] = ()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, notes = "utf-16", (f"{name} begins with a byte order mark and was read as utf-16.",)
    elif raw.startswith(b"\xef\xbb\xbf"):
        encoding, notes = "utf-8-sig", (f"{name} begins with a byte order mark and was read as utf-8-sig.",)
    else:
        encoding = "utf-8"
    try:
        written = raw.decode(encoding)
    except UnicodeDecodeError:
        written, notes = raw.decode("latin-1"), (f"{name} is not UTF-8 and was read as latin-1.",)
    control = sum(written.count(chr(code)) for code in range(32) if chr(code) not in "\t\n\r\f\x1a")
    if "\0" in written or control > 0.01 * len(written):
        raise refusal(name, "be a table of text", raw[:8], "These bytes are no text; is the suffix right?")
    if not written.strip():
        raise BadInput(f"{name} must hold data. Got an empty file.")
    return written, notes


def _sniff(written: str) -> str:
    """The delimiter that occurs most often in the header, outside quotes; a comma if none does."""
    header = next(line for line in io.StringIO(written) if line.strip())
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def _read_rows(written: str, delimiter: str, name: str) -> tuple[list[str], pa.Table]:
    """Names of the columns, and the cells as written; rows of another length are refused."""
    lines = csv.reader(io.StringIO(written, newline=""), delimiter=delimiter)
    unclosed = "found a quote that is opened and never closed"
    try:
        names = [cell.strip() for cell in next(line for line in lines if line)]
    except csv.Error as fault:
        do = "Is a quote opened there and never closed?"
        raise refusal(name, "begin with the names of its columns", str(fault), do) from fault
    if written.count('"') % 2 and "\n" in names[-1]:
        raise BadInput(f"{name}, header: {unclosed}.")
    check_names(names, name)
    places = [str(place) for place in range(len(names))]
    ragged: list[tuple[int, int]] = []

    def stop(row: pa.csv.InvalidRow) -> str:
        ragged.append((row.number - 1, row.actual_columns))
        return "error"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(written.encode()),
            read_options=pa.csv.ReadOptions(use_threads=False, column_names=places, block_size=1 << 26),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=stop),
            convert_options=pa.csv.ConvertOptions(
                column_types={place: pa.string() for place in places}, null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as fault:
        if not ragged:
            raise refusal(name, "be a table of text", str(fault)) from fault
        row, found = ragged[0]
        do = "Is a quote opened there and never closed?" if written.count('"') % 2 else ""
        raise BadInput(f"{name}, row {row}: found {found} cells, expected {len(names)}. {do}".rstrip()) from fault
    rows = table.slice(1)
    if rows.num_rows == 0:
        raise BadInput(f"{name} must hold rows. Got a header only.")
    last = rows.slice(rows.num_rows - 1).to_pylist()[0]
    if written.count('"') % 2 and any("\n" in cell for cell in last.values()):
        raise BadInput(f"{name}, row {rows.num_rows}: {unclosed}.")
    return names, rows


def _read_parquet(raw: bytes, name: str, *, missing: Collection[str], limit: int | None) -> pd.DataFrame:
    """Parquet brings its types: text stays text, and only the named marks are missing."""
    try:
        table = pa.parquet.read_table(io.BytesIO(raw))
    except (pa.ArrowException, OSError) as fault:
        raise refusal(name, "be a whole Parquet file", str(fault), "It is damaged: fetch it again.") from fault
    check_names(table.column_names, name)
    frame: pd.DataFrame = table.slice(0, limit).to_pandas().reset_index(drop=True)
    if frame.empty:
        raise BadInput(f"{name} must hold rows. Got a header only.")
    check_frame(frame, name)
    for column in frame.columns if missing else ():
        if frame[column].dtype.kind == "O":  # text, categories, anything
            frame[column] = frame[column].mask(frame[column].isin(list(missing)))
    return frame


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
