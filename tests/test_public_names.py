"""The names that users and scripts rely on: none goes or comes unnoticed, and importing them is put off."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wellposed

NAMES = [
    "BadInput",
    "KernelGradientDescent",
    "Population",
    "Ramp",
    "Recipe",
    "WellposedClassifier",
    "WellposedRegressor",
    "__version__",
    "ablate",
    "book",
    "cocktail",
    "compare",
    "load",
    "plain",
    "search",
    "search_policy",
    "sound",
    "space",
]


def test_public_names_are_these() -> None:
    assert sorted(wellposed.__all__) == NAMES
    assert set(NAMES) <= set(dir(wellposed))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(wellposed, name)
    assert isinstance(value, str) or value.__doc__


def test_type_checkers_see_the_same_names_in_the_same_modules() -> None:
    tree = ast.parse(Path(str(wellposed.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {a.name: n.module for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert seen == wellposed._WHERE
    assert sorted([*seen, "__version__"]) == NAMES


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sounds'"):
        _ = wellposed.sounds  # type: ignore[attr-defined]


def test_star_import_brings_all() -> None:
    names: dict[str, object] = {}
    exec("from wellposed import *", names)
    assert set(NAMES) <= set(names)


def test_importing_the_package_imports_no_library() -> None:
    code = "import sys, wellposed; print(*({'torch', 'sklearn', 'pandas', 'numpy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
