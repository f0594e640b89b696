"""The SQLite file of a study: made, opened, checked, brought up to date, and written in whole transactions.

The log is written ahead and flushed at the end of each transaction (`journal_mode = WAL`, `synchronous = FULL`), so
that what was written stays written, whatever kills the process: https://sqlite.org/wal.html. What the file, the disk or
another program refuses is said in one sentence.
"""

import json
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from wellposed.checks import refusal
from wellposed.files import replacing

APPLICATION_ID = int.from_bytes(b"wpst")
"""What marks a SQLite file as a study, in its header."""

VERSION = 1
"""Of the tables below. Whoever changes them raises it, adds the step from the version before to `MIGRATIONS`, and puts
a file of the version before among the tests."""

TABLES = (
    "CREATE TABLE spec (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """CREATE TABLE trials (
        number INTEGER PRIMARY KEY, generation INTEGER NOT NULL, shard INTEGER NOT NULL,
        chosen TEXT NOT NULL, recipe TEXT NOT NULL, seed INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'complete', 'pruned', 'failed')),
        epochs INTEGER NOT NULL, score REAL, metric REAL, best_epoch INTEGER NOT NULL,
        curve BLOB NOT NULL, seconds REAL, failure TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE answers (
        number INTEGER PRIMARY KEY REFERENCES trials,
        n_rows INTEGER NOT NULL, n_columns INTEGER NOT NULL, data BLOB NOT NULL
    ) STRICT""",
)
"""All texts in them are JSON: any string comes back as it was, NUL and half of a surrogate pair too, and
`SELECT recipe ->> '$' FROM trials` shows a recipe. NULL stands for NaN; blobs are little-endian numbers."""

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}
"""By version: what makes of its tables those of the next version, within a transaction. All versions keep the table
`facts` and in it "written_by"."""

PATIENCE_SECONDS = 30.0
"""How long another program may hold the file before this one gives up."""

_STORED = "all that was stored before is still there."
REFUSALS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("have room on its disk", f"Free some space and resume: {_STORED}"),
    sqlite3.SQLITE_IOERR: ("be on a disk that works and has room", f"Mend that and resume: {_STORED}"),
    sqlite3.SQLITE_BUSY: ("be free", "Another program holds it: end that, or wait for it."),
    sqlite3.SQLITE_READONLY: ("be a file that can be written to, as its folder", "Copy it to such a folder."),
    sqlite3.SQLITE_CANTOPEN: ("be a file that can be opened, in a folder that can be written to", "Name another."),
    sqlite3.SQLITE_CORRUPT: ("be whole", "It is damaged: restore it from a copy."),
    sqlite3.SQLITE_NOTADB: ("be the store of a study", "It is no study but some other file: name another."),
}
"""What SQLite may answer that is not our fault, by its primary code: what must be, and what to do."""

NETWORK = ("9p", "afs", "beegfs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "smb")
"""How the names of file systems begin that share files over a network."""


def create_database(path: Path, *, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make the file with its tables, unless there is something in it; what `fill` writes is in the same transaction.

    However many processes do so at once, one of them makes the tables and the others find them made. An empty file, as
    a process that was killed here leaves it, is used.
    """
    with told(path), closing(_connect(path, mode="rwc")) as connection:
        if _is_blank(connection):
            _log_ahead(connection)
            with transaction(connection):
                if _is_blank(connection):
                    for table in TABLES:
                        connection.execute(table)
                    fill(connection)
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {VERSION}")


def open_database(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """A connection to a whole study of this version.

    A file of an earlier version is brought to this one after a copy of it was put beside; to be read only, it stays as
    it is and a copy in memory takes its place.

    Raises:
        BadInput: There is no such file; it is no study, damaged, of a later version or held by another program; or it
            cannot be written to and `readonly` is false.
    """
    with told(path):
        if not path.is_file():
            raise refusal("The store of a study", "be a file", str(path), "There is none: name the folder of a study.")
        connection = _open_to_read(path) if readonly else _connect(path, mode="rw")
        try:
            version = _check(connection, path)
            if not readonly:
                _log_ahead(connection)
                with transaction(connection):
                    version = _pragma(connection, "user_version")  # another process may have been first
                    connection.execute(f"PRAGMA user_version = {version}")  # refused now, where nothing can be written
                    if version < VERSION:
                        _back_up(path, version)
                        _migrate(connection, version)
            elif version < VERSION:
                connection = _in_memory(connection)
                _migrate(connection, version)
            connection.execute(f"PRAGMA query_only = {readonly:d}")
            return connection
        except BaseException:
            connection.close()
            raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that the block writes is on the disk when it ends, or nothing of it is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the cause is on its way up already
                connection.execute("ROLLBACK")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the file or its disk refuses becomes one sentence; anything else is our fault and passes."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if _code(error) not in REFUSALS:
            raise
        must, do = REFUSALS[_code(error)]
        raise refusal(f"The study {path}", must, str(error), do) from error
    except OSError as error:
        raise refusal(f"The study {path}", "be a file that can be read", error.strerror or str(error)) from error


def network_warning(path: Path, *, mounts: Path = Path("/proc/mounts")) -> str:
    """Why a file at `path` is unsafe: it lies on a file system shared over a network; empty where it does not.

    Only a system that lists its mounts in such a file can tell.
    """
    try:
        lines = [line.split(" ") for line in mounts.read_text(errors="surrogateescape").splitlines()]
    except OSError:
        return ""
    place, found, kind = path.resolve(), "", ""
    for _, mount, system, *_ in lines:
        folder = re.sub(r"\\(\d{3})", lambda digits: chr(int(digits[1], 8)), mount)  # a space is written as \040
        if place.is_relative_to(folder) and len(folder) >= len(found):  # of two in one place the later hides the other
            found, kind = folder, system
    if not kind.startswith(NETWORK):
        return ""
    return (
        f"{path} lies on a network file system ({kind}), where a SQLite file is safe only while processes of one "
        "machine use it, and locks may fail: keep the study on a local disk and copy it when it has ended."
    )


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    """A connection that has read the file, and whose transactions are ours alone to begin and end."""
    if sqlite3.sqlite_version_info < (3, 37):
        raise refusal("Python's SQLite", "be 3.37 or newer", sqlite3.sqlite_version, "Install a newer Python.")
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=PATIENCE_SECONDS)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        _pragma(connection, "application_id")
        return connection
    except BaseException:
        connection.close()
        raise


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the log. SQLite does not always wait for other processes here, so we do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code; 0 where Python's own module complains."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Whether nobody has put anything into the file."""
    n_things = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return not n_things and _pragma(connection, "application_id") == 0


def _check(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the study's tables; refused where it is no study, damaged, or of a later version."""
    what = f"The study {path}"
    if _is_blank(connection):
        raise refusal(what, "hold what it was asked for", "an empty file", "Remove it and begin the study anew.")
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise refusal(what, "be the store of a study", "another program's SQLite file", "It is no study: name another.")
    version = int(_pragma(connection, "user_version"))
    if version > VERSION:
        writer = f"version {version}, written by wellposed {_writer(connection)}"
        raise refusal(what, f"have tables of version {VERSION} at most", writer, "Upgrade wellposed.")
    if (found := _pragma(connection, "quick_check(1)")) != "ok":
        raise refusal(what, "be whole", found, "It is damaged: restore it from a copy.")
    return version


def _writer(connection: sqlite3.Connection) -> str:
    """Which version of this package made the file."""
    try:
        rows = connection.execute("SELECT value FROM facts WHERE name = ?", (json.dumps("written_by"),)).fetchall()
        return str(json.loads(rows[0][0])) if rows else "of some later version"
    except (sqlite3.Error, ValueError):
        return "of some later version"


def _open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that only reads; to a copy in memory where SQLite cannot make the files beside that it needs."""
    try:
        return _connect(path, mode="ro")
    except sqlite3.OperationalError as error:
        if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "study.db"
        shutil.copyfile(path, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        return _in_memory(_connect(copy, mode="rw"))


def _in_memory(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same content in memory, in place of the connection given."""
    with closing(connection):
        copy = sqlite3.connect(":memory:", isolation_level=None)
        connection.backup(copy)
        return copy


def _back_up(path: Path, version: int) -> None:
    """Put a copy of the file beside it, named for its version."""
    with (
        replacing(path.with_name(f"{path.stem}-v{version}{path.suffix}")) as temporary,
        closing(_connect(path, mode="ro")) as source,
        closing(sqlite3.connect(temporary)) as copy,
    ):
        source.backup(copy)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring tables of an earlier version to this one."""
    for step in range(version, VERSION):
        MIGRATIONS[step](connection)
    connection.execute(f"PRAGMA user_version = {VERSION}")
