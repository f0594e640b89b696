"""Every strategy on small data of every kind: a control of the same cost, no test rows, the same twice."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from tests.techniques.batch.test_policy import SYNONYMS

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Data, Part, Sequences, Texts
from wellposed.inputs.given import read_given
from wellposed.inputs.parts import split
from wellposed.inputs.split import holdout
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Net
from wellposed.nets.recurrent import Recurrent
from wellposed.optimizers import SGD
from wellposed.recipe import Recipe
from wellposed.study.exploit import Exploit
from wellposed.study.policy import STRATEGIES, Hunt, PolicyPlan, Strategy, gains_of, search_policy
from wellposed.study.policy_search import PolicySearch, policy_in
from wellposed.study.shard import Leg, Run, Setting, Shard
from wellposed.techniques import InputNoise, Policy
from wellposed.techniques.batch.policy import IDLE, MENUS

CASES: list[tuple[str, Strategy]] = [
    *(("table", strategy) for strategy in STRATEGIES),
    *(("images", "tpe"), ("images", "random"), ("sequence", "population"), ("text", "reinforce")),
]
NETS: dict[str, Net] = {
    "table": MLP(widths=(8,)),
    "images": CNN(channels=(4,), widths=(8,)),
    "sequence": Recurrent(states=(6,), widths=(6,)),
    "text": BagOfWords(embedding=6, widths=(8,)),
}


def data_of(kind: str, *, test: int = 0, task: str = "classification") -> Data:
    """Ninety rows of three classes, or of numbers; and some test rows, which are another's."""
    draw, n = np.random.default_rng(0), 90 + test
    y = np.arange(n) % 3
    if kind == "images":
        features = draw.random((n, 8, 8)) / 2 + y[:, None, None] / 4
    elif kind == "sequence":
        steps = pd.DataFrame({"a": draw.normal(size=7 * n) + y.repeat(7), "b": draw.normal(size=7 * n)})
        features = Sequences(steps, np.full(n, 7), np.arange(n), "sequence_id")
    elif kind == "text":
        words = [["the dog ran", "the hound far away", "a big huge day"][c].split() for c in y]
        features = Texts(np.array([" ".join(draw.permutation(w * 2)) for w in words], dtype=object), "text")
    else:
        features = pd.DataFrame(draw.normal(size=(n, 4)) + np.eye(3, 4)[y], columns=list("abcd"))
        features["e"] = np.array(["x", "y"])[draw.integers(0, 2, n)]
    target = y if task == "classification" else y + draw.normal(size=n)
    whole, rows = Part(features, target), np.arange(n)
    held = whole.take(rows[90:]) if test else None
    return Data("small", kind, task, "y", whole.take(rows[:90]), held, (), "0" * 64)  # type: ignore[arg-type]


def recipe_of(kind: str) -> Recipe:
    return Recipe(net=NETS[kind], epochs=4, batch_size=16)


def searched(
    kind: str = "table", strategy: Strategy = "reinforce", *, data: Data | None = None, seed: int = 0
) -> PolicySearch:
    return search_policy(
        data_of(kind) if data is None else data,
        recipe=recipe_of(kind),
        strategy=strategy,
        trials=6,
        rounds=2,
        subs=2,
        fresh=3,
        seed=seed,
        synonyms=SYNONYMS if kind == "text" else "",
        exploit=Exploit(every=1, share=0.4),
    )


@cache
def kept(kind: str = "table", strategy: Strategy = "reinforce") -> PolicySearch:
    """The same, searched once for all tests that only look at it."""
    return searched(kind, strategy)


def told(found: PolicySearch) -> tuple[object, ...]:
    """All of it but the times."""
    frame = found.to_frame().drop(columns="seconds")
    facts = {name: value for name, value in found.facts.items() if name != "seconds"}
    differences = [d.to_json() for d in found.differences]
    return frame.to_csv(), facts, found.policy, found.control, found.scores, found.ancestry, differences


@pytest.mark.parametrize(("kind", "strategy"), CASES)
def test_searches_any_data_by_any_strategy(kind: str, strategy: Strategy) -> None:
    found = kept(kind, strategy)
    menu = PolicyPlan(synonyms=SYNONYMS if kind == "text" else "").menu(kind)  # type: ignore[arg-type]
    for trial in (*found.trials, *found.controls):
        policy = policy_in(trial.recipe)
        assert {operation for sub in policy.policy for operation, _, _ in sub} <= set(menu)
        assert (trial.state, trial.epochs, len(policy.policy)) == ("complete", 4, 2)
    assert len(found.trials) == len(found.controls) == 6
    assert [trial.number for trial in found.trials] == list(range(6))
    assert found.policy in [policy_in(trial.recipe) for trial in found.trials]
    pairs = [(d.first, d.second) for d in found.differences]
    if strategy == "random":
        assert (found.policy, pairs) == (found.control, [("random", "none")])
    else:
        assert pairs == [("found", "random"), ("found", "none"), ("random", "none")]
    assert set(found.scores) == {"found", "random", "none"} - ({"found"} if strategy == "random" else set())
    assert all(len(values) == 3 for values in found.scores.values())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same(strategy: Strategy) -> None:
    assert told(kept("table", strategy)) == told(searched(strategy=strategy))


def test_another_seed_gives_another() -> None:
    assert told(kept("table", "random")) != told(searched(strategy="random", seed=1))


def test_the_control_is_the_same_whatever_the_strategy() -> None:
    a, b = kept("table", "random").controls, kept("table", "population").controls
    assert [t.values for t in a] == [t.values for t in b]
    assert [t.score for t in a] == [t.score for t in b]


def test_test_rows_are_not_looked_at() -> None:
    """Neither those of the data nor those that would be held out."""
    data, other = data_of("table", test=20), data_of("table", test=20)
    other.test.features.iloc[:, :4] = np.nan  # type: ignore[union-attr]
    other.test.target[:] = 0  # type: ignore[union-attr]
    assert told(searched(strategy="random", data=data)) == told(searched(strategy="random", data=other))
    whole = data_of("table")
    held = holdout("classification", whole.rows.target, share=0.2, seed=0)[1]
    spoiled = whole.rows.features.copy()
    spoiled.iloc[held, 0] = 1e6
    other = replace(whole, rows=Part(spoiled, whole.rows.target))
    assert told(searched(strategy="random", data=whole)) == told(searched(strategy="random", data=other))


def test_rows_that_judge_choose_nothing() -> None:
    """What they say changes the differences and nothing else."""
    whole = data_of("table")
    parts = split(whole, test_share=0.2, seed=0)
    chosen, held = holdout("classification", parts.validation.target, share=0.5, seed=2)
    setting = Setting("classification", parts.train, parts.validation.take(chosen))
    judging = parts.validation.take(held)
    found = []
    for rows in (judging, Part(judging.features, (judging.target + 1) % 3)):
        hunt = Hunt(setting, rows, recipe_of("table"), "table", PolicyPlan(trials=6, rounds=2, fresh=3))
        shares = list(hunt.run())
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        found.append(hunt.found())
    a, b = found
    assert a.to_frame().drop(columns="seconds").to_csv() == b.to_frame().drop(columns="seconds").to_csv()
    assert (a.policy, a.control) == (b.policy, b.control)
    assert a.scores != b.scores


def test_differences_are_those_of_networks_trained_by_hand() -> None:
    found = kept("table", "tpe")
    parts = split(data_of("table"), test_share=0.2, seed=0)
    chosen, held = holdout("classification", parts.validation.target, share=0.5, seed=2)
    setting, judging = (
        Setting("classification", parts.train, parts.validation.take(chosen)),
        parts.validation.take(held),
    )
    gains = {}
    for name, policy in (("found", found.policy), ("random", found.control), ("none", None)):
        recipe = recipe_of("table") if policy is None else replace(recipe_of("table"), techniques=(policy,))
        gains[name] = np.array(found.scores[name])
        by_hand = []
        for seed in fresh_seeds(3):
            run = Run(setting, Shard(0, 0, (0,), (recipe,), (seed,)))
            for _ in run.advance(Leg(4)):
                pass
            by_hand.append(gains_of(run.bag, judging)[0].mean())
        np.testing.assert_allclose(by_hand, found.scores[name])
    first = found.differences[0]
    assert first.interval.estimate == pytest.approx((gains["found"] - gains["random"]).mean())


def fresh_seeds(n: int) -> list[int]:
    from wellposed.study.samplers import derived_seed
    from wellposed.study.searching import network_seed

    return [network_seed(derived_seed(0, "fresh"), i) for i in range(n)]


def test_numbers_are_judged_by_the_error_avoided_in_their_own_unit() -> None:
    found = searched(data=data_of("table", task="regression"), strategy="tpe")
    assert found.facts["gain"] == "mean absolute error avoided"
    scores = {name: np.array(values) for name, values in found.scores.items()}
    assert all((values > 0).all() for values in scores.values())
    assert found.differences[0].interval.estimate == pytest.approx((scores["random"] - scores["found"]).mean())


def test_the_controller_learns_from_rewards() -> None:
    """Its later proposals are other ones than without rewards: those of the first round are the same."""
    a, b = kept("table", "reinforce"), searched(strategy="reinforce", data=other_labels())
    values = [[t.values for t in found.trials] for found in (a, b)]
    assert values[0][:3] == values[1][:3]
    assert values[0][3:] != values[1][3:]


def other_labels() -> Data:
    data = data_of("table")
    shuffled = np.random.default_rng(1).permutation(data.rows.target)
    return replace(data, rows=Part(data.rows.features, shuffled))


def test_a_population_begins_with_the_controls_policies() -> None:
    found = kept("table", "population")
    assert [t.values for t in found.trials] == [t.values for t in found.controls]
    assert found.ancestry[0][0] == 0
    assert found.policy.policy in [policy for _, policy in found.ancestry]
    first = Policy(policy=found.ancestry[0][1])
    assert first in [policy_in(t.recipe) for t in found.controls]


def test_a_policy_in_the_recipe_gives_way_and_the_rest_stays() -> None:
    recipe = replace(recipe_of("table"), techniques=(InputNoise(), Policy(policy=((("Mixup", 1.0, 1.0), IDLE),))))
    found = search_policy(data_of("table"), recipe=recipe, strategy="random", trials=2, fresh=2)
    for trial in found.controls:
        assert [type(t) for t in trial.recipe.techniques] == [Policy, InputNoise]


def test_without_a_source_no_word_is_replaced() -> None:
    assert PolicyPlan().menu("text") == ("Identity", "RandomSwap", "RandomDeletion")
    assert PolicyPlan(synonyms="words.txt").menu("text") == MENUS["texts"]


def test_random_policies_are_drawn_evenly() -> None:
    """Chi-square and Kolmogorov-Smirnov of 400 policies, each at one false alarm in a million."""
    from wellposed.study.samplers import propose

    plan = PolicyPlan(subs=1)
    drawn = propose(plan.dimensions("table"), [], n=400, sampler="random", seed=3)
    for place in plan.places():
        counts = pd.Series([values[f"{place} operation"] for values in drawn]).value_counts()
        assert len(counts) == 6
        assert stats.chisquare(counts).pvalue > 1e-6
        for what in ("probability", "level"):
            assert stats.kstest([values[f"{place} {what}"] for values in drawn], "uniform").pvalue > 1e-6


def test_rounds_share_the_trials() -> None:
    assert PolicyPlan(trials=7, rounds=3).sizes() == [3, 2, 2]
    assert PolicyPlan(trials=2, rounds=8).sizes() == [1, 1]


def test_refuses_a_training_that_explodes() -> None:
    recipe = replace(recipe_of("table"), optimizer=SGD(learning_rate=1e9))
    with pytest.raises(BadInput, match="Training must give finite numbers"):
        search_policy(data_of("table"), recipe=recipe, trials=2, fresh=2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"strategy": "grid"}, "strategy must be"),
        ({"trials": 1}, "trials must be a whole number of at least 2"),
        ({"fresh": 1}, "fresh must be a whole number of at least 2"),
        ({"rounds": 0}, "rounds must be a positive whole number"),
        ({"subs": 0}, "subs must be a positive whole number"),
    ],
)
def test_refuses_what_makes_no_search(fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        search_policy("iris", **fields)  # type: ignore[arg-type]


def test_arrays_will_do() -> None:
    x, y = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)).numpy(), np.arange(60) % 2
    found = search_policy((x, y), recipe=recipe_of("table"), strategy="random", trials=2, fresh=2)
    assert found.facts["rows"] == {"train": 38, "choosing": 5, "judging": 5}
    assert math.isfinite(found.trials[0].score)
    assert read_given((x, y)).kind == "table"
