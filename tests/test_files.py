"""Whole or not there: after every fault the old content stands and no temporary file is left."""

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed import files
from wellposed.errors import BadInput

WRITERS: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: files.write_bytes(path, b"new"),
    "text": lambda path: files.write_text(path, "new"),
    "json": lambda path: files.write_json(path, {"a": 1}),
    "tensors": lambda path: files.write_tensors(path, {"a": torch.ones(3)}),
}
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())


@writers
def test_writes_and_replaces_and_leaves_nothing_else(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "a file.x"
    write(path)
    first = path.read_bytes()
    path.write_bytes(b"old")
    write(path)
    assert path.read_bytes() == first != b"old"
    assert os.listdir(tmp_path) == ["a file.x"]


@writers
@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], broken: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(BadInput, match=r"a must be a place that can be written to\. Got 'No space left on device'\.$"):
        write(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


FULL = """
import resource, signal, sys
from pathlib import Path
import torch
from wellposed import files
from wellposed.errors import BadInput

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
for write in (
    lambda: files.write_bytes(path, b"x" * 5000),
    lambda: files.write_json(path, ["x" * 5000]),
    lambda: files.write_tensors(path, {"x": torch.ones(5000)}),
):
    try:
        write()
    except BadInput as error:
        print(error)
"""


def test_a_file_that_the_system_cuts_short_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    sentence = f"{path} must be a place that can be written to. Got 'File too large'."
    assert done.stdout.splitlines() == [sentence] * 3
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from wellposed import files

path, old = Path(sys.argv[1]), list(range(20_000))
files.write_json(path, old)
for attempt in range(20):
    child = os.fork()
    if child == 0:
        while True:
            files.write_json(path, old)
    time.sleep(random.Random(attempt).uniform(0.001, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if files.read_json(path) != old:
        sys.exit("a part of a file")
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a.json"], check=True)


def test_an_error_of_the_block_passes_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), files.replacing(path) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_file_gets_the_permissions_of_new_files_and_a_link_is_followed(tmp_path: Path) -> None:
    ordinary, ours, link = tmp_path / "ordinary", tmp_path / "ours", tmp_path / "link"
    ordinary.touch()
    link.symlink_to(ours)
    files.write_tensors(link, {"a": torch.ones(1)})
    assert link.is_symlink()
    assert ours.stat().st_mode == ordinary.stat().st_mode


@pytest.mark.parametrize("where", ["missing/a", "file/a", ".", "x" * 300])
def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="must be a place that can be written to"):
        files.write_text(tmp_path / where, "x")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="Permission denied"):
        files.write_text(tmp_path / "a", "x")


def test_text_is_utf8_with_its_line_ends(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "größe\r\n\udc80")
    assert (tmp_path / "a").read_bytes() == "größe\r\n".encode() + rb"\udc80"


def test_json_holds_no_nan_and_keeps_every_name(tmp_path: Path) -> None:
    value = {"größe": [1.5, math.nan, -math.inf, True, None], 3: (np.float32(0.5), np.int64(7), np.bool_(True))}
    path = tmp_path / "a.json"
    files.write_json(path, value | {"\ud800": float("inf")})
    assert files.read_json(path) == {"größe": [1.5, None, None, True, None], "3": [0.5, 7, True], "\ud800": None}
    assert "größe" in path.read_text(encoding="utf-8")


def test_json_of_another_kind_is_our_fault_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "a.json", {"a": object()})
    assert os.listdir(tmp_path) == []


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(value=plain)
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    files.write_json(path, value)
    assert files.read_json(path) == value


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[NaN]", b"[1e999]", b"[-Infinity]", b"\xff\xfe", b"[" * 100_000, b"[" + b"1" * 5000 + b"]", b"{} {}"],
)
def test_json_that_is_damaged_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.json must be JSON\. Got "):
        files.read_json(path)


def test_json_that_is_too_long_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1,2,3]")
    assert files.read_json(path, limit_bytes=7) == [1, 2, 3]
    with pytest.raises(BadInput, match="must be at most 6 bytes long"):
        files.read_json(path, limit_bytes=6)


def test_tensors_come_back_whatever_their_memory_looked_like(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "whole": base,
        "shared": base,
        "transposed": base.T,
        "row": base[1],
        "parameter": torch.nn.Parameter(base),
        "codes": torch.tensor([1, -1]),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "mask": torch.tensor([True, False]),
        "scalar": torch.tensor(3.0),
        "none": torch.zeros(0, 5),
        "none too": torch.zeros(0, 5),
    }
    path = tmp_path / "a.safetensors"
    files.write_tensors(path, tensors)
    found = files.read_tensors(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(found[name], tensor.detach(), rtol=0, atol=0)
    found["whole"].zero_()
    assert found["shared"].sum() == 66


def whole_file(path: Path) -> bytes:
    files.write_tensors(path, {"a": torch.arange(100.0)})
    return path.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"no tensors at all",
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: (10 * 2**30).to_bytes(8, "little") + data[8:],
        lambda data: data.replace(b"F32", b"F99"),
        lambda _: b"\x80\x04\x95pickle",
    ],
)
def test_damaged_tensors_are_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(damage(whole_file(path)))
    with pytest.raises(BadInput, match=r"a\.safetensors must be a whole safetensors file\. Got "):
        files.read_tensors(path)


def test_sha256_sees_a_bit_that_the_format_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    data = bytearray(whole_file(path))
    noted = files.sha256(path)
    assert noted == hashlib.sha256(data).hexdigest()
    data[-1] ^= 1
    path.write_bytes(data)
    files.read_tensors(path)
    assert files.sha256(path) != noted


@pytest.mark.parametrize("read", [files.read_json, files.read_tensors, files.sha256])
@pytest.mark.parametrize("where", ["missing", "."])
def test_what_cannot_be_read_is_named(tmp_path: Path, read: Callable[[Path], object], where: str) -> None:
    with pytest.raises(BadInput, match=r"must be a file that can be read\. Got '(No such file|Is a directory)"):
        read(tmp_path / where)


def test_claim_makes_a_new_folder_and_takes_an_empty_one(tmp_path: Path) -> None:
    folder = files.claim_folder(tmp_path / "a" / "b")
    assert folder == files.claim_folder(folder)
    assert os.listdir(folder) == []


def test_claim_refuses_what_holds_something(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({}))
    with pytest.raises(BadInput, match=r"--out must be a new or empty folder\. Got .* It holds 'result\.json'\."):
        files.claim_folder(tmp_path)
    with pytest.raises(BadInput, match=r"out must be a new or empty folder\. Got .*result\.json'\. That is a file\."):
        files.claim_folder(tmp_path / "result.json", name="out")
    with pytest.raises(BadInput, match="must be a place that can be written to"):
        files.claim_folder(tmp_path / "result.json" / "a")


def test_claim_refuses_a_folder_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BadInput, match="No space left"):
        files.claim_folder(tmp_path)
    assert os.listdir(tmp_path) == []
