"""What may be claimed: against SciPy, against simulated truth, and in words."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tests.study.test_policy import kept

from wellposed.recipe import Recipe
from wellposed.study.policy import STRATEGIES, Strategy
from wellposed.study.policy_search import Difference, PolicySearch, describe, policy_in
from wellposed.study.trial import Trial
from wellposed.techniques import Dropout, Policy
from wellposed.techniques.batch.policy import IDLE

POLICY = Policy(policy=((("Mixup", 0.5, 0.25), IDLE), (IDLE, IDLE)))


def gains_of(
    *, effect: float, rows: int = 60, networks: int = 8, seed: int = 0, spread: float = 1.0
) -> dict[str, np.ndarray]:
    """Gains whose differences vary with rows, with networks and at random, around an effect."""
    draw = np.random.default_rng(seed)
    by_row, by_network = spread * draw.normal(size=rows), 0.3 * spread * draw.normal(size=(networks, 1))
    noise = spread * draw.normal(size=(networks, rows))
    second = draw.normal(size=(networks, rows))
    return {"found": second + effect + by_row + by_network + noise, "random": second}


def test_on_one_row_it_is_the_paired_t_test() -> None:
    gains = gains_of(effect=0.5, rows=1)
    found = Difference.of("found", "random", gains)
    by_scipy = stats.ttest_rel(gains["found"][:, 0], gains["random"][:, 0])
    low, high = by_scipy.confidence_interval(0.95)
    assert found.test.p_value == pytest.approx(by_scipy.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))


def test_more_networks_do_not_make_up_for_few_rows() -> None:
    few = Difference.of("found", "random", gains_of(effect=0.0, networks=10))
    many = Difference.of("found", "random", gains_of(effect=0.0, networks=1000))
    assert many.test.error > 0.9 / np.sqrt(60)
    assert many.test.error < few.test.error


def test_false_alarms_are_at_most_one_in_twenty() -> None:
    """1000 simulations without an effect, on rows and networks drawn anew: the share of verdicts lies below 5 %, by a
    binomial test at one false alarm in a million."""
    verdicts = [Difference.of("found", "random", gains_of(effect=0.0, seed=seed)).verdict for seed in range(1000)]
    wrong = sum(verdict != "no difference shown" for verdict in verdicts)
    assert stats.binom.sf(wrong - 1, 1000, 0.05) > 1e-6


def test_effects_are_shown_with_their_sign() -> None:
    assert Difference.of("found", "random", gains_of(effect=2.0)).verdict == "better"
    assert Difference.of("found", "random", gains_of(effect=-2.0)).verdict == "worse"
    assert Difference.of("found", "random", gains_of(effect=0.0, spread=0.0)).verdict == "no difference shown"


def search_of(effect: float, strategy: str = "tpe") -> PolicySearch:
    """A search by hand."""
    recipe = Recipe(techniques=(Dropout(), POLICY))
    trial = Trial(number=0, generation=0, shard=0, values={}, recipe=recipe, seed=1, state="failed", failure="loss")
    gains = gains_of(effect=effect) if strategy != "random" else {"random": np.ones((2, 3)), "none": np.zeros((2, 3))}
    names = ("found", "random") if strategy != "random" else ("random", "none")
    return PolicySearch(
        strategy=strategy,
        policy=POLICY,
        control=POLICY,
        trials=(trial,),
        controls=(trial,),
        scores={"found": (0.5, 0.6)},
        differences=(Difference.of(*names, gains),),
        ancestry=((0, POLICY.policy),),  # type: ignore[arg-type]
        facts={"data": "small", "fresh": 8, "gain": "accuracy", "rows": {"judging": 60}},
    )


def test_claims_no_more_than_the_difference_to_random() -> None:
    assert search_of(2.0).verdict.startswith("The policy found by tpe is better than the best random policy: ")
    assert search_of(-2.0).verdict.startswith("The policy found by tpe is worse than the best random policy: ")
    assert search_of(0.0).verdict.startswith("No difference to the best random policy is shown: ")
    assert search_of(0.0, "random").verdict.startswith("Random policies are their own control")


def test_tells_all_of_it_in_words() -> None:
    text = str(search_of(0.0))
    lines = text.splitlines()
    assert lines[0] == "Augmentation policy by tpe: 1 network, and as many of random policies."
    assert lines[1] == search_of(0.0).verdict
    assert lines[2].startswith("found against random: ")
    assert lines[2].endswith("no difference shown.")
    assert (
        lines[-2]
        == "Judged by 8 fresh networks each on 60 validation rows that have chosen nothing. No test row was seen."
    )
    assert lines[-1] == describe(POLICY) == "1. Mixup 0.5 at 0.25; 2. nothing"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tables_and_json_hold_both_kinds_of_trials(strategy: Strategy) -> None:
    found = kept("table", strategy)
    frame, rewards = found.to_frame(), found.rewards()
    kinds = {strategy, "random"}
    assert set(frame["kind"]) == set(rewards["kind"]) == kinds
    assert len(frame) == len(rewards) == 6 * len(kinds)
    np.testing.assert_allclose(rewards["reward"], -frame["score"])
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert read["verdict"] == found.verdict
    assert len(read["trials"]) == len(frame)
    assert Policy(policy=tuple(tuple(tuple(o) for o in sub) for sub in read["policy"])) == found.policy


def test_json_has_no_nan_for_what_failed() -> None:
    found = search_of(0.0).to_json()
    assert found["trials"][0]["score"] is None
    json.dumps(found, allow_nan=False)


def test_the_page_says_what_may_be_claimed(tmp_path: Path) -> None:
    found = kept("table", "reinforce")
    file = found.show(path=tmp_path / "page.html")
    assert file == tmp_path / "page.html"
    html = file.read_text(encoding="utf-8")
    assert "Augmentation policy for small" in html
    assert describe(found.policy) in html
    assert "best random policy" in html


def test_a_recipes_policy_is_found_among_others() -> None:
    assert policy_in(Recipe(techniques=(Dropout(), POLICY))) is POLICY
