"""The table of techniques is that of the code, and no mark in it says "no"."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from wellposed.techniques import TECHNIQUES
from wellposed.techniques.technique import Technique

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "techniques.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def support() -> ModuleType:
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("support", DOCS / "support.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", TECHNIQUES.values(), ids=lambda kind: kind.__name__)
def test_a_technique_stands_in_the_table_as_it_is(kind: type[Technique], support: ModuleType) -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| [`{kind.__name__}`]")]
    assert line.startswith(support.described(kind)), "out of date: python docs/support.py"
    assert "| no |" not in line


def test_the_table_names_nothing_else() -> None:
    assert PAGE.count("](../src/") == len(TECHNIQUES)
