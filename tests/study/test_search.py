"""`search` in one call: every sampler, by hand, stored and resumed, refused in a sentence; no test row is seen."""

from pathlib import Path

import numpy as np
import pytest

from wellposed import Recipe, search
from wellposed.errors import BadInput
from wellposed.inputs.load import load
from wellposed.inputs.parts import split
from wellposed.nets.mlp import MLP
from wellposed.search_space import space
from wellposed.study.samplers import SAMPLERS
from wellposed.study.store import Store
from wellposed.techniques import Dropout, Standardize

SMALL = Recipe(net=MLP(widths=(8,)), epochs=2, batch_size=48, techniques=(Standardize(), Dropout()))
SPACE = space(SMALL, fixed=["optimizer.m*", "optimizer.decay"])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_searches(sampler: str) -> None:
    study = search("iris", space=SPACE, trials=6, sampler=sampler, generation=3)  # type: ignore[arg-type]
    assert len(study.trials) == 6 and study.best.answers is not None
    assert len({tuple(t.values.values()) for t in study.trials}) == 6


def test_recipes_made_by_hand_are_tried_in_their_order() -> None:
    listed = [SMALL.with_strengths({"Dropout.rate": rate}) for rate in (0.0, 0.3, 0.6)]
    study = search("iris", space=listed)
    assert [t.recipe for t in study.trials] == listed


def test_arrays_do_as_well_and_numbers_are_predicted() -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    study = search((x, x[:, 0] * 2), space=SPACE, trials=3, sampler="random", metric="error")
    assert study.best.metric == pytest.approx(study.best.score) and study.optimism().n_trials == 3


def test_the_default_space_is_searched_where_none_is_given() -> None:
    names = {d.name for d in search("iris", trials=2, sampler="random", budget=3.0).dimensions}
    assert {"net", "Dropout.rate"} <= names


def test_no_test_row_is_seen() -> None:
    """With other test rows, the study is the same to the bit."""
    data = load("wine")
    parts = split(data, test_share=0.2, seed=0)
    spoilt = data.rows.features.copy()
    tested = parts.test.features.index  # type: ignore[union-attr]
    spoilt.loc[tested] = 1e6
    other = type(data)(**(vars(data) | {"rows": type(data.rows)(spoilt, data.rows.target)}))
    one, again = (search(d, space=SPACE, trials=4, sampler="tpe", generation=2) for d in (data, other))
    assert [t.score for t in one.trials] == [t.score for t in again.trials]


def test_it_is_stored_and_gone_on_with(tmp_path: Path) -> None:
    first = search("iris", space=SPACE, trials=4, sampler="random", generation=2, out=tmp_path)
    more = search("iris", space=SPACE, trials=6, sampler="random", generation=2, out=tmp_path, resume=True)
    assert [t.score for t in more.trials[:4]] == [t.score for t in first.trials]
    whole = search("iris", space=SPACE, trials=6, sampler="random", generation=2)
    assert [t.score for t in whole.trials] == [t.score for t in more.trials]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resume": True}, "no study.db"),
        ({"space": []}, "be a Space, or a list of recipes"),
        ({"space": space(Recipe(), fixed=["*"])}, "something that may vary"),
        ({"sampler": "hill"}, "sampler must be"),
        ({"trials": 0}, "trials must be"),
        ({"budget": -1.0}, "budget must be"),
        ({"metric": "auc"}, "metric must be"),
        ({"engine": "dask"}, "engine must be"),
        ({"halving": "half"}, "halving must be"),
    ],
)
def test_what_cannot_be_searched_is_refused(tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        search("iris", **({"space": SPACE, "trials": 2, "out": tmp_path} | options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "Resume it, or name another"),
        ({"resume": True, "seed": 1}, "seed"),
        ({"resume": True, "data": "wine"}, "data"),
    ],
)
def test_another_study_is_left_alone(tmp_path: Path, options: dict, words: str) -> None:
    search("iris", space=SPACE, trials=2, sampler="random", out=tmp_path)
    with Store.open(tmp_path / "study.db", readonly=True) as store:
        before = [t.score for t in store.trials()], store.spec
    with pytest.raises(BadInput, match=words):
        search(options.pop("data", "iris"), space=SPACE, trials=2, sampler="random", out=tmp_path, **options)
    with Store.open(tmp_path / "study.db", readonly=True) as store:
        assert ([t.score for t in store.trials()], store.spec) == before
