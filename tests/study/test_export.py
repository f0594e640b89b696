"""What Optuna reads from its database is what the study holds."""

import logging
import math
import re
import sqlite3
import warnings
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.search_space import Dimension
from wellposed.study.export import export_optuna
from wellposed.study.trial import Trial

DIMENSIONS = (
    Dimension(name="net", kind="choice", options=("mlp", "[/b]")),
    Dimension(name="rate", kind="real", low=1e-4, high=0.5, log=True),
    Dimension(name="units", kind="whole", low=1, high=64, log=True, when=("net", ("mlp",))),
    Dimension(name="share", kind="real", low=0, high=1),
)
ASKED = Trial(
    number=0, generation=1, shard=2, values={"net": "mlp", "rate": 0.5, "units": 64}, recipe=Recipe(), seed=-(2**63)
)
TRIALS = (
    replace(
        ASKED,
        state="complete",
        epochs=3,
        score=0.25,
        metric=0.9,
        best_epoch=2,
        curve=(1.0, 0.25, math.nan),
        seconds=2.5,
    ),
    replace(ASKED, number=1, state="pruned", epochs=1, score=0.5, metric=0.8, best_epoch=1, curve=(0.5,)),
    replace(ASKED, number=2),
    replace(ASKED, number=3, state="failed", epochs=1, curve=(math.inf,), failure="the loss of epoch 1"),
    replace(ASKED, number=4, values={"net": "[/b]", "rate": 9.0, "größe": "<script>"}, state="pruned"),
    replace(ASKED, number=5, state="complete"),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'optuna.db'}"


def load(url: str, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=url)


def test_trials_come_with_state_values_curve_and_facts(url: str) -> None:
    export_optuna(TRIALS, url, name="a study 🙂", dimensions=DIMENSIONS)
    study = load(url, "a study 🙂")
    complete, pruned, failed, outside, unscored = study.trials
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert [t.state for t in study.trials] == [
        *(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.PRUNED, TrialState.FAIL)
    ]
    assert [t.value for t in study.trials] == [0.25, 0.5, None, None, None]
    assert study.best_trial.number == 0
    assert complete.params == {"net": "mlp", "rate": 0.5, "units": 64}
    assert complete.distributions == {
        "net": CategoricalDistribution(("mlp", "[/b]")),
        "rate": FloatDistribution(1e-4, 0.5, log=True),
        "units": IntDistribution(1, 64, log=True),
    }
    assert {k: v for k, v in complete.intermediate_values.items() if k < 3} == {1: 1.0, 2: 0.25}
    assert math.isnan(complete.intermediate_values[3])
    assert complete.duration == timedelta(seconds=2.5)
    assert complete.user_attrs == {
        "number": 0,
        "generation": 1,
        "shard": 2,
        "seed": -(2**63),
        "epochs": 3,
        "best_epoch": 2,
        "metric": 0.9,
        "seconds": 2.5,
        "recipe": Recipe().to_toml(),
    }
    assert Recipe.from_toml(complete.user_attrs["recipe"]) == Recipe()
    assert pruned.intermediate_values == {1: 0.5}
    assert failed.intermediate_values == {1: math.inf}
    assert failed.user_attrs["failure"] == "the loss of epoch 1"
    assert outside.params == {"net": "[/b]"}
    assert {k: v for k, v in outside.user_attrs.items() if k.startswith("value")} == {
        "value: rate": 9.0,
        "value: größe": "<script>",
    }
    assert [t.user_attrs["number"] for t in study.trials] == [0, 1, 3, 4, 5]
    assert "metric" not in unscored.user_attrs


def test_optuna_reads_the_importance_of_what_was_exported(url: str) -> None:
    ended = [
        replace(ASKED, number=i, values={"rate": 10 ** (-4 + i / 10), "share": (7 * i % 30) / 30}, score=float(i))
        for i in range(30)
    ]
    export_optuna([replace(t, state="complete") for t in ended], url, name="x", dimensions=DIMENSIONS)
    importance = optuna.importance.get_param_importances(load(url, "x"))
    assert importance["rate"] > importance["share"]


def test_a_name_that_is_taken_is_refused_and_what_is_there_stays(url: str) -> None:
    export_optuna(TRIALS[:1], url, name="x", dimensions=DIMENSIONS)
    sentence = "The study in the Optuna database must have a new name. Got 'x'. Name another, or delete that one there."
    with pytest.raises(BadInput, match=f"^{re.escape(sentence)}$"):
        export_optuna(TRIALS, url, name="x", dimensions=DIMENSIONS)
    export_optuna(TRIALS, url, name="y", dimensions=())
    assert [len(load(url, name).trials) for name in "xy"] == [1, 5]


@pytest.mark.parametrize(
    "bad",
    ["optuna.db", "nonsql://x", "sqlite:////no/such/folder/optuna.db", "postgresql+nodriver://ann:hunter2@host/x", ""],
)
def test_a_database_that_cannot_be_written_is_refused_in_one_sentence(bad: str) -> None:
    with pytest.raises(BadInput, match=r"^The Optuna database must be a URL that can be written to\. Got ") as refused:
        export_optuna(TRIALS, bad, name="x", dimensions=DIMENSIONS)
    assert "\n" not in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_name_that_is_no_text_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="must"):
        export_optuna(TRIALS, url, name="\udc80", dimensions=DIMENSIONS)


def test_a_foreign_file_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" * 1000)
    with pytest.raises(BadInput, match="file is not a database"):
        export_optuna(TRIALS, f"sqlite:///{path}", name="x", dimensions=DIMENSIONS)
    assert path.read_text() == "a,b\n" * 1000


def test_what_fails_in_the_middle_leaves_no_study(url: str) -> None:
    export_optuna((), url, name="x", dimensions=())
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON trials WHEN (SELECT count(*) FROM trials) > 2 "
            "BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(BadInput, match=r"Got .*full"):
        export_optuna(TRIALS, url, name="y", dimensions=DIMENSIONS)
    assert optuna.get_all_study_names(url) == ["x"]


def test_optuna_is_silent_and_speaks_afterwards_as_before(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    level, filters, root = optuna.logging.get_verbosity(), list(warnings.filters), list(logging.getLogger().handlers)
    try:
        optuna.logging.set_verbosity(optuna.logging.DEBUG)
        export_optuna(TRIALS, url, name="x", dimensions=DIMENSIONS)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(level)
    assert (list(warnings.filters), list(logging.getLogger().handlers)) == (filters, root)
    assert capfd.readouterr() == ("", "")
