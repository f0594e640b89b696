"""The rules that a machine can hold; CONTRIBUTING.md lists them all, import-linter holds the order of layers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC, TESTS = ROOT / "src" / "wellposed", ROOT / "tests"
FILES = [p for p in sorted(SRC.rglob("*.py")) if p.name not in ("__init__.py", "__main__.py")]
MODULES = sorted(SRC.rglob("*.py"))
BANNED_NAMES = {"eval", "exec", "hasattr", "globals"}
BANNED_NODES = {ast.Global: "global state", ast.Assert: "assert; raise with must be / Got"}
BANNED_MODULES = {"pickle", "marshal", "shelve", "__future__"}
BANNED_CALLS = {"torch.load", "torch.export.load"}


def breaches(text: str) -> Iterator[str]:
    """Each rule that a file's text breaks, with the line."""
    if text.count("\n") > 400:
        yield "longer than 400 lines; split the idea"
    for node in ast.walk(ast.parse(text)):
        at = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Name) and node.id in BANNED_NAMES:
            yield f"{at}: {node.id}"
        if type(node) in BANNED_NODES:
            yield f"{at}: {BANNED_NODES[type(node)]}"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in BANNED_CALLS:
            yield f"{at}: {ast.unparse(node)}"
        if isinstance(node, ast.FunctionDef) and is_public(node.name) and node.args.kwarg:
            yield f"{at}: **{node.args.kwarg.arg} in the public signature of {node.name}"
        if isinstance(node, ast.Import) and any(a.name.split(".")[0] in BANNED_MODULES for a in node.names):
            yield f"{at}: {ast.unparse(node)}"
        if isinstance(node, ast.ImportFrom) and (node.names[0].name == "*" or node.module in BANNED_MODULES):
            yield f"{at}: {ast.unparse(node)}"
        if isinstance(node, ast.ClassDef) and any(k.arg == "metaclass" for k in node.keywords):
            yield f"{at}: metaclass"


def is_public(name: str) -> bool:
    return not name.startswith("_") or name.endswith("__")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_file_keeps_the_rules(path: Path) -> None:
    assert not list(breaches(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_file_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_file_has_its_test(path: Path) -> None:
    where = path.relative_to(SRC)
    assert (TESTS / where.with_name(f"test_{where.name}")).exists()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_at_most_two_folders_below_the_package(path: Path) -> None:
    assert len(path.relative_to(SRC).parent.parts) <= 2


@pytest.mark.parametrize(("name", "n_lines"), [("README.md", 120), ("CONTRIBUTING.md", 50)])
def test_pages_stay_short(name: str, n_lines: int) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= n_lines


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n" * 401,
        "eval('1')",
        "exec('1')",
        "hasattr(a, 'b')",
        "globals()",
        "def f():\n    global x",
        "assert x",
        "def f(**kwargs): ...",
        "class A:\n    def __init__(self, **kwargs): ...",
        "from torch import *",
        "from __future__ import annotations",
        "import pickle",
        "from pickle import loads",
        "torch.load('x')",
        "class A(metaclass=M): ...",
    ],
)
def test_a_file_that_breaks_a_rule_is_found(text: str) -> None:
    assert len(list(breaches(text))) == 1


def test_what_only_looks_like_a_breach_is_none() -> None:
    assert not list(breaches("model.eval()\ndef _f(**kwargs): ...\nimport torch\ntorch.load_state\n"))
