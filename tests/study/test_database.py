"""Files that are no study, damaged, of other versions, locked, full, read-only: one sentence, and nothing changed."""

import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from wellposed.errors import BadInput
from wellposed.study import database
from wellposed.study.database import create_database, network_warning, open_database, told, transaction

Fill = Callable[[sqlite3.Connection], None]


def nothing(connection: sqlite3.Connection) -> None:
    """Leave the tables empty."""


def fact(name: str, value: str) -> Fill:
    """Put a fact into the tables."""

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO facts VALUES (?, ?)", (f'"{name}"', f'"{value}"'))

    return fill


def facts(path: Path, *, readonly: bool = True) -> list[tuple[str, str]]:
    with closing(open_database(path, readonly=readonly)) as connection:
        return connection.execute("SELECT name, value FROM facts").fetchall()


def set_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of one's own, and no right to write where the permissions do not say so."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    superuser = os.geteuid() == 0
    try:
        if superuser:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        yield folder
    finally:
        if superuser:
            os.seteuid(0)
        folder.chmod(0o777)
        shutil.rmtree(folder)


def test_the_file_is_marked_flushed_and_written_ahead(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    create_database(path, fill=fact("a", "b"))
    assert path.read_bytes()[68:72] == b"wpst"
    with closing(open_database(path, readonly=False)) as connection:
        pragmas = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
        assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert os.listdir(tmp_path) == ["study.db"]


def test_a_second_creation_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    create_database(path, fill=fact("a", "first"))
    create_database(path, fill=fact("a", "second"))
    assert facts(path) == [('"a"', '"first"')]


def test_a_kill_at_birth_leaves_a_file_that_creation_takes_and_opening_refuses(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with closing(sqlite3.connect(path)) as connection:  # so far comes a process that is killed before its transaction
        connection.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(BadInput, match=r"Got 'an empty file'\. Remove it and begin the study anew\.$"):
        open_database(path, readonly=False)
    create_database(path, fill=nothing)
    assert facts(path) == []


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("a,b\n" * 1000), "It is no study but some other file"),
    "short": (lambda path: path.write_bytes(b"hello"), "It is no study but some other file"),
    "foreign": (foreign, 'be the store of a study. Got "another program\'s SQLite file". It is no study'),
    "folder": (lambda path: path.mkdir(), "be a file"),
}


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_study_is_refused_and_stays_as_it_is(tmp_path: Path, kind: str, readonly: bool) -> None:
    write, words = FILES[kind]
    path = tmp_path / "study.db"
    write(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(BadInput, match="must") as refused:
        open_database(path, readonly=readonly)
    assert words in str(refused.value) and str(path) in str(refused.value)
    with suppress(BadInput):  # creation never writes into what is another's; it may leave the refusal to opening
        create_database(path, fill=nothing)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^The store of a study must be a file\. Got '.*none.db'\. There is none"):
        open_database(tmp_path / "none.db", readonly=False)
    with pytest.raises(BadInput, match="be a file that can be opened, in a folder that can be written to"):
        create_database(tmp_path / "none" / "study.db", fill=nothing)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "noise", "zeros"])
def test_damage_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "study.db"

    def fill(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO facts VALUES (?, ?)", [(f'"{i}"', f'"{"x" * 500}"') for i in range(500)])

    create_database(path, fill=fill)
    whole = path.read_bytes()
    half = len(whole) // 2
    parts = {"cut": b"", "noise": b"\xa5" * (len(whole) - half), "zeros": bytes(len(whole) - half)}
    path.write_bytes(whole[:half] + parts[damage])
    with pytest.raises(BadInput, match=r"must be whole\. Got .* It is damaged: restore it from a copy\.$"):
        open_database(path, readonly=False)


def test_a_later_version_names_who_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    create_database(path, fill=fact("written_by", "9.9"))
    set_version(path, 7)
    sentence = (
        r"must have tables of version 1 at most\. Got 'version 7, written by wellposed 9\.9'\. Upgrade wellposed\.$"
    )
    with pytest.raises(BadInput, match=sentence):
        open_database(path, readonly=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE facts")
    with pytest.raises(BadInput, match="written by wellposed of some later version"):
        open_database(path, readonly=True)


def old(path: Path) -> None:
    """A file as a version 0 that never was would have written it: facts under another name."""
    create_database(path, fill=fact("a", "b"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE facts RENAME TO remarks")
    set_version(path, 0)


def renamed(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE remarks RENAME TO facts")


def test_an_earlier_version_is_migrated_once_with_a_copy_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = tmp_path / "study.db", tmp_path / "study-v0.db"
    old(path)
    before = path.read_bytes()
    monkeypatch.setitem(database.MIGRATIONS, 0, renamed)
    assert facts(path, readonly=True) == [('"a"', '"b"')]
    assert path.read_bytes() == before and not copy.exists()
    assert facts(path, readonly=False) == [('"a"', '"b"')]
    assert facts(path, readonly=False) == [('"a"', '"b"')]
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert connection.execute("SELECT * FROM remarks").fetchall() == [('"a"', '"b"')]


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        renamed(connection)
        raise ZeroDivisionError

    path = tmp_path / "study.db"
    old(path)
    monkeypatch.setitem(database.MIGRATIONS, 0, fail)
    with pytest.raises(ZeroDivisionError):
        open_database(path, readonly=False)
    monkeypatch.setitem(database.MIGRATIONS, 0, renamed)
    assert facts(path, readonly=False) == [('"a"', '"b"')]


def test_a_locked_file_is_refused_after_some_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "study.db"
    create_database(path, fill=fact("a", "b"))
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BadInput, match=r"must be free\. Got 'database is locked'\. Another program holds it"):
            open_database(path, readonly=False)
        assert facts(path) == [('"a"', '"b"')]  # a reader never waits
    assert facts(path, readonly=False) == [('"a"', '"b"')]


def test_a_file_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    with unprivileged() as folder:
        path = folder / "study.db"
        create_database(path, fill=fact("a", "b"))
        path.chmod(0o444)
        folder.chmod(0o555)
        with pytest.raises(BadInput, match=r"be a file that can be written to, as its folder|in a folder that can be"):
            open_database(path, readonly=False)
        assert facts(path, readonly=True) == [('"a"', '"b"')]
        assert os.listdir(folder) == ["study.db"]


def test_a_study_whose_log_was_not_merged_is_read_where_nothing_can_be_written() -> None:
    with unprivileged() as folder:
        path, moved = folder / "study.db", folder / "moved.db"
        create_database(path, fill=nothing)
        with closing(open_database(path, readonly=False)) as connection:
            fact("a", "b")(connection)
            for suffix in ("", "-wal"):  # as a kill would leave them
                shutil.copyfile(f"{path}{suffix}", f"{moved}{suffix}")
        folder.chmod(0o555)
        assert facts(moved, readonly=True) == [('"a"', '"b"')]


def test_what_is_opened_to_be_read_refuses_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    create_database(path, fill=nothing)
    with (
        closing(open_database(path, readonly=True)) as connection,
        pytest.raises(BadInput, match="Got 'attempt to write a readonly database'"),
        told(path),
        transaction(connection),
    ):
        fact("a", "b")(connection)


def test_a_file_without_the_right_to_read_it_is_named() -> None:
    with unprivileged() as folder:
        path = folder / "study.db"
        create_database(path, fill=nothing)
        path.chmod(0)
        with pytest.raises(BadInput, match=r"The study .* must be a file"):
            open_database(path, readonly=True)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    create_database(path, fill=nothing)
    with closing(open_database(path, readonly=False)) as connection:
        with pytest.raises(ZeroDivisionError), transaction(connection):
            fact("a", "b")(connection)
            raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM facts").fetchone() == (0,)
        with transaction(connection):  # and the next one works
            fact("a", "b")(connection)
    assert facts(path) == [('"a"', '"b"')]


def test_our_own_mistakes_keep_their_traceback(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(sqlite3.OperationalError, match="syntax"), told(tmp_path):
            connection.execute("SELEKT")
        with pytest.raises(sqlite3.ProgrammingError), told(tmp_path):
            connection.execute("SELECT ?", (object(),))


EIGHT = """
import os, sys
from pathlib import Path
from wellposed.study.database import create_database, open_database, transaction

path, ready = Path(sys.argv[1]), os.pipe()
def fill(connection):
    connection.execute("INSERT INTO facts VALUES ('\\"made\\"', '1')")
children = []
for i in range(8):
    if (child := os.fork()) == 0:
        os.close(ready[1])
        os.read(ready[0], 1)  # until the parent lets all go at once
        create_database(path, fill=fill)
        connection = open_database(path, readonly=False)
        for j in range(20):
            with transaction(connection):
                connection.execute("INSERT INTO facts VALUES (?, '1')", (f'"{i} {j}"',))
        connection.close()
        os._exit(0)
    children.append(child)
os.close(ready[1])
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_eight_processes_make_and_write_one_fresh_file(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    done = subprocess.run([sys.executable, "-c", EIGHT, path], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (f"{[0] * 8}\n", "")
    assert sorted(facts(path)) == sorted([('"made"', "1"), *((f'"{i} {j}"', "1") for i in range(8) for j in range(20))])


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "smb3", "fuse.sshfs", "9p"])
def test_a_network_file_system_is_warned_of(tmp_path: Path, kind: str) -> None:
    share = tmp_path / "my share ü"
    share.mkdir()
    (share / "local").mkdir()
    written = str(share).replace(" ", r"\040")
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/sda / ext4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\nhost:/x {written} {kind} rw 0 0\n"
        f"/dev/sdb {written}/local xfs rw 0 0\n"
    )
    assert f"lies on a network file system ({kind})" in network_warning(share / "a" / "study.db", mounts=mounts)
    assert network_warning(tmp_path / "my share" / "study.db", mounts=mounts) == ""
    assert network_warning(share / "local" / "study.db", mounts=mounts) == ""
    assert network_warning(share / "study.db", mounts=tmp_path / "none") == ""


def test_the_codes_are_those_of_sqlite() -> None:
    names = {"FULL": 13, "IOERR": 10, "BUSY": 5, "READONLY": 8, "CANTOPEN": 14, "CORRUPT": 11, "NOTADB": 26}
    assert set(database.REFUSALS) == set(names.values())  # https://sqlite.org/rescode.html
    assert all(math.prod(map(len, sentence)) for sentence in database.REFUSALS.values())
