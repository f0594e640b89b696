"""The nested estimate: judged on rows that nothing has seen, with the corrected interval."""

import math

import numpy as np
import pandas as pd
import pytest

from wellposed import Recipe, search, space
from wellposed.errors import BadInput
from wellposed.nets.mlp import MLP
from wellposed.study.nested import Nested
from wellposed.techniques import Dropout, Standardize

SPACE = space(Recipe(net=MLP(widths=(8,)), epochs=3, batch_size=32, techniques=(Standardize(), Dropout())))


def test_on_noise_the_whole_procedure_is_worth_nothing() -> None:
    """Labels are drawn at random: on new rows the truth is 1/2. The seed is fixed; another fails in about 1 of 100."""
    draw = np.random.default_rng(3)
    data = (pd.DataFrame(draw.normal(size=(160, 5))), draw.integers(0, 2, 160))
    study = search(data, space=SPACE, trials=16, sampler="random", metric="error", nested=4, networks=3, seed=1)
    assert study.nested is not None and len(study.nested.scores) == 4
    assert study.nested.interval.low < 0.5 < study.nested.interval.high
    assert np.mean(study.nested.found) > np.mean(study.nested.scores)  # the best of 16 looks better than it is
    assert "has not seen" in str(study) and study.to_json()["nested"]["metric"] == "accuracy"


def test_the_interval_is_nadeau_and_bengios() -> None:
    found = Nested.of("accuracy", [0.8, 0.9, 1.0], [1.0, 1.0, 1.0], ratio=0.25)
    half = 4.302652729696142 * 0.1 * math.sqrt(1 / 3 + 0.25)  # Student's t of 2 degrees of freedom
    assert found.interval.low == pytest.approx(0.9 - half) and found.interval.high == pytest.approx(0.9 + half)


def test_one_split_is_none() -> None:
    with pytest.raises(BadInput, match="2 splits at least"):
        search("iris", space=SPACE, nested=1)


def test_numbers_are_judged_in_their_own_unit() -> None:
    x = np.linspace(-1, 1, 90)[:, None]
    study = search((x, 1000 * x[:, 0]), space=SPACE, trials=2, sampler="random", nested=2, networks=2)
    assert study.nested is not None and study.nested.metric == "rmse" and 10 < study.nested.interval.estimate < 2000
