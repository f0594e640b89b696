"""Files that are whole or not there: written beside, flushed to the disk, then renamed over the old one.

Whatever happens while a file is written (a full disk, a kill, an error), its path holds the old content or the new,
never a part. What cannot be written or read is refused in one sentence that names the path and the cause.
"""

import errno
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from wellposed.checks import refusal
from wellposed.errors import BadInput

JSON_LIMIT_BYTES = 64 * 2**20
"""The longest JSON file that is read: parsed, it needs about ten times as much memory."""

_NO_FOLDER_SYNC = {errno.EACCES, errno.EINVAL, errno.ENOTSUP}
"""What systems answer that cannot flush a folder; the file itself is flushed there all the same."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, to be written in the block; it replaces `path` where the block ends well.

    The temporary file keeps the suffix of `path` and the permissions that the process gives to new files. A link is
    followed: the file that it points to is replaced. On any failure the temporary file is removed and the old file
    stays as it was. (Only when the disk fails while the folder is flushed, last of all, is the new file there already.)

    Raises:
        BadInput: The system refused; an OSError of the block is taken for this.
    """
    target = Path(path)
    temporary = None
    try:
        target = target.resolve()
        fresh = target.with_name(f".tmp-{secrets.token_hex(8)}{target.suffix}")
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        temporary = fresh
        yield temporary
        _flush(temporary, os.O_RDWR)
        os.replace(temporary, target)
        temporary = None
        _flush_folder(target.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def write_bytes(path: str | Path, data: bytes) -> None:
    """Put `data` into the file at once, or leave the file as it was and raise BadInput."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    r"""Put `text` into the file as UTF-8, line ends as they are; half of a surrogate pair is written as `\udc80`."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: str | Path, value: object) -> None:
    """Put plain values into the file as JSON; see `json_text`."""
    write_text(path, json_text(value) + "\n")


def json_text(value: object) -> str:
    """Plain values as JSON that any reader accepts.

    >>> print(json_text({"loss": math.nan, "widths": (3,)}))
    {
      "loss": null,
      "widths": [
        3
      ]
    }

    Mappings, lists, tuples, strings, numbers (NumPy's too), booleans and None are written; keys become strings. JSON
    has no NaN and no infinity: both are written as null, "not known".

    Raises:
        TypeError: Another kind of value is among them.
    """
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def read_json(path: str | Path, *, limit_bytes: int = JSON_LIMIT_BYTES) -> Any:
    """The value in a JSON file.

    Raises:
        BadInput: There is no such file, it is longer than `limit_bytes`, or it is not JSON with finite numbers.
    """
    data = _read_bytes(path, limit_bytes=limit_bytes)
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_finite, parse_float=_finite)
    except RecursionError as error:
        raise refusal(str(path), "be JSON", "brackets that are nested too deep") from error
    except ValueError as error:  # also UnicodeDecodeError and JSONDecodeError
        raise refusal(str(path), "be JSON", str(error)) from error


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Put named tensors, dense and of any shape and device, into a safetensors file.

    Tensors that share memory are written each for itself, and come back as tensors that share none.
    """
    seen: set[tuple[str, int]] = set()
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        memory = (str(tensor.device), tensor.untyped_storage().data_ptr())
        whole[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    write_bytes(path, safetensors.torch.save(whole))


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU; nothing in the file is executed.

    A changed bit among the numbers goes unnoticed by the format: compare `sha256` with what was noted.

    Raises:
        BadInput: There is no such file, or it is damaged or of another kind.
    """
    try:
        return safetensors.torch.load(_read_bytes(path))
    except SafetensorError as error:
        raise refusal(str(path), "be a whole safetensors file", str(error)) from error


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def claim_folder(path: str | Path, *, name: str = "--out") -> Path:
    """Make the folder that results go into, before the work whose results they are.

    A file is written into it and removed, so that a folder where nothing can be written is refused now. Two processes
    that claim the same empty folder at the same moment both get it.

    Args:
        path: The folder; folders above it are made where they are missing.
        name: What the caller calls it, for the refusal.

    Raises:
        BadInput: It is a file, holds something, or cannot be made or written to.
    """
    folder, must = Path(path), "be a new or empty folder"
    try:
        if folder.exists() and not folder.is_dir():
            raise refusal(name, must, str(path), "That is a file.")
        folder.mkdir(parents=True, exist_ok=True)
        entry = next(folder.iterdir(), None)
    except OSError as error:
        raise _unwritable(path, error) from error
    if entry is not None:
        raise refusal(name, must, str(path), f"It holds {entry.name!r}. Name another.")
    probe = folder / ".tmp-claim"
    write_bytes(probe, b"")
    probe.unlink(missing_ok=True)  # the other process may have been quicker
    return folder


def _flush(path: Path, flags: int) -> None:
    """Wait until what was written to a file or folder is on the disk."""
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Wait until a rename in this folder is on the disk, where the system can tell."""
    try:
        _flush(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _read_bytes(path: str | Path, *, limit_bytes: int | None = None) -> bytes:
    """The content of a file, refused before it is read when it is too long."""
    try:
        with Path(path).open("rb") as file:
            data = file.read() if limit_bytes is None else file.read(limit_bytes + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if limit_bytes is not None and len(data) > limit_bytes:
        raise refusal(str(path), f"be at most {limit_bytes} bytes long", "a longer file")
    return data


def _plain(value: object) -> object:
    """The same value in what JSON knows; numbers that are not finite become None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _finite(number: str) -> float:
    """A number of a JSON file; NaN, Infinity and 1e999 are none."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a finite number")
    return value


def _unwritable(path: str | Path, error: OSError) -> BadInput:
    return refusal(str(path), "be a place that can be written to", error.strerror or str(error))


def _unreadable(path: str | Path, error: OSError) -> BadInput:
    return refusal(str(path), "be a file that can be read", error.strerror or str(error))
