"""`fit --augment auto`: a policy is searched for each kind of data, found again, and one option of the space."""

import json
import math
import time
from pathlib import Path

import pytest
from rich.console import Console

from wellposed.cli.augment import base_of, find_policy, read_page, read_policy, with_policy
from wellposed.errors import BadInput
from wellposed.inputs.load import load
from wellposed.nets.mlp import MLP
from wellposed.recipe import Recipe
from wellposed.search_space import space
from wellposed.techniques import Dropout, InputNoise, LabelSmoothing, Mixup, Policy, Standardize

QUICK = Recipe(net=MLP(widths=(4,)), epochs=2, batch_size=48, techniques=(Standardize(), Dropout()))
POLICY = Policy(policy=((("InputNoise", 0.5, 0.3), ("Identity", 0.0, 0.0)),))
TEXT = """
epochs = 3
batch_size = 16
[net]
kind = "BagOfWords"
embedding = 4
widths = [4]
[[technique]]
kind = "Dropout"
"""


def found(folder: Path, *, seed: int = 0, ends: float = math.inf, signals: list[int] | None = None) -> Policy | None:
    return find_policy(
        load("iris"), space(QUICK), trials=2, seed=seed, test_share=0.2, ends=ends, device="cpu", folder=folder,
        console=Console(quiet=True), signals=signals or [],
    )  # fmt: skip


def test_a_table_gets_a_policy_and_the_page_tells_of_it(run) -> None:
    words = ("--recipe", "short.toml", "--trials", 4, "--members", 2, "--augment", "auto", "--out", "run")
    done = run("fit", "iris", *words)
    assert done.code == 0 and "augmentation policy: " in done.err
    result = json.loads(Path("run/result.json").read_text())
    dimensions = {d["name"]: d for d in result["search"]["dimensions"]}
    assert dimensions["policy"]["options"] == ["none", "found"] and "Dropout.rate" in dimensions
    assert result["policy"]["strategy"] == "reinforce" and result["given"]["augment"] == "auto"
    assert "augmentation" in Path("run/report.html").read_text().lower()


def test_texts_get_a_policy_too(run) -> None:
    Path("text.toml").write_text(TEXT)
    rows = "".join(f"{'yn'[i % 2]}\tit is {['fine', 'bad'][i % 2]} and so on {i}\n" for i in range(60))
    Path("said.tsv").write_text("label\tsaid\n" + rows)
    words = ("--recipe", "text.toml", "--trials", 2, "--members", 1, "--augment", "auto", "--out", "run", "--quiet")
    done = run("fit", "said.tsv", "--text", "said", *words)
    assert done.code == 0 and json.loads(Path("run/policy.json").read_text())["policy"]


def test_what_was_found_is_found_again_and_no_other(tmp_path: Path) -> None:
    policy = found(tmp_path)
    assert policy is not None and len(policy.policy) == 3 and read_page(tmp_path)["policy"]["strategy"] == "reinforce"
    written = (tmp_path / "policy.json").read_bytes()
    assert found(tmp_path, ends=0.0) == policy  # without any work
    with pytest.raises(BadInput, match=r"^The seed of .*policy\.json must stay 0\. Got 1\. Resume with the former"):
        found(tmp_path, seed=1)
    with pytest.raises(BadInput, match=r"^The data of .*policy\.json must stay "):
        read_policy(tmp_path, of={"data": "others"})
    assert (tmp_path / "policy.json").read_bytes() == written
    for damaged in ("[]", "{}", "{"):
        (tmp_path / "policy.json").write_text(damaged)
        with pytest.raises(BadInput, match=r"policy\.json must be (a policy that was found|JSON)"):
            found(tmp_path)


def test_where_time_is_short_there_is_none(tmp_path: Path) -> None:
    assert found(tmp_path, ends=time.monotonic() - 1) is None
    assert not list(tmp_path.iterdir()) and read_page(tmp_path) == {}


def test_a_policy_is_tried_without_other_changes_of_batches() -> None:
    recipe = Recipe(epochs=2, techniques=(Standardize(), Mixup(), InputNoise(), LabelSmoothing(), Dropout()))
    assert [type(t).__name__ for t in base_of((recipe,)).techniques] == ["Standardize", "LabelSmoothing", "Dropout"]
    assert base_of(space(recipe)).techniques == base_of((recipe,)).techniques


def test_the_space_leaves_it_out_or_takes_it() -> None:
    known = space(QUICK)
    wider = with_policy(known, POLICY)
    assert with_policy(known, None) is known and with_policy((QUICK,), POLICY) == (QUICK,)
    values = {d.name: (d.low + d.high) / 2 for d in known.dimensions}
    taken = wider.recipe({**values, "policy": "found"})
    assert POLICY in taken.techniques and POLICY not in wider.recipe({**values, "policy": "none"}).techniques
