"""Options that several commands have: times, names, words, and what is remembered of them."""

from pathlib import Path

import pytest

from wellposed.cli.options import (
    as_given,
    check_word,
    choose_recipe,
    load_data,
    result_folder,
    seconds_of,
    stem_of,
)  # fmt: skip
from wellposed.cli.options import (
    test_option as share_or_file,
)
from wellposed.errors import BadInput
from wellposed.presets import PRESETS


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("1.5h", 5400), ("20", 20), ("1e2", 100), (".5s", 0.5)],
)
def test_times_are_seconds_minutes_or_hours(given: str, seconds: float) -> None:
    assert seconds_of(given) == seconds


@pytest.mark.parametrize("given", ["", "s", "m", "10 minutes", "10d", "-5s", "0", "0s", "nan", "inf", "infs", "1_0x"])
def test_what_is_no_time_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match=r"^--budget must be a time such as 90s, 10m or 2h\. Got "):
        seconds_of(given)


@pytest.mark.parametrize(
    ("data", "stem"),
    [
        ("digits", "digits"),
        ("some/rows.csv.gz", "rows"),
        ("shots/", "shots"),
        ("../a b[/b].csv", "b-"),
        ("größe 🦊.csv", "größe--"),
        ("/", "data"),
        ("", "data"),
        ("x" * 500, "x" * 60),
    ],
)
def test_a_result_folder_is_named_for_its_data_and_safe(data: str, stem: str) -> None:
    assert stem_of(data) == stem


def test_a_result_folder_is_the_first_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("wellposed-iris", "wellposed-iris-2", "wellposed-iris-3"):
        assert result_folder("iris") == Path(name)
        Path(name).mkdir()


def test_what_is_as_by_default_is_not_remembered() -> None:
    options = {"target": None, "task": "auto", "test": "0.2", "inf": "refuse", "missing": [], "limit": 0, "text": "a"}
    assert as_given("iris", options) == {"data": "iris", "limit": 0, "text": "a"}
    assert as_given("iris", {"test": "0.3", "missing": ["?"]}) == {"data": "iris", "test": "0.3", "missing": ["?"]}


def test_what_is_remembered_gives_the_same_data(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n" + "".join(f"{i},{i % 3},{'?' if i % 7 == 0 else i}\n" for i in range(40)) + "inf,1,1\n")
    given = as_given(str(path), {"target": "b", "missing": ["?"], "inf": "missing", "task": "classification"})
    one, other = load_data(given), load_data(dict(given))
    assert one.fingerprint == other.fingerprint and one.target == "b" and one.task == "classification"
    with pytest.raises(BadInput, match="--inf must be one of refuse, missing"):
        load_data({"data": str(path), "inf": "keep"})


def test_a_test_is_a_share_or_a_file() -> None:
    assert share_or_file("0.3") == (0.3, None)
    assert share_or_file("test.csv") == (0.2, "test.csv")


def test_a_recipe_is_a_preset_or_a_file(tmp_path: Path) -> None:
    assert choose_recipe("sound") is PRESETS["sound"]
    (tmp_path / "mine").write_text("epochs = 3\n")
    assert choose_recipe(str(tmp_path / "mine")).epochs == 3
    with pytest.raises(BadInput, match=r"^--recipe must be one of .*, or be a TOML file\. Got 'plan'\. Did you mean"):
        choose_recipe("plan")


def test_a_word_that_is_near_none_brings_all_to_mind() -> None:
    check_word("--refit", "all", ("train", "all"))
    with pytest.raises(BadInput, match=r"^--refit must be one of train, all\. Got 'xyz'\. Known: all, train\.$"):
        check_word("--refit", "xyz", ("train", "all"))
