"""The lock of a study: one process holds a folder, and the system lets go of it when that process ends, however.

The lock is the system's own on an open file (`flock`; on Windows `LockFile`), so a killed process leaves none behind,
and what is written in the file serves only to say who holds it.
"""

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from wellposed.checks import refusal

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = "study.lock"
HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""What systems answer where another process holds the lock."""


@contextmanager
def hold(folder: str | Path) -> Iterator[None]:
    """Hold the study in a folder for the block; the folder is made where it is missing.

    A file "study.lock" stays there, empty: removed, it might be another process's lock by then. Where this process is
    killed, those that it has forked (not those that it started as programs) hold the study until they end too.

    Raises:
        BadInput: Another process, or another block of this one, holds it; or the folder or its file system cannot.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        handle = os.open(place / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        found = error.strerror or str(error)
        raise refusal(f"The folder {folder} of a study", "be one that can be written to", found) from error
    try:
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in HELD:
                must, found, do = "be free", _holder(handle), "Wait for it, or end it."
            else:
                must, found = "be on a file system that can lock files", error.strerror or str(error)
                do = "Name a folder on a local disk."
            raise refusal(f"The study in {folder}", must, found, do) from error
        _write(handle, place)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
            _unlock(handle)
    finally:
        os.close(handle)


if sys.platform == "win32":

    def _lock(handle: int) -> None:
        """Lock a byte far behind the text, which others may then read."""
        os.lseek(handle, 2**30, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _unlock(handle: int) -> None:
        """Free that byte."""
        os.lseek(handle, 2**30, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:

    def _lock(handle: int) -> None:
        """Lock the file, or raise OSError at once."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        """Free the file for all who have this handle: one that was forked, or is about to become another program."""
        fcntl.flock(handle, fcntl.LOCK_UN)


def _write(handle: int, folder: Path) -> None:
    """Say in the file who holds it; on a full disk it stays empty, and the lock holds all the same."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
    try:
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, text.encode())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise refusal(f"The folder {folder} of a study", "be one that can be written to", str(error)) from error


def _holder(handle: int) -> str:
    """Who holds the file, as far as it says."""
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        told = json.loads(os.read(handle, 1000))
        return f"process {told['pid']} on host {told['host']}, which holds it since {told['since']}"
    except (ValueError, KeyError, TypeError):  # it is being written, or someone else wrote it
        return "another process, which holds it"
