"""`fit` as a stranger uses it: what it prints, what it leaves behind, and how it refuses."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.cli.helpers import Outcome

from wellposed.search_space import read_dimensions
from wellposed.study.store import Store

MADE = ["model", "recipe.toml", "report.html", "result.json", "study.lock"]


def fit(run, data: str = "iris", *more: object) -> Outcome:
    return run("fit", data, "--recipe", "small.toml", "--members", 2, *more)


def search(run, *more: object, data: str = "iris", trials: int = 4) -> Outcome:
    return run("fit", data, "--recipe", "short.toml", "--trials", trials, "--members", 3, "--out", "run", *more)


def result_of(folder: str) -> dict:
    return json.loads(Path(folder, "result.json").read_text())


def test_fit_writes_the_result_folder_and_says_so(run, tmp_path: Path) -> None:
    done = fit(run)
    assert done.code == 0 and "report.html" in done.out and "generalization gap" in done.out
    folder = tmp_path / "wellposed-iris"
    assert sorted(p.name for p in folder.iterdir()) == MADE
    result = json.loads((folder / "result.json").read_text())
    assert result["schema"] == 1 and result["metrics"]["test"]["accuracy"] >= 0.8
    assert not list(folder.rglob("*.pkl")) and not list(folder.rglob(".tmp*"))
    assert fit(run).code == 0 and (tmp_path / "wellposed-iris-2").is_dir()


def test_json_and_quiet(run) -> None:
    done = fit(run, "iris", "--json", "--quiet")
    assert json.loads(done.out)["data"]["name"] == "iris" and done.err == ""
    assert fit(run, "iris", "--quiet").out == ""


def test_a_search_leaves_its_study_and_says_what_it_did(run) -> None:
    done = search(run)
    assert done.code == 0 and "4 trials (1 complete, 3 pruned)" in done.out and "on new rows expect" in done.out
    assert sorted(p.name for p in Path("run").iterdir()) == sorted([*MADE, "study.db"])
    assert not list(Path("run").rglob(".tmp*")) and Path("run/study.lock").read_text() == ""
    result = result_of("run")
    found = result["search"]
    assert result["given"] == {"data": "iris", "recipe": "short.toml"} and result["trials"] == len(found["trials"]) == 4
    assert sum(chosen["networks"] for chosen in found["chosen"]) == result["members"]["count"] == 3
    assert found["refit"] == "all" and found["optimism"]["n_trials"] == 1 and not result["interrupted"]
    with Store.open("run/study.db", readonly=True) as store:
        trials, dimensions = store.trials(), read_dimensions(store.spec["space"])
    assert [t.score for t in trials] == [t["score"] for t in found["trials"]]
    assert "Dropout.rate" in {d.name for d in dimensions}
    assert "wellposed fit iris --recipe short.toml --trials 4 " in Path("run/report.html").read_text()
    assert run("fit", "iris", "--resume", "--out", "run").refused("That run is finished.")


def test_a_search_is_the_same_again(run) -> None:
    for out in ("run", "again"):
        assert search(run, "--quiet", "--out", out).code == 0
    one, other = result_of("run"), result_of("again")
    assert one["metrics"] == other["metrics"] and one["members"] == other["members"]
    assert one["curves"] == other["curves"] and one["search"]["chosen"] == other["search"]["chosen"]


def test_numbers_are_searched_by_their_error_without_halving(run) -> None:
    words = ["--metric", "error", "--halving", "none", "--sampler", "sobol", "--refit", "train", "--quiet"]
    done = search(run, *words, data="diabetes")
    found = result_of("run")["search"]
    assert done.code == 0 and done.out == "" and found["refit"] == "train" and found["halving"] == "none"
    assert all(t["state"] == "complete" and math.isclose(t["score"], t["metric"]) for t in found["trials"])


@pytest.mark.parametrize("more", [["--recipe", "short.toml"], ["--recipe", "short.toml", "--trials", 0]])
def test_a_recipe_is_trained_as_it_is_unless_trials_are_asked_for(run, more: list[object]) -> None:
    assert run("fit", "iris", *more, "--members", 2, "--out", "run").code == 0
    result = result_of("run")
    assert "search" not in result and result["trials"] == 1 and not Path("run/study.db").exists()
    assert Path("run/recipe.toml").read_text().startswith("epochs = 9\n")


def test_without_trials_the_preset_is_trained(run) -> None:
    assert run("fit", "iris", "--trials", 0, "--members", 1, "--out", "run", "--quiet").code == 0
    assert "search" not in result_of("run")


def test_a_budget_ends_everything_in_time(run) -> None:
    began = time.monotonic()
    done = run("fit", "iris", "--budget", "5s", "--members", 2, "--out", "run")
    assert done.code == 0 and time.monotonic() - began < 30  # five, the page, and a machine that is busy
    result = result_of("run")
    assert result["seconds"] < 20 and len(result["search"]["trials"]) >= 8
    assert result["metrics"]["test"]["accuracy"] > 0.5 and Path("run/report.html").is_file()
    assert not Path("run/training").exists() and "/100000" not in done.err


def test_a_budget_that_is_too_short_says_so_and_leaves_nothing(run) -> None:
    done = run("fit", "iris", "--budget", "0.001s", "--out", "run", "--quiet")
    assert done.refused("Narrow the space, or give it time.") and not Path("run").exists()


BAD = {
    "no such data": (["nosuch"], "DATA must be"),
    "nearest name": (["digit"], "Did you mean 'digits'?"),
    "no such target": (["iris", "--target", "targe"], "Did you mean 'target'?"),
    "unknown task": (["iris", "--task", "clasification"], "Did you mean 'classification'?"),
    "no members": (["iris", "--members", "0"], "--members must be at least 1. Got 0."),
    "share above one": (["iris", "--test", "1.5"], "--test must be a share between 0 and 1"),
    "no such test file": (["iris", "--test", "none.csv"], "none.csv"),
    "limit": (["iris", "--limit", "0"], "--limit must be at least 1. Got 0."),
    "unknown recipe": (["iris", "--recipe", "sond"], "Did you mean 'sound'?"),
    "absent recipe": (["iris", "--recipe", "none.toml"], "The recipe file must be readable"),
    "bad recipe": (["iris", "--recipe", "bad.toml"], "bad.toml, line 2: Dropout.rate must be in [0, 0.99]. Got 1.5."),
    "unknown device": (["iris", "--device", "cpux"], "Did you mean 'cpu'?"),
    "used folder": (["iris", "--out", "used"], "--out must be a new or empty folder"),
    "a file as folder": (["iris", "--out", "bad.toml"], "That is a file"),
    "empty file": (["empty.csv"], "empty.csv"),
    "infinity": (["inf.csv"], "--inf missing"),
    "nothing to resume": (["iris", "--resume", "--out", "new"], "--resume must name the folder of an unfinished run"),
    "nothing to resume by name": (["iris", "--resume"], "Got 'wellposed-iris'. There is none: begin without --resume."),
    "no run to resume": (["iris", "--resume", "--out", "used"], "It holds 'mine.txt' and no run."),
    "a file to resume": (["iris", "--resume", "--out", "bad.toml"], "must be a folder that can be read"),
    "unknown sampler": (["iris", "--sampler", "sobl"], "--sampler must be one of grid, random"),
    "unknown halving": (["iris", "--halving", "hyperbnd"], "Did you mean 'hyperband'?"),
    "unknown metric": (["iris", "--metric", "eror"], "Did you mean 'error'?"),
    "unknown refit": (["iris", "--refit", "al"], "Did you mean 'all'?"),
    "unknown augmentation": (["iris", "--augment", "aut"], "Did you mean 'auto'?"),
    "unknown engine": (["iris", "--engine", "rai:host"], "Did you mean 'ray'?"),
    "no time": (["iris", "--budget", "soon"], "--budget must be a time such as 90s, 10m or 2h. Got 'soon'."),
    "trials below none": (["iris", "--trials", "-1"], "--trials must be at least 0. Got -1."),
    "augmentation without a search": (["iris", "--trials", "0", "--augment", "auto"], "Give --trials 64."),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(run, tmp_path: Path, case: str) -> None:
    Path("bad.toml").write_text("[[technique]]\nrate = 1.5\nkind = 'Dropout'\n")
    Path("empty.csv").write_text("")
    Path("inf.csv").write_text("a,b\n" + "".join(f"{i},{i % 2}\n" for i in range(20)) + "inf,1\n")
    Path("used").mkdir()
    Path("used/mine.txt").write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    arguments, words = BAD[case]
    done = run("fit", *arguments)
    assert done.refused(words), done.err
    assert sorted(tmp_path.rglob("*")) == before


LATE = {
    "for images": ('[[technique]]\nkind = "Flip"', "Flip must act on images"),
    "for classes": ('[[technique]]\nkind = "LabelSmoothing"', "The task of LabelSmoothing must be classification"),
    "all failed": (
        '[optimizer]\nkind = "SGD"\nlearning_rate = 1e9',
        "Training must give finite numbers in at least one member. Got 'none: member 0 failed at step ",
    ),
}


@pytest.mark.parametrize("case", LATE)
def test_what_training_refuses_leaves_no_folder_either(run, tmp_path: Path, case: str) -> None:
    recipe, words = LATE[case]
    Path("late.toml").write_text(f"epochs = 30\n{recipe}\n")
    before = sorted(tmp_path.rglob("*"))
    done = run("fit", "diabetes", "--recipe", "late.toml", "--members", 2, "--out", "deep", "--quiet")
    assert done.code == 2 and words in done.err and len(done.err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
    Path("mine").mkdir()
    assert run("fit", "diabetes", "--recipe", "late.toml", "--members", 2, "--out", "mine").code == 2
    assert Path("mine").is_dir() and not list(Path("mine").iterdir())  # what was there before stays


SNAPSHOTS = """
epochs = 8
[net]
kind = "MLP"
widths = [16]
[schedule]
kind = "CosineRestarts"
cycles = 2
[[technique]]
kind = "Standardize"
[[technique]]
kind = "Bootstrap"
[[technique]]
kind = "Dropout"
[[technique]]
kind = "SnapshotEnsemble"
count = 2
[[technique]]
kind = "MonteCarloDropout"
passes = 3
[[technique]]
kind = "TemperatureScaling"
[[technique]]
kind = "GreedySelection"
[[ramp]]
strength = "Dropout.rate"
schedule = {kind = "Cosine"}
"""


def test_snapshots_and_passes_from_fit_to_predict(run, tmp_path: Path) -> None:
    Path("many.toml").write_text(SNAPSHOTS)
    done = run("fit", "iris", "--recipe", "many.toml", "--members", 2, "--out", "many")
    assert done.code == 0 and "One network's Brier score" in done.out and "Out of the bag" in done.out
    told = "2, of which 2 answer, each with up to 2 snapshots, asked 3 times with dropout on"
    assert told in done.out and told in (tmp_path / "many" / "report.html").read_text()
    answers = run("predict", "many", "iris", "--proba")
    assert answers.code == 0 and answers.out == run("predict", "many", "iris", "--proba").out
    assert len(answers.out.splitlines()) == 151
    assert run("report", "many").code == 0


def test_infinities_as_missing(run) -> None:
    Path("inf.csv").write_text("a,b\n" + "".join(f"{i},{i % 2}\n" for i in range(30)) + "inf,1\n")
    assert fit(run, "inf.csv", "--inf", "missing", "--target", "b").code == 0


def test_hostile_names_are_shown_literally(run, tmp_path: Path) -> None:
    names = ["[/b]", "<script>alert(1)</script>", "=cmd()", 'quo"te', "emoji 🦊", "x" * 3000, "../up"]
    frame = pd.DataFrame({name: np.random.default_rng(i).standard_normal(40) for i, name in enumerate(names)})
    frame["[red]</script><b>"] = np.where(frame["[/b]"] > 0, "[bold]yes", "no</script>")
    frame.to_csv("hostile.csv", index=False)
    done = fit(run, "hostile.csv")
    assert done.code == 0 and "[red]</script><b>" in done.out
    page = (tmp_path / "wellposed-hostile" / "report.html").read_text()
    assert "<script>alert(1)" not in page and "</script><b>" not in page
