"""A study: the best trial, networks by greedy selection, and its plain form."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.search_space import Dimension
from wellposed.study.study import Study, apportion
from wellposed.study.trial import Trial
from wellposed.techniques import Dropout

Y = torch.tensor([0, 1, 0, 1, 0, 1])
RATE = Dimension(name="Dropout.rate", kind="real", high=1.0)


def answers(right: list[float]) -> torch.Tensor:
    """Probabilities of two classes that give the right one these."""
    p = torch.tensor(right)
    return torch.stack([torch.where(Y == 0, p, 1 - p), torch.where(Y == 1, p, 1 - p)], dim=1)


def trial(number: int, right: list[float] | None, state: str = "complete", **more: object) -> Trial:
    told = None if right is None else answers(right)
    score = math.nan if right is None else -float(np.log(right).mean())
    values: dict = {"values": {"Dropout.rate": number / 10}, "score": score, "answers": told, "state": state} | more
    return Trial(
        number=number,
        generation=0,
        shard=0,
        recipe=Recipe(techniques=(Dropout(rate=number / 10),)),
        seed=number,
        **values,
    )


GOOD, BETTER, OTHER = [0.9, 0.9, 0.9, 0.2, 0.9, 0.9], [0.9] * 5 + [0.5], [0.3] + [0.95] * 5


def study(*trials: Trial) -> Study:
    facts = {"sampler": "random", "halving": {"kind": "none"}}
    return Study(
        task="classification",
        metric="loss",
        seed=0,
        dimensions=(RATE,),
        trials=trials,
        targets=Y,
        seconds=1.0,
        facts=facts,
    )


def test_the_best_was_trained_to_its_end() -> None:
    found = study(trial(0, GOOD), trial(1, BETTER), trial(2, [0.99] * 6, "pruned"), trial(3, None, "failed"))
    assert found.best.number == 1 and found.recipe == found.trials[1].recipe
    assert [t.number for t in found.ranked()] == [1, 0, 2]
    assert study(trial(2, GOOD, "pruned")).best.number == 2


def test_without_a_score_there_is_no_best() -> None:
    with pytest.raises(BadInput, match="finite score"):
        _ = study(trial(0, None, "failed", failure="step 3, layer 1")).best


def test_networks_are_given_to_those_that_answer_together_best() -> None:
    found = study(trial(0, BETTER), trial(1, OTHER), trial(2, [0.5] * 6))
    bag = {t.number: count for t, count in found.bag(16)}
    assert set(bag) == {0, 1} and sum(bag.values()) == 16
    assert study(replace(found.trials[0], answers=None)).bag(4)[0][1] == 4


def test_its_plain_form_is_json_and_a_frame() -> None:
    found = study(trial(0, BETTER), trial(1, None, "failed"))
    assert json.loads(json.dumps(found.to_json(), default=str))["best"] == 0
    frame = found.to_frame()
    assert frame["Dropout.rate"].tolist() == [0.0, 0.1] and frame["state"].tolist() == ["complete", "failed"]
    assert "trial 0: loss" in str(found) and "1 failed" in str(found)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20), st.integers(1, 40))
def test_seats_are_apportioned_within_one(shares: list[float], seats: int) -> None:
    counts = apportion(shares, seats)
    exact = np.array(shares) / sum(shares) * seats
    assert sum(counts) == seats and (np.abs(np.array(counts) - exact) < 1 + 1e-6).all()
