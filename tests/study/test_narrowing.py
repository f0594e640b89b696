"""Bowls whose bottom is known; ends at which the best lie; options that are given up for good reason only."""

import json
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.search_space import Dimension, Value, space
from wellposed.study.narrowing import Narrowing, narrow
from wellposed.study.positions import fits, position
from wellposed.study.samplers import propose
from wellposed.study.trial import State, Trial
from wellposed.techniques import BatchNorm, Dropout, LayerNorm

RATE = Dimension(name="rate", kind="real", low=1e-6, high=1.0, log=True)
IDLE = Dimension(name="idle", kind="real", low=0.0, high=1.0)
UNITS = Dimension(name="units", kind="whole", low=1, high=100)
NORM = Dimension(name="norm", kind="choice", options=("none", "batch", "layer"))
DROP = Dimension(name="drop", kind="choice", options=("off", "on"), when=("norm", ("batch", "layer")))
SHARE = Dimension(name="share", kind="real", low=0.0, high=0.7, when=("drop", ("on",)))
EPS = Dimension(name="eps", kind="real", low=0.0, high=1.0, when=("norm", ("layer",)))
RECIPE = Recipe()


def trial(number: int, values: Mapping[str, Value], score: float, state: State = "complete") -> Trial:
    return Trial(number=number, generation=0, shard=0, values=values, recipe=RECIPE, seed=0, state=state, score=score)


def tried(dimensions: Sequence[Dimension], score: Callable[[Mapping[str, Value]], float], n: int = 128) -> list[Trial]:
    return [trial(i, v, score(v)) for i, v in enumerate(propose(dimensions, [], n=n, sampler="random", seed=0))]


def by_name(found: Narrowing) -> dict[str, Dimension]:
    return {d.name: d for d in found.dimensions}


def test_a_bowl_narrows_to_its_bottom_and_what_is_idle_stays() -> None:
    """The best quarter of 128 trials of (log10 rate + 3)^2 lies within 1/8 of the range on both sides of the middle."""
    found = narrow([RATE, IDLE, UNITS], tried([RATE, IDLE, UNITS], lambda v: (math.log10(float(v["rate"])) + 3) ** 2))
    new = by_name(found)
    low, high = position(RATE, new["rate"].low), position(RATE, new["rate"].high)
    assert 0.2 < low < 0.35 and 0.65 < high < 0.8  # 1/2 -+ (0.8 / 8 + 0.1), by the luck of the draw
    assert new["rate"].log
    assert new["idle"].low < 0.1 and new["idle"].high > 0.9
    assert new["units"].kind == "whole" and isinstance(new["units"].low, int) and new["units"].low < 20
    assert not found.fixed and all(not c.border for c in found.changes)
    assert (found.n_trials, found.n_best) == (128, 32)


def test_narrowing_twice_comes_closer() -> None:
    """Coarse to fine: the second study asks within the first one's best part; trials of both may be looked at."""

    def score(values: Mapping[str, Value]) -> float:
        return abs(math.log10(float(values["rate"])) + 2.2)

    first = narrow([RATE], tried([RATE], score, 32)).dimensions
    second = narrow(first, [*tried([RATE], score, 32), *tried(first, score, 32)]).dimensions
    assert RATE.low < first[0].low < second[0].low < 10**-2.2 < second[0].high < first[0].high < RATE.high


@pytest.mark.parametrize(("sign", "border", "way"), [(1, "low", "downwards"), (-1, "high", "upwards")])
def test_the_best_at_an_end_is_said(sign: int, border: str, way: str) -> None:
    found = narrow([RATE], tried([RATE], lambda v: sign * float(v["rate"]) ** 0.1))
    assert found.changes[0].border == border
    assert f"widen {way}" in str(found) and f"widen {way}" in found.to_frame()["advice"][0]
    assert RATE.low <= found.dimensions[0].low and found.dimensions[0].high <= RATE.high


def test_what_does_not_matter_is_seldom_said_to_lie_at_an_end() -> None:
    """A thousand idle dimensions: said of fewer than 1 %; the best alone would lie in an outer tenth for 20 %.

    By hand: 0.2 times the chance that 15 or more of 31 lie in an outer quarter, 0.004.
    """
    rng = np.random.default_rng(0)
    many = [Dimension(name=f"d{i}", kind="real", low=0.0, high=1.0) for i in range(1000)]
    trials = [trial(i, {d.name: float(x) for d, x in zip(many, rng.random(1000), strict=True)}, i) for i in range(128)]
    assert sum(bool(c.border) for c in narrow(many, trials).changes) < 10


def test_options_that_none_of_the_best_took_are_dropped() -> None:
    """With what exists under them alone; what exists under others too stays under those."""
    dimensions = [NORM, DROP, SHARE, EPS, IDLE]
    found = narrow(dimensions, tried(dimensions, lambda v: (v["norm"] == "layer") + float(v["idle"])))
    new = by_name(found)
    assert new["norm"].options == ("none", "batch")
    assert new["drop"].when == ("norm", ("batch",))
    assert "eps" not in new
    assert found.to_frame().set_index("dimension")["new"]["eps"] == "gone"
    assert propose(found.dimensions, [], n=3, sampler="random", seed=0)


def test_the_last_option_is_fixed_and_conditions_go_with_it() -> None:
    """Only norm "batch" is left: what existed under it always does, what existed under others never."""
    dimensions = [NORM, DROP, SHARE, EPS, IDLE]
    found = narrow(
        dimensions, tried(dimensions, lambda v: 3.0 * (v["norm"] != "batch") + (v.get("drop") != "on")), share=0.1
    )
    assert found.fixed == {"norm": "batch", "drop": "on"}
    assert [d.name for d in found.dimensions] == ["share", "idle"]
    assert by_name(found)["share"].when is None
    values = propose(found.dimensions, [], n=3, sampler="tpe", seed=0)
    assert all(fits(dimensions, {**v, **found.fixed}) for v in values)


def test_an_option_fixed_under_a_condition_keeps_it() -> None:
    """Drop is on wherever there is a norm; whether there is one stays open."""
    dimensions = [NORM, DROP, SHARE, IDLE]
    found = narrow(dimensions, tried(dimensions, lambda v: 1.0 * (v.get("drop") == "off")), share=0.5)
    assert found.fixed == {"drop": "on"}
    assert by_name(found)["share"].when == ("norm", ("batch", "layer"))


def test_a_space_is_narrowed_with_all_that_hangs_on_it() -> None:
    """Of three norms batch norm is left; every recipe of the new space has it, and is one of the old space's."""
    techniques = (Dropout(), BatchNorm())
    old = space(Recipe(techniques=techniques), choices={"norm": (None, BatchNorm(), LayerNorm())}, optional=["Dropout"])
    found = narrow(
        old.dimensions, tried(old.dimensions, lambda v: (v["norm"] != "BatchNorm") + float(v.get("Dropout.rate", 1.0)))
    )
    new = found.within(old)
    assert found.fixed["norm"] == "BatchNorm"
    assert {d.name for d in new.dimensions} == {d.name for d in found.dimensions}
    for values in propose(found.dimensions, [], n=5, sampler="random", seed=0):
        recipe = new.recipe(values)
        assert recipe == old.recipe({**values, **found.fixed})
        assert any(isinstance(t, BatchNorm) for t in recipe.techniques)


def test_an_option_seldom_tried_stays() -> None:
    """Tried twice among 40, not among the best 10: by chance in (30 choose 2) / (40 choose 2) = 56 % of studies."""
    two = Dimension(name="net", kind="choice", options=("old", "new"))
    trials = [trial(i, {"net": "new" if i in (20, 30) else "old"}, i) for i in range(40)]
    assert narrow([two], trials).dimensions == (two,)
    often = [trial(i, {"net": "new" if i >= 20 else "old"}, i) for i in range(40)]
    assert narrow([two], often).fixed == {"net": "old"}  # (20 choose 10) / (40 choose 10): 0.0002


@given(st.integers(2, 40), st.integers(0, 2**31), st.floats(0.05, 1.0), st.floats(0.01, 1.0))
def test_new_ranges_lie_in_the_old_ones_and_hold_the_best(n: int, seed: int, share: float, margin: float) -> None:
    dimensions = [RATE, UNITS, NORM, DROP, SHARE]
    rng = np.random.default_rng(seed)
    trials = [
        trial(i, v, float(rng.normal()))
        for i, v in enumerate(propose(dimensions, [], n=n, sampler="random", seed=seed))
    ]
    found = narrow(dimensions, trials, share=share, margin=margin)
    old = {d.name: d for d in dimensions}
    best = min(trials, key=lambda t: t.score)
    for new in found.dimensions:
        if new.kind == "choice":
            assert set(new.options) <= set(old[new.name].options)
        else:
            assert old[new.name].low <= new.low < new.high <= old[new.name].high
    assert fits(found.dimensions, {k: v for k, v in best.values.items() if k not in found.fixed})
    assert all(best.values.get(name, option) == option for name, option in found.fixed.items())


def test_it_reads_well_and_as_json() -> None:
    dimensions = [NORM, RATE]
    found = narrow(dimensions, tried(dimensions, lambda v: (v["norm"] != "batch") + float(v["rate"])))
    lines = str(found).splitlines()
    assert lines[0] == "The ranges that hold the best 32 of 128 complete trials:"
    assert lines[1] == "  norm  none, batch, layer -> batch; best batch"
    assert lines[2].startswith("  rate  1e-06 to 1 log -> 1e-06 to ")
    assert json.loads(json.dumps(found.to_json()))["dimensions"][0]["new"] == "batch"


def test_only_complete_trials_that_fit_count_and_two_are_needed() -> None:
    few = [
        trial(0, {"rate": 0.1}, 1.0),
        trial(1, {"rate": 0.2}, 0.5, "pruned"),
        trial(2, {"rate": 0.2}, math.nan, "failed"),
        trial(3, {"rate": 2.0}, 0.1),
        trial(4, {}, 0.1),
    ]
    with pytest.raises(BadInput, match=r"at least two complete trials to narrow by\. Got 1\. Run more"):
        narrow([RATE], few)


@pytest.mark.parametrize("change", [{"share": 0.0}, {"share": 1.5}, {"margin": 0.0}, {"margin": math.nan}])
def test_refuses(change: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=f"{next(iter(change))} must be in"):
        narrow([RATE], [], **change)
