"""`predict`, `report` and `export`: row by row, in every form of data, and what they refuse."""

import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from tests.cli.helpers import Outcome

from wellposed.bag import Bag
from wellposed.committee import Committee
from wellposed.inputs.dataset import Part
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.techniques import Standardize


def fit(run, data: str = "iris", *more: object) -> Outcome:
    return run("fit", data, "--recipe", "small.toml", "--members", 2, *more)


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
    assert "wellposed fit said.tsv --text said --recipe recipe.toml --members 2 --seed 0" in page
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


def test_report_is_built_again_from_stored_values(run, tmp_path: Path) -> None:
    fit(run)
    page = tmp_path / "wellposed-iris" / "report.html"
    first = page.read_text()
    page.unlink()
    assert run("report", "wellposed-iris").code == 0
    assert page.read_text() == first
    assert run("report", "nowhere").code == 2


def test_several_bags_answer_together(run) -> None:
    """Each network has one voice: the mean of two answers and one is what is printed."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=40), "b": draw.normal(size=40)})
    part, bags = Part(frame, np.where(frame["a"] > 0, "yes", "no")), []
    for width, members in ((4, 2), (8, 1)):
        recipe = Recipe(net=MLP(widths=(width,)), epochs=3, techniques=(Standardize(),))
        bag, rows = Bag.prepare(part, task="classification", recipe=recipe, members=members, seed=width)
        for _ in bag.train(rows, None):
            pass
        bags.append(bag)
    Committee(tuple(bags)).save(Path("run/model"))
    frame.to_csv("rows.csv", index=False)
    for folder in ("run", "run/model"):
        assert run("predict", folder, "rows.csv", "--proba", "--out", "answers.csv").code == 0
        told = pd.read_csv("answers.csv")
        meant = (2 * bags[0].answer(frame) + bags[1].answer(frame)) / 3
        np.testing.assert_allclose(told[["p(no)", "p(yes)"]], meant, rtol=1e-6)
        assert told["prediction"].tolist() == np.where(meant[:, 1] > 0.5, "yes", "no").tolist()
    Path("run/model/1/manifest.json").unlink()
    assert run("predict", "run", "rows.csv").refused("must hold a model. Got no manifest.json in it.")


def test_a_search_is_exported_to_optuna(run, tmp_path: Path) -> None:
    words = ("--recipe", "short.toml", "--trials", 4, "--members", 1, "--quiet", "--out", "found")
    assert run("fit", "iris", *words).code == 0
    done = run("export", "found", "--optuna", "sqlite:///optuna.db")
    assert done.code == 0 and done.out == "4 trials, as the study 'found' in sqlite:///optuna.db\n"
    told = pd.DataFrame(json.loads((tmp_path / "found" / "result.json").read_text())["search"]["trials"])
    study = optuna.load_study(study_name="found", storage="sqlite:///optuna.db")
    best = told[told["state"] == "complete"].sort_values("score").iloc[0]
    assert len(study.trials) == 4 and study.best_value == best["score"]
    assert study.best_params == best["values"]
    assert run("export", "found", "--optuna", "sqlite:///optuna.db").refused("found")
    assert run("export", "found", "--optuna", "sqlite:///optuna.db", "--name", "other").code == 0
    assert run("export", "found", "--optuna", "nosuch:///x").refused("The Optuna database must be a URL")
    assert run("export", "nowhere", "--optuna", "sqlite:///x.db").refused("name the folder of a study")
    assert not Path("x.db").exists() and not Path("nowhere").exists()
