"""The command line as a stranger uses it: what it prints, what it leaves behind, and how it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wellposed import cli

RECIPE = """
epochs = 60
batch_size = 16

[net]
kind = "MLP"
widths = [16]

[[technique]]
kind = "Standardize"

[[technique]]
kind = "BatchNorm"

[[technique]]
kind = "Patience"
epochs = 15
"""


class Outcome:
    """What one command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(RECIPE)

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["wellposed", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        captured = capfd.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return command


def fit(run, data: str = "iris", *more: object) -> Outcome:
    return run("fit", data, "--recipe", "small.toml", "--members", 2, *more)


def test_fit_writes_the_result_folder_and_says_so(run, tmp_path: Path) -> None:
    done = fit(run)
    assert done.code == 0 and "report.html" in done.out and "generalization gap" in done.out
    folder = tmp_path / "wellposed-iris"
    assert sorted(p.name for p in folder.iterdir()) == ["model", "recipe.toml", "report.html", "result.json"]
    result = json.loads((folder / "result.json").read_text())
    assert result["schema"] == 1 and result["metrics"]["test"]["accuracy"] >= 0.8
    assert not list(folder.rglob("*.pkl")) and not list(folder.rglob(".tmp*"))
    assert fit(run).code == 0 and (tmp_path / "wellposed-iris-2").is_dir()


def test_json_and_quiet(run) -> None:
    done = fit(run, "iris", "--json", "--quiet")
    assert json.loads(done.out)["data"]["name"] == "iris" and done.err == ""
    assert fit(run, "iris", "--quiet").out == ""


def test_predict_answers_row_by_row(run, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a b": np.arange(60.0), "c,d": ["x", "y"] * 30, "label": ["lo"] * 30 + ["hi"] * 30})
    frame.to_csv("rows.csv", index=False)
    assert fit(run, "rows.csv", "--out", "run").code == 0
    frame[["c,d", "a b"]].iloc[:1].to_csv("one.csv", index=False)
    done = run("predict", "run", "one.csv", "--proba")
    lines = done.out.splitlines()
    assert done.code == 0 and lines[0] == "prediction,p(hi),p(lo)" and lines[1].startswith("lo,") and len(lines) == 2
    assert run("predict", "run", "rows.csv", "--out", "answers.csv").code == 0
    assert (pd.read_csv("answers.csv")["prediction"] == frame["label"]).mean() > 0.9
    refused = run("predict", "run", "iris")
    assert refused.code == 2 and "a b" in refused.err


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
    "nothing to resume": (["iris", "--resume", "--out", "used"], "--out must be a new or empty folder"),
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
    assert done.code == 2 and words in done.err and done.out == ""
    assert "Traceback" not in done.err and len(done.err.strip().splitlines()) == 1
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


def test_techniques_are_listed_by_place_and_advice_is_given(run) -> None:
    listed = run("recipe", "techniques").out
    assert listed.startswith("data:") and "\nprediction:" in listed and "  SnapshotEnsemble" in listed
    Path("odd.toml").write_text('batch_size = 4\n[[technique]]\nkind = "BatchNorm"\n[[technique]]\nkind = "Flip"\n')
    alone = run("recipe", "check", "odd.toml")
    assert alone.code == 0 and "Batch norm sees 4 rows at once" in alone.out
    refused = run("recipe", "check", "odd.toml", "iris", "--target", "target")
    assert refused.code == 2 and refused.out == "" and "Flip must act on images" in refused.err
    Path("even.toml").write_text('batch_size = 4\n[[technique]]\nkind = "BatchNorm"\n')
    advised = run("recipe", "check", "even.toml", "iris")
    assert advised.code == 0 and "Batch norm sees 4 rows at once" in advised.out
    assert run("recipe", "check", "odd.toml", "nosuch").code == 2


def test_a_flag_that_does_not_exist_is_two_as_well(run) -> None:
    assert run("fit", "iris", "--member", "3").code == 2


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


def test_recipes_are_listed_shown_and_checked(run) -> None:
    assert all(name in run("recipe", "list").out for name in ("plain", "sound", "book"))
    shown = run("recipe", "show", "sound")
    Path("mine.toml").write_text(shown.out)
    assert run("recipe", "check", "mine.toml").code == 0
    Path("mine.toml").write_text(shown.out.replace("amount", "amuont"))
    refused = run("recipe", "check", "mine.toml")
    assert refused.code == 2 and "Did you mean 'amount'?" in refused.err and "line" in refused.err


def test_report_is_built_again_from_stored_values(run, tmp_path: Path) -> None:
    fit(run)
    page = tmp_path / "wellposed-iris" / "report.html"
    first = page.read_text()
    page.unlink()
    assert run("report", "wellposed-iris").code == 0
    assert page.read_text() == first
    assert run("report", "nowhere").code == 2


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    (folder / "long.toml").write_text(
        RECIPE.replace("epochs = 60", "epochs = 100000").replace("epochs = 15", "epochs = 99999")
    )
    command = [
        sys.executable,
        "-m",
        "wellposed",
        "fit",
        "digits",
        "--recipe",
        "long.toml",
        "--members",
        "2",
        *arguments,
    ]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_training(process: subprocess.Popen[str]) -> None:
    """Until the first line of progress."""
    stderr = process.stderr
    if stderr is None or "epoch" not in stderr.readline():
        process.kill()
        pytest.fail("training did not begin")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_cleanly_and_resumes(tmp_path: Path, number: int, code: int) -> None:
    process = start(tmp_path, "--out", "run")
    wait_until_training(process)
    time.sleep(1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["interrupted"] and result["metrics"]["test"]["accuracy"] > 0.5
    assert (tmp_path / "run" / "report.html").is_file()
    process = start(tmp_path, "--out", "run", "--resume")
    wait_until_training(process)
    time.sleep(2)
    process.send_signal(number)
    process.communicate(timeout=60)
    again = json.loads((tmp_path / "run" / "result.json").read_text())
    assert len(again["curves"]["train_loss"]) > len(result["curves"]["train_loss"])
    assert again["curves"]["train_loss"][0] == result["curves"]["train_loss"][0]


def test_help_is_quick_and_needs_no_torch() -> None:
    code = "import sys, wellposed.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == 0


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m wellposed recipe list | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in done.stderr


SMALL_TEXT = """
epochs = 30
batch_size = 16

[optimizer]
kind = "Adam"
learning_rate = 0.02

[net]
kind = "BagOfWords"
embedding = 8
widths = []
"""
SMALL_SEQUENCE = SMALL_TEXT.replace("BagOfWords", "Recurrent").replace("embedding", "states").replace("= 8", "= [8]")


def test_texts_from_fit_to_predict(run, tmp_path: Path) -> None:
    Path("text.toml").write_text(SMALL_TEXT)
    Path("said.tsv").write_text(
        "label\tsaid\n" + "".join(f"{'yn'[i % 2]}\tit is {['fine', 'bad'][i % 2]}, NA {i}\n" for i in range(60))
    )
    done = run("fit", "said.tsv", "--text", "said", "--recipe", "text.toml", "--members", 2)
    assert done.code == 0 and "texts: 38 train" in done.out
    page = (tmp_path / "wellposed-said" / "report.html").read_text()
    assert "wellposed fit said.tsv --text said --target label" in page
    Path("new.csv").write_text('said,other\n"FINE!",1\nbad,2\n,3\n')
    asked = run("predict", "wellposed-said", "new.csv", "--proba")
    assert asked.code == 0 and asked.out.splitlines()[0] == "prediction,p(n),p(y)"
    assert [line.split(",")[0] for line in asked.out.splitlines()[1:3]] == ["y", "n"] and asked.out.count("\n") == 4
    refused = run("fit", "said.tsv", "--text", "sad")
    assert refused.code == 2 and "--text must name a column of said.tsv. Got 'sad'. Did you mean 'said'?" in refused.err


def test_sequences_from_fit_to_predict(run) -> None:
    Path("steps.toml").write_text(SMALL_SEQUENCE)
    rows = [f"s{i:02},{t},{(t if i % 2 else -t) + 0.01 * i},{'ud'[i % 2]}" for i in range(40) for t in range(3 + i % 4)]
    Path("rows.csv").write_text("who,when,a,y\n" + "\n".join(rows))
    done = run(
        "fit",
        "rows.csv",
        "--sequence",
        "who",
        "--step",
        "when",
        "--recipe",
        "steps.toml",
        "--members",
        2,
        "--out",
        "run",
    )
    assert done.code == 0 and "sequences: 26 train" in done.out
    Path("new.csv").write_text("when,who,a\n1,x,5\n0,x,\n" + "".join(f"{t},y,{-t}\n" for t in range(9)))
    asked = run("predict", "run", "new.csv")
    assert asked.code == 0 and [line.split(",")[0] for line in asked.out.splitlines()] == ["who", "x", "y"]
    assert "note: new.csv: filled 1 missing cell" in asked.err and "1 sequence is longer" in asked.err
    refused = run("predict", "run", "rows.csv", "--missing", "s00")
    assert refused.code == 2 and "row 1, column 'who': found a missing value" in refused.err


def test_pictures_from_fit_to_predict(run) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for label, value in (("dark", 20), ("light", 220)):
        Path("shots", label).mkdir(parents=True)
        for i in range(20):
            image.new("L", (9, 7), value + i).save(Path("shots", label, f"{i:02}.png"))
    done = fit(run, "shots", "--size", 5, "--out", "run")
    assert done.code == 0 and "images: 26 train" in done.out
    assert "Resized 40 of 40 pictures to 5 x 5" in done.out
    Path("new").mkdir()
    image.new("RGB", (30, 40), (250, 250, 250)).save("new/b.jpg")
    image.new("L", (5, 5), 5).save("new/a.png")
    asked = run("predict", "run", "new")
    assert asked.out.splitlines() == ["file,prediction", "a.png,dark", "b.jpg,light"]
    Path("new/c.png").write_bytes(b"x")
    refused = run("predict", "run", "new")
    assert refused.code == 2 and "Got 1 that cannot be read: c.png" in refused.err


@pytest.mark.parametrize("kind", ["text", "sequence"])
def test_recipes_are_shown_for_each_kind(run, kind: str) -> None:
    assert ("BagOfWords" if kind == "text" else "Recurrent") in run("recipe", "show", "sound", "--kind", kind).out
    assert "Did you mean 'text'" in run("recipe", "show", "sound", "--kind", "tex").err
