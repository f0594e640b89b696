"""A trial before it has ended."""

import math

from wellposed.recipe import Recipe
from wellposed.study.trial import Trial


def test_nothing_is_known_of_a_trial_that_is_queued() -> None:
    trial = Trial(number=3, generation=0, shard=0, values={"Dropout.rate": 0.1}, recipe=Recipe(), seed=1)
    assert trial.state == "queued" and math.isnan(trial.score) and trial.answers is None and trial.curve == ()
