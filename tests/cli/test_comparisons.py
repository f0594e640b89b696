"""`compare` and `ablate`: what they print and write, and what they refuse before any work."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from tests.cli.helpers import SHORT


@pytest.fixture
def recipes(run) -> list[str]:
    Path("wide.toml").write_text(SHORT.replace("[8]", "[32]"))
    Path("none.toml").write_text(SHORT.replace("epochs = 9", "epochs = 1"))
    return ["short.toml", "wide.toml", "none.toml"]


def numbers(text: str) -> dict[str, Any]:
    """What a strict reader of JSON makes of it."""

    def refuse(constant: str) -> float:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_recipes_are_compared_pair_by_pair(run, recipes: list[str]) -> None:
    done = run("compare", "wine", *recipes, "--repeats", 4, "--out", "page")
    assert done.code == 0 and done.out.endswith("Look at page/report.html\n")
    assert all(name in done.out for name in ("short", "wide", "none")) and "accuracy" in done.out
    found = numbers(Path("page/result.json").read_text())
    assert list(found["data"][0]["runs"]) == ["short", "wide", "none"]
    assert "short" in Path("page/report.html").read_text()
    assert sorted(p.name for p in Path("page").iterdir()) == ["report.html", "result.json"]
    again = run("compare", "wine", *recipes, "--repeats", 4, "--json", "--quiet")
    one, other = ([p | {"seconds": 0} for p in f["pairs"]] for f in (found, numbers(again.out)))
    assert again.err == "" and one == other


def test_another_metric_is_compared_by(run, recipes: list[str]) -> None:
    words = ("--repeats", 2, "--metric", "cross_entropy", "--json", "--quiet", "--test", 0.5, "--limit", 60)
    found = numbers(run("compare", "iris", *recipes[:2], *words).out)
    assert found["metric"] == "cross_entropy" and not found["higher_is_better"]
    assert found["data"][0]["rows"]["test"] == 30


def test_recipes_of_one_name_keep_their_paths(run, recipes: list[str]) -> None:
    Path("deep").mkdir()
    Path("deep/short.toml").write_text(SHORT.replace("[8]", "[4]"))
    done = run("compare", "iris", "short.toml", "deep/short.toml", "--repeats", 2, "--json", "--quiet")
    assert list(numbers(done.out)["data"][0]["runs"]) == ["short.toml", "deep/short.toml"]


REFUSED = {
    "one recipe": (["iris", "short.toml"], "compare must have two recipes at least. Got 1."),
    "twice the same": (["iris", "plain", "plain"], "The recipes must differ from each other."),
    "no such recipe": (["iris", "plain", "sond"], "Did you mean 'sound'?"),
    "no such file": (["iris", "plain", "no.toml"], "The recipe file must be readable"),
    "no such data": (["irsi", "plain", "sound"], "DATA must be"),
    "one repeat": (["iris", "plain", "sound", "--repeats", 1], "repeats must be"),
    "unknown metric": (["iris", "short.toml", "wide.toml", "--metric", "acuracy", "--out", "new"], "metric must be"),
    "unknown device": (["iris", "plain", "sound", "--device", "gpu"], "device must be"),
    "a used folder": (["iris", "short.toml", "wide.toml", "--out", "used"], "--out must be a new or empty folder"),
    "a file for a folder": (["iris", "short.toml", "wide.toml", "--out", "wide.toml"], "That is a file."),
    "for images": (["iris", "short.toml", "flip.toml", "--out", "new"], "Flip must act on images"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_compare_refuses_in_a_sentence_and_leaves_nothing(run, recipes: list[str], tmp_path: Path, case: str) -> None:
    Path("flip.toml").write_text('[[technique]]\nkind = "Flip"\n')
    Path("used").mkdir()
    Path("used/result.json").write_text("precious")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    arguments, words = REFUSED[case]
    done = run("compare", *arguments, "--quiet")
    assert done.refused(words), done.err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert not Path("new").exists()


def test_the_found_recipe_is_taken_apart(run) -> None:
    Path("rows.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i % 11},{'uv'[i % 11 > 4]}\n" for i in range(66)))
    words = ("--recipe", "short.toml", "--trials", 2, "--members", 1, "--test", 0.3, "--quiet", "--out", "run")
    assert run("fit", "rows.csv", *words).code == 0
    before = {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()}
    done = run("ablate", "run", "--repeats", 2, "--out", "apart")
    assert done.code == 0 and "Dropout" in done.out and done.out.endswith("Look at apart/report.html\n")
    found = numbers(Path("apart/result.json").read_text())
    told = numbers(run("ablate", "run", "--repeats", 2, "--json", "--quiet").out)
    assert told.keys() == found.keys()
    assert all(math.isfinite(x) for x in _scores(found)) and _scores(found) == _scores(told)
    assert run("ablate", "run", "--repeats", 2, "--out", "run").refused("--out must be a new or empty folder")
    with Path("rows.csv").open("a") as file:
        file.write("1,2,u\n")
    assert run("ablate", "run", "--repeats", 2, "--out", "new").refused(
        "rows.csv must hold the data of run. Got others"
    )
    Path("rows.csv").unlink()
    assert run("ablate", "run", "--repeats", 2, "--out", "new").refused("rows.csv")
    assert {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()} == before and not Path("new").exists()


def _scores(value: Any) -> list[float]:
    """All numbers called a score or a difference, wherever they are."""
    if isinstance(value, dict):
        own = [v for k, v in value.items() if k in ("score", "difference", "mean") and isinstance(v, int | float)]
        return own + [x for v in value.values() for x in _scores(v)]
    return [x for v in value for x in _scores(v)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "must be a file that can be read"),
        ("[1]", "must say which data"),
        ('{"given": {}}', "must say which data"),
    ],
)
def test_ablate_refuses_what_is_no_result(run, content: str | None, words: str) -> None:
    Path("run").mkdir()
    if content is not None:
        Path("run/result.json").write_text(content)
    assert run("ablate", "run").refused(words)
