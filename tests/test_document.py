import base64
import hashlib
import json
import math
import re
import shutil
import sys
import webbrowser
from collections.abc import Iterator
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed import charts
from wellposed.document import N_TABLE_ROWS, Section, compose, json_in_html, render, show
from wellposed.errors import BadInput
from wellposed.files import write_text

EVIL = "<script>alert(1)</script>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = ("no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-component-update")
N_CHARTS = 8


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


def bars() -> pd.DataFrame:
    return pd.DataFrame({"name": ["rate", EVIL], "share": [0.7, 0.2]})


def every_chart() -> list[Section]:
    """One section for each chart there is; a user's hostile name stands in each."""
    verdicts = ["better", "worse", "no difference shown"]
    pairs = pd.DataFrame(
        {"label": ["a", EVIL, "c"], "estimate": [1.0, -1, 0], "low": [0.5, -2, -1], "high": [2.0, -0.5, 1]}
    ).assign(verdict=verdicts)
    ranks = pd.DataFrame({"name": ["a", "b", "c", EVIL], "rank": [1.2, 2.0, 3.0, 3.8]})
    scores = pd.DataFrame({"trial": range(6), "score": [0.5, 0.4, math.nan, 0.6, 0.2, 0.3]})
    scores = scores.assign(best=[0.5, 0.4, 0.4, 0.4, 0.2, 0.2], state=["complete", "pruned", "failed"] * 2)
    values = pd.DataFrame(
        [
            {"trial": i, "score": 0.1 * i, "name": name, "value": value}
            for i in range(6)
            for name, value in ((EVIL, ("x", EVIL)[i % 2]), ("rate", 10.0 ** -(i + 1)), ("blocks", i + 1))
            if (i, name) != (2, "rate")
        ]
    )
    dimensions = pd.DataFrame(
        [
            {"name": EVIL, "kind": "choice", "low": 0.0, "high": 0.0, "log": False, "options": ["x", EVIL]},
            {"name": "rate", "kind": "real", "low": 1e-6, "high": 0.1, "log": True, "options": []},
            {"name": "blocks", "kind": "whole", "low": 1, "high": 6, "log": False, "options": []},
        ]
    )
    narrow = pd.DataFrame([{"name": EVIL, "low": 0.0, "high": 1.0, "new_low": 0.2, "new_high": 0.4, "best": 0.3}])
    gains = pd.DataFrame({"round": [1, 1, 2, 2], "reward": [0.1, 0.2, 0.4, 0.2], "kind": ["learned", EVIL] * 2})
    drawn = [
        (charts.forest(pairs), pairs),
        (charts.critical_difference(ranks, cliques=[("a", "b"), ("c", EVIL)], cd=1.5), ranks),
        (charts.best_so_far(scores), scores),
        (charts.parallel_coordinates(values, dimensions=dimensions), values),
        (charts.strength_scatter(values, dimensions=dimensions), values),
        (charts.importance_bars(bars()), bars()),
        (charts.ranges(narrow), narrow),
        (charts.rewards(gains), gains),
    ]
    return [
        Section(title=f"{i} {EVIL}", sentence=EVIL, chart=c, table=t, caption=EVIL) for i, (c, t) in enumerate(drawn)
    ]


def test_page_is_whole_and_named() -> None:
    found = Reader(render("Two recipes", "No difference is shown.", every_chart()))
    (html,) = found.all("html")
    assert html["lang"] == "en"
    assert found.text.startswith("Two recipes · wellposed Skip to the content")
    assert "No difference is shown." in found.text
    for landmark in ("header", "main", "footer", "h1", "title"):
        assert len(found.all(landmark)) == 1
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in found.elements:
        assert attributes.get("aria-labelledby") in (None, *ids)
    assert len(found.all("section")) == len(found.all("figure")) == len(found.all("details")) == N_CHARTS


def test_every_chart_has_a_text_and_a_table_behind_it() -> None:
    found = Reader(render("x", "y", every_chart()))
    labels = [e["aria-label"] for e in found.all("div") if e.get("role") == "img"]
    assert len(labels) == N_CHARTS
    assert all(label and label.endswith(".") for label in labels)
    assert len(found.all("table")) == N_CHARTS


def test_page_loads_nothing_and_runs_only_its_own() -> None:
    """The policy holds the hashes of the scripts that run and of the style, computed here once more."""
    text = render("x", "y", every_chart())
    found = Reader(text)
    assert not [e for e in found.all("script", "link", "img", "iframe", "object") if e.get("src") or e.get("href")]
    assert not [e for _, e in found.elements if "style" in e or any(name.startswith("on") for name in e)]
    (policy,) = [e["content"] for e in found.all("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for own in (*found.scripts[1:], style):
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert policy.count(f"'sha256-{digest}'") == 1
    assert policy.count("sha256-") == 3


def test_what_users_give_shows_literally() -> None:
    found = Reader(render(EVIL, f"{EVIL} {{{{ 7 * 7 }}}}", every_chart()))
    assert len(found.scripts) == 3
    assert not any(EVIL in script for script in found.scripts)
    assert found.text.count(EVIL) >= 3 * N_CHARTS
    assert "{{ 7 * 7 }}" in found.text


@settings(max_examples=20)  # each is a whole page
@given(st.text(st.characters(exclude_characters="\r", exclude_categories=("Cs", "Cc"))))
def test_any_text_comes_through_a_table_whole(text: str) -> None:
    html = render("x", "y", [Section(title="t", sentence="s", table=pd.DataFrame({text: [1], "b": [text]}))])
    head, body = (
        re.findall(r'<th scope="col" class="">(.*?)</th>', html)[0],
        re.findall(r"<td class=[^>]*>(.*?)</td>", html)[0],
    )
    assert unescape(head) == unescape(body) == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_json_cannot_end_the_script_it_stands_in(value: object) -> None:
    text = json_in_html(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


def test_cells_are_told_by_kind() -> None:
    table = pd.DataFrame(
        {
            "name": ["a", "b"],
            "n": [1234, 5],
            "x": [0.123456, math.nan],
            "yes": [True, False],
            "any": [pd.NA, np.float64(2)],
        }
    )
    found = Reader(render("x", "y", [Section(title="t", sentence="s", table=table)]))
    assert "a 1,234 0.1235 yes – b 5 – no 2.000" in found.text
    assert [e["value"] for e in found.all("data")] == ["0.123456", "2.0"]
    assert [e.get("class") for e in found.all("th")][:2] == ["words", ""]


def test_a_table_alone_is_open_and_long_ones_are_cut() -> None:
    table = pd.DataFrame({"row": range(1000)})
    found = Reader(render("x", "y", [Section(title="t", sentence="s", table=table)]))
    assert not found.all("details")
    assert len(found.all("tr")) == N_TABLE_ROWS + 1
    assert f"{N_TABLE_ROWS} of 1,000 rows are listed." in found.text


def test_a_section_may_be_words_alone() -> None:
    found = Reader(render("x", "y", [Section(title="t", sentence="s", notes=["one", "two"])]))
    assert not found.all("figure", "table")
    assert "t s one two" in found.text


def test_columns_of_one_name_keep_their_cells() -> None:
    table = pd.DataFrame([[1, "left", "right"]], columns=["a", "b", "b"])
    assert "1 left right" in Reader(render("x", "y", [Section(title="t", sentence="s", table=table)])).text


def test_a_template_of_its_own_has_labels_and_style() -> None:
    template = '{% extends "document.html" %}{% block opening %}<div id="c"></div>{{ labels["c"] }}{% endblock %}'
    html = compose(template, {"title": "x"}, charts={"c": charts.importance_bars(bars())}, style=".own { top: 0 }")
    found = Reader(html)
    assert "Importance: rate: 70" in found.text
    assert list(json.loads(found.scripts[0])) == ["c"]
    assert ".own { top: 0 }</style>" in html


def test_show_writes_a_file_and_opens_no_browser_without_a_screen(tmp_path: Path, monkeypatch: Any) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(closed=False, isatty=lambda: True))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    html = render("x", "y", [])
    assert show(html, path=tmp_path / "page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == html
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    where = show(html)
    assert where is not None
    assert where.read_text(encoding="utf-8") == html
    shutil.rmtree(where.parent)
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    show(html, path=tmp_path / "a page.html")
    assert opened == [(tmp_path / "a page.html").resolve().as_uri()]
    monkeypatch.setattr(sys, "stdout", None)
    show(html, path=tmp_path / "a page.html")
    assert len(opened) == 1


def test_show_refuses_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must be a place that can be written to"):
        show("x", path=tmp_path / "missing" / "page.html")


def in_a_notebook(monkeypatch: Any, *, kernel: object) -> list[dict[str, str]]:
    """What a notebook is asked to display, where IPython says that one runs."""
    shown: list[dict[str, str]] = []
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    monkeypatch.setattr(ipython, "get_ipython", lambda: SimpleNamespace(kernel=kernel), raising=False)
    monkeypatch.setattr(display, "display", lambda data, raw: shown.append(data), raising=False)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_show_in_a_notebook_is_a_frame(tmp_path: Path, monkeypatch: Any) -> None:
    shown, html = in_a_notebook(monkeypatch, kernel=object()), render(EVIL, "y", [])
    assert show(html) is None
    (frame,) = Reader(shown[0]["text/html"]).all("iframe")
    assert frame["srcdoc"] == html
    assert frame["sandbox"] == "allow-scripts"
    assert show(html, path=tmp_path / "page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").exists()
    assert len(shown) == 2


def test_ipython_in_a_terminal_is_no_notebook(tmp_path: Path, monkeypatch: Any) -> None:
    shown = in_a_notebook(monkeypatch, kernel=None)
    assert show("x", path=tmp_path / "page.html") == tmp_path / "page.html"
    assert shown == []


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


def listen(tab: Any) -> tuple[list[str], list[str]]:
    """What a page says on its console and in dialogs, and what it asks for."""
    told: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("dialog", lambda dialog: told.append(dialog.message))
    tab.on("request", lambda request: asked.append(request.url))
    return told, asked


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1100, "dark")])
def test_every_chart_in_a_browser(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    where = tmp_path / "page.html"
    write_text(where, render(EVIL, EVIL, every_chart()))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    tab = context.new_page()
    told, asked = listen(tab)
    tab.goto(where.as_uri())
    tab.wait_for_function(f"document.querySelectorAll('.chart svg').length === {N_CHARTS}")
    drawn = tab.evaluate(
        """[...document.querySelectorAll('.chart')].map(chart => {
             const marks = [...chart.querySelectorAll("svg [class*=mark-] :is(path, line, text)")];
             const boxes = marks.map(mark => mark.getBoundingClientRect());
             const seen = boxes.filter(box => box.width + box.height > 2).length;
             return [seen, chart.querySelector("svg").getBoundingClientRect().width];
           })"""
    )
    assert all(seen > 5 and 200 < size <= width for seen, size in drawn)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] > 128")
    assert light == (scheme == "light")
    ink = tab.evaluate("getComputedStyle(document.querySelector('.chart .role-legend-label text')).fill")
    assert (int(re.findall(r"\d+", ink)[0]) < 128) == light
    names = tab.evaluate("[...document.querySelectorAll('.chart svg text')].map(text => text.textContent)")
    assert EVIL in names
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "content"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert told == []
    assert asked == [where.as_uri()]
    context.close()


def test_page_lives_in_the_frame_of_a_notebook(browser: Any, tmp_path: Path) -> None:
    """A sandboxed frame without an origin of its own: the charts are drawn, and the skip link stays within."""
    page = render("x", "y", [Section(title="t", sentence="s", chart=charts.importance_bars(bars()), table=bars())])
    where = tmp_path / "notebook.html"
    write_text(where, f'<!doctype html><iframe sandbox="allow-scripts" srcdoc="{escape(page)}" width=800></iframe>')
    context = browser.new_context(offline=True)
    tab = context.new_page()
    told, asked = listen(tab)
    tab.goto(where.as_uri())
    frame = tab.frame_locator("iframe")
    frame.locator(".chart svg").wait_for()
    frame.locator(".skip").focus()
    tab.keyboard.press("Enter")
    assert frame.locator("main:focus h2").text_content() == "t"
    assert told == []
    assert asked == [where.as_uri(), "about:srcdoc"][: len(asked)]
    context.close()
