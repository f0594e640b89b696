import copy
import json
import math
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from wellposed.errors import BadInput
from wellposed.files import write_json, write_text
from wellposed.report import page

NAN = math.nan
EVIL = "<script>alert(1)</script>"
RECIPE = """\
epochs = 150
batch_size = 32
technique = [{ kind = "He" }, { kind = "Patience", epochs = 20 }]

[net]
kind = "MLP"
widths = [128, 64]
"""
METRICS = {
    "classification": ("accuracy", "balanced_accuracy", "cross_entropy", "brier", "auc", "calibration_error"),
    "regression": ("rmse", "mae", "r2"),
}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = ("no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-component-update")


def a_result(k: int = 4, *, task: str = "classification", n_epochs: int = 12) -> dict[str, Any]:
    """What `Fit.finish` returns, made by hand."""
    names = METRICS[task]
    metrics = {
        part: {name: 0.123456789 + 0.1 * i + 0.01 * j for j, name in enumerate(names)}
        for i, part in enumerate(("train", "validation", "test"))
    }
    curve = [[1.5 * 0.9**epoch + 0.02 * i for i in range(k)] for epoch in range(n_epochs)]
    alone = k == 1
    return {
        "schema": 1,
        "data": {
            "name": "digits",
            "kind": "table",
            "task": task,
            "target": "digit",
            "fingerprint": "4b7b" * 16,
            "classes": [0, 1, True, "four"] if task == "classification" else [],
        },
        "split": {"train": 1150, "validation": 288, "test": 359},
        "metrics": metrics,
        "gap": {
            "metric": names[0],
            "estimate": 0.0216,
            "low": -math.inf if alone else 0.0117,
            "high": math.inf if alone else 0.0314,
            "level": 0.95,
        },
        "members": {
            "count": k,
            "usable": k,
            "failed": [],
            "best_epoch": [n_epochs - 3] * k,
            "ended": [n_epochs] * k,
            names[0]: {part: [0.91234 + 0.001 * i for i in range(k)] for part in metrics},
        },
        "curves": {"train_loss": curve, "validation_loss": copy.deepcopy(curve)},
        "trials": 1,
        "interrupted": False,
        "seconds": 4.782,
        "recipe_digest": "602080c4c9a5",
        "seed": 3,
        "notes": ["Dropped 3 columns with one value only."],
        "versions": {"wellposed": "0.1.0", "torch": "2.13.0+cpu", "python": "3.11.7"},
    }


def a_search(n: int = 64) -> dict[str, Any]:
    """What a result holds of a search, made by hand: a hostile name and a condition among the dimensions."""
    dimensions = [
        {"name": EVIL, "kind": "choice", "low": 0.0, "high": 0.0, "log": False, "options": ["none", EVIL]},
        {"name": "optimizer.learning_rate", "kind": "real", "low": 1e-4, "high": 0.1, "log": True, "options": []},
        {"name": "net.blocks", "kind": "whole", "low": 1, "high": 8, "log": False, "options": []},
    ]
    trials = []
    for i in range(n):
        values: dict[str, Any] = {EVIL: ("none", EVIL)[i % 2], "optimizer.learning_rate": 10 ** (-1 - 3 * i / n)}
        values |= {"net.blocks": 1 + i % 8} if i % 2 else {}
        known_as = {"number": i, "generation": i // 16, "state": ("complete", "pruned")[i % 3 > 0], "epochs": 30}
        trials.append(known_as | {"score": 1 / (i + 1), "metric": i / n, "seconds": 0.25, "values": values})
    trials[5] |= {"state": "failed", "score": NAN, "metric": NAN}
    return {
        "trials": trials,
        "dimensions": dimensions,
        "sampler": "tpe",
        "minimized": "loss",
        "halving": "hyperband",
        "refit": "none",
        "metric": "accuracy",
        "importance": {"optimizer.learning_rate": 0.6, EVIL: 0.1},
        "optimism": {"apparent": 0.98, "corrected": 0.97, "low": 0.96, "high": 0.98, "metric": "accuracy"},
        "chosen": [{"trial": 63, "networks": 12}, {"trial": 60, "networks": 4}],
    }


def a_policy() -> dict[str, Any]:
    rewards = [{"round": i, "reward": 0.1 * i, "kind": kind} for i in range(1, 6) for kind in ("learned", EVIL)]
    return {
        "strategy": "reinforce",
        "claim": EVIL,
        "metric": "accuracy",
        "difference": {"estimate": 0.02, "low": 0.01, "high": 0.03},
        "rewards": rewards,
        "operations": [{"operation": EVIL, "probability": 0.5, "magnitude": 0.1}],
    }


class Reader(HTMLParser):
    """What a page is made of: its elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw, self.words = "", ""
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.raw = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.raw = ""

    def handle_data(self, data: str) -> None:
        if self.raw == "script":
            self.scripts[-1] += data
        elif not self.raw:
            self.words += data

    @property
    def text(self) -> str:
        return " ".join(self.words.split())

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def read(result: dict[str, Any], recipe: str = RECIPE) -> Reader:
    return Reader(page.render(result, recipe))


def test_page_is_whole_and_named() -> None:
    found = read(a_result())
    (html,) = found.all("html")
    assert html["lang"] == "en"
    assert found.text.startswith("digits · wellposed report")
    for landmark in ("header", "main", "footer", "h1", "title"):
        assert len(found.all(landmark)) == 1
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in found.elements:
        for key in ("aria-labelledby", "aria-describedby", "data-copy"):
            assert attributes.get(key) in (None, *ids)
    assert len(found.all("section")) == 5


def test_page_loads_nothing() -> None:
    found = read(a_result())
    assert not [e for e in found.all("script", "link", "img", "iframe", "object") if e.get("src") or e.get("href")]
    assert [e["href"] for e in found.all("a")] == ["#content"]
    (style,) = re.findall(r"<style>(.*?)</style>", page.render(a_result(), RECIPE), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [e["content"] for e in found.all("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_libraries_stand_in_it_once_for_all_charts() -> None:
    scripts = read(a_result()).scripts
    charts, bundle, _ = scripts
    assert list(json.loads(charts)) == ["loss-chart", "score-chart"]
    assert "window.vegaEmbed" in bundle


def test_page_of_16_members_and_150_epochs_stays_small() -> None:
    assert len(page.render(a_result(16, n_epochs=150), RECIPE).encode()) < 1.3e6


def test_page_of_a_search_has_its_sections_before_how_it_was_measured() -> None:
    text = page.render(a_result() | {"search": a_search(), "policy": a_policy()}, RECIPE)
    found = Reader(text)
    assert len(text.encode()) < 1.5e6
    assert len(found.all("section")) == 5 + 4 + 2
    heads = ["The search", "Where the best recipes lie", "The best 10 trials", "What mattered", "How it was measured"]
    places = [found.text.index(head) for head in heads]
    assert places == sorted(places)
    assert "The bag: 12 networks by the recipe of trial 63, 4 by that of trial 60." in found.text
    assert not any(EVIL in script for script in found.scripts)
    assert found.text.count(EVIL) >= 20


@pytest.mark.parametrize("task", METRICS)
def test_every_metric_is_there_exactly(task: str) -> None:
    result = a_result(task=task)
    exact = {e["value"] for e in read(result).all("data")}
    for scores in result["metrics"].values():
        assert {repr(value) for value in scores.values()} <= exact
    for scores in result["members"][METRICS[task][0]].values():
        assert {repr(value) for value in scores} <= exact


def test_verdict_of_a_classifier() -> None:
    result = a_result()
    result["metrics"]["test"]["accuracy"] = 353 / 359
    text = read(result).text
    assert "A bag of 4 networks (MLP with widths 128 and 64) learned to predict digit (4 classes) from a table." in text
    assert "98.3 % of the 359 test rows are answered right." in text
    assert "95 % interval over rows: 96.4 % to 99.2 %." in text
    assert "early stopping ended it for every network" in text
    assert "2.2 percentage points more often" in text


def test_verdict_of_a_regression() -> None:
    text = read(a_result(task="regression")).text
    assert "0.3235 is the root mean squared error on 359 test rows" in text
    assert "R² is 0.3435" in text
    assert "interval over rows" not in text


def test_one_network_claims_no_spread() -> None:
    text = read(a_result(1)).text
    assert "One network (MLP" in text
    assert "there is no interval" in text
    assert "bag" not in text


def test_images_are_named() -> None:
    result = a_result()
    result["data"]["kind"] = "images"
    assert "from images." in read(result).text


def test_failed_networks_are_named_with_step_and_layer() -> None:
    result = a_result()
    result["members"] |= {"usable": 3, "failed": [{"member": 2, "step": 1234, "where": "3.norm"}]}
    result["members"]["best_epoch"][2] = 0
    for scores in result["members"]["accuracy"].values():
        scores.pop()
    for curve in result["curves"].values():
        for losses in curve[2:]:
            losses[2] = NAN
    text = read(result).text
    assert "1 of 4 networks failed" in text
    assert "Network 3: the first number that was not finite came at step 1,234, in 3.norm." in text
    assert "4, of which 3 answer" in text


def test_interruption_is_said() -> None:
    result = a_result()
    result |= {"interrupted": True}
    result["members"]["ended"] = [0] * 4
    text = read(result).text
    assert "Training was interrupted." in text
    assert "Training ran to its end" not in text
    assert "not ended" in text


def test_interruption_before_the_first_epoch() -> None:
    result = a_result()
    result |= {"interrupted": True, "curves": {"train_loss": [], "validation_loss": []}}
    assert "Training was interrupted." in read(result).text


@pytest.mark.parametrize("nothing", [None, NAN, math.inf])
def test_what_is_not_known_is_a_dash(nothing: float | None) -> None:
    result = a_result()
    result["metrics"]["test"] |= {"auc": nothing, "accuracy": nothing}
    result["gap"] |= {"estimate": nothing, "low": nothing, "high": nothing}
    result["curves"]["validation_loss"][-1] = [nothing] * 4
    found = read(result)
    assert "– is the accuracy on 359 test rows" in found.text
    assert "is not known" in found.text
    assert not re.search(r"\b(nan|inf|None)\b", found.text)
    json.loads(found.scripts[0], parse_constant=pytest.fail)


def test_long_trainings_are_thinned_in_the_table() -> None:
    found = read(a_result(2, n_epochs=1000))
    assert len(found.all("tr")) < 260
    assert "of 1000 epochs are listed" in found.text


def test_result_and_its_json_make_one_page(tmp_path: Path) -> None:
    result = a_result(1)
    result["curves"]["train_loss"][-1] = [NAN]
    write_json(tmp_path / "result.json", result)
    write_text(tmp_path / "recipe.toml", RECIPE)
    where = page.write(tmp_path)
    assert where == tmp_path / "report.html"
    assert where.read_text(encoding="utf-8") == page.render(result, RECIPE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["recipe.toml", "report.html", "result.json"]


def an_evil_result() -> dict[str, Any]:
    result = a_result()
    result["data"] |= {
        "name": EVIL,
        "target": EVIL,
        "fingerprint": EVIL,
        "classes": [EVIL, "</script>", "\" onload='x"],
    }
    result["notes"] = [EVIL, "{{ 7 * 7 }}", "\u2028<!--"]
    result["versions"]["torch"] = EVIL
    result["recipe_digest"] = EVIL
    result["members"]["failed"] = [{"member": 0, "step": 1, "where": EVIL}]
    return result


def test_what_users_give_shows_literally() -> None:
    found = read(an_evil_result(), RECIPE + f"# {EVIL}</pre>")
    assert len(found.scripts) == 3
    assert not any("alert(1)" in script for script in found.scripts)
    assert found.text.count(EVIL) >= 9
    assert "{{ 7 * 7 }}" in found.text
    assert not [e for _, e in found.elements if "onload" in e]
    assert found.text.count(f"# {EVIL}</pre>") == 1


def test_unknown_schema_is_refused() -> None:
    with pytest.raises(BadInput, match=r"schema of a result must be 1\. Got 2"):
        page.render(a_result() | {"schema": 2}, RECIPE)


def test_a_recipe_that_is_no_toml_is_refused() -> None:
    with pytest.raises(BadInput, match=r"recipe\.toml must be TOML"):
        page.render(a_result(), "net =")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"result\.json must be a file that can be read"):
        page.write(tmp_path)
    write_json(tmp_path / "result.json", [])
    with pytest.raises(BadInput, match=r"recipe\.toml must be"):
        page.write(tmp_path)
    write_text(tmp_path / "recipe.toml", RECIPE)
    with pytest.raises(BadInput, match=r"result\.json must hold a result"):
        page.write(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="looking at the page needs playwright")
    if CHROMIUM is None:
        pytest.skip("looking at the page needs Chromium")
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=[f"--{switch}" for switch in SWITCHES])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1100])
@pytest.mark.parametrize("task", METRICS)
def test_page_in_a_browser(browser: Any, tmp_path: Path, task: str, width: int, scheme: str) -> None:
    result = an_evil_result() if task == "classification" else a_result(16, task=task)
    where = tmp_path / "report.html"
    write_text(where, page.render(result, RECIPE))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    tab, told, asked = context.new_page(), [], []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("dialog", lambda dialog: told.append(dialog.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(where.as_uri())
    tab.wait_for_selector("#score-chart svg")
    tab.wait_for_selector("#loss-chart svg")
    for chart in ("#loss-chart", "#score-chart"):
        shown = tab.evaluate(
            """selector => [...document.querySelectorAll(selector + " svg [class*=mark-] path")].filter(
                 path => path.getBoundingClientRect().width + path.getBoundingClientRect().height > 2).length""",
            chart,
        )
        assert shown > 5
        assert 200 < tab.locator(f"{chart} svg").bounding_box()["width"] <= width
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] > 128")
    assert light == (scheme == "light")
    inks = tab.evaluate("getComputedStyle(document.querySelector('.chart .role-legend-label text')).fill")
    assert (int(re.findall(r"\d+", inks)[0]) < 128) == (scheme == "light")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    assert told == []
    assert asked == [where.as_uri()]
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1100, "light")])
def test_page_of_a_search_in_a_browser(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    where = tmp_path / "report.html"
    write_text(where, page.render(an_evil_result() | {"search": a_search(), "policy": a_policy()}, RECIPE))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    tab, told, asked = context.new_page(), [], []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("dialog", lambda dialog: told.append(dialog.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(where.as_uri())
    tab.wait_for_function("document.querySelectorAll('.chart svg').length === 6")
    points = tab.evaluate("document.querySelectorAll('#part-1-chart svg .mark-symbol path').length")
    lines = tab.evaluate("document.querySelectorAll('#part-2-chart svg .mark-line path').length")
    assert points >= 64
    assert lines >= 63
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert told == []
    assert asked == [where.as_uri()]
    context.close()


def test_recipe_is_copied(browser: Any, tmp_path: Path) -> None:
    where = tmp_path / "report.html"
    write_text(where, page.render(a_result(), RECIPE))
    context = browser.new_context(offline=True, permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    tab.goto(where.as_uri())
    tab.get_by_role("button", name="Copy the recipe").click()
    tab.wait_for_function("document.getElementById('said').textContent !== ''")
    assert tab.evaluate("navigator.clipboard.readText()").strip() == RECIPE.strip()
    context.close()
