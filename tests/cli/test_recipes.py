"""`recipe`: what it lists, shows and checks."""

from pathlib import Path

import pytest


def test_recipes_are_listed_shown_and_checked(run) -> None:
    assert all(name in run("recipe", "list").out for name in ("plain", "sound", "book"))
    shown = run("recipe", "show", "sound")
    Path("mine.toml").write_text(shown.out)
    assert run("recipe", "check", "mine.toml").code == 0
    Path("mine.toml").write_text(shown.out.replace("amount", "amuont"))
    refused = run("recipe", "check", "mine.toml")
    assert refused.code == 2 and "Did you mean 'amount'?" in refused.err and "line" in refused.err


@pytest.mark.parametrize("kind", ["text", "sequence"])
def test_recipes_are_shown_for_each_kind(run, kind: str) -> None:
    assert ("BagOfWords" if kind == "text" else "Recurrent") in run("recipe", "show", "sound", "--kind", kind).out
    assert "Did you mean 'text'" in run("recipe", "show", "sound", "--kind", "tex").err


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
