"""What a page says of a search and of an augmentation policy: their sections, from the plain values of a result.

`search` of a result holds: `trials`, each with `number`, `generation`, `state`, `epochs`, `score`, `metric`, `seconds`
and `values`; `dimensions`, each with `name`, `kind`, `low`, `high`, `log` and `options`; `sampler`, `halving` and
`refit` in words; `metric`, the name of what was measured on validation rows; `importance`, a share by name, or None;
`optimism`, with `apparent`, `corrected`, `low` and `high` of the metric, or None; `chosen`, the trials of the bag with
how many `networks` each.

`policy` of a result holds: `strategy` and `claim` in words; `metric`; `difference`, with `estimate`, `low` and `high`
against random policies, or None; `rewards`, each with `round`, `reward` and `kind`; and `operations`, each a mapping of
what was found, such as `operation`, `probability` and `magnitude`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from wellposed import charts
from wellposed.document import Section
from wellposed.words import METRICS, SPACE, known, number, plural

STATES = {"complete": "complete", "pruned": "left before the end", "failed": "failed", "queued": "not trained"}
"""The state of a trial in words."""

N_BEST, N_DIMENSIONS = 10, 12
N_LINES, N_POINTS = 200, 2000
"""Trials that the chart of dimensions, and that of scores, shows at most."""


def sections(result: dict[str, Any]) -> list[Section]:
    """What there is to say; nothing where the result has neither a search nor a policy."""
    found = []
    if search := result.get("search"):
        found += search_sections(search)
    if policy := result.get("policy"):
        found += policy_sections(policy)
    return found


def search_sections(search: dict[str, Any]) -> list[Section]:
    """The scores in their order, where the best lie, the best themselves, and what mattered."""
    name, trials, ranked = metric_name(search), search["trials"], best_first(search["trials"])
    notes = [outcome_words(search), optimism_words(search), bag_words(search), refit_words(search)]
    shown = score_frame(trials).iloc[:: 1 + len(trials) // N_POINTS]
    scores = Section(
        title="The search",
        sentence="Where the line stays flat, further trials brought nothing better.",
        chart=charts.best_so_far(shown, score="validation score"),
        caption="Mark: one trial. Line: the lowest score of the complete trials until then.",
        notes=[note for note in notes if note],
        table=trial_frame(trials, name),
        label="The trials as a table",
    )
    if not ranked:
        return [scores]
    best = Section(
        title=f"The {'best trial' if len(ranked) == 1 else f'best {len(ranked[:N_BEST])} trials'}",
        sentence="What the best have in common is worth keeping; a dash stands where a choice does not exist.",
        table=choice_frame(ranked[:N_BEST], search, name),
    )
    return [scores, *_value_sections(search, ranked), best, *_importance_sections(search)]


def policy_sections(policy: dict[str, Any]) -> list[Section]:
    """The rewards by round beside those of random policies, and the policy that was found."""
    frame = pd.DataFrame(policy["rewards"], columns=["round", "reward", "kind"])
    name = METRICS.get(policy["metric"], (policy["metric"],))[0]
    notes = [difference_words(policy, name), str(policy.get("claim", ""))]
    found = [
        Section(
            title="The augmentation policy",
            sentence="Only what rises above the random policies was learned by the search.",
            chart=charts.rewards(frame, reward=f"validation {name}") if len(frame) else None,
            caption=f"Point: one proposal. Line: the mean of a round. Strategy: {policy['strategy']}.",
            notes=[note for note in notes if note],
            table=frame if len(frame) else None,
            label="The rewards as a table",
        )
    ]
    if policy.get("operations"):
        frame = pd.DataFrame(policy["operations"])
        found.append(Section(title="The policy found", sentence="What training rows go through.", table=frame))
    return found


def best_first(trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The trials that have a score, the complete ones before those that left, each by score, then by number."""
    scored = [trial for trial in trials if known(trial["score"])]
    return sorted(scored, key=lambda trial: (trial["state"] != "complete", trial["score"], trial["number"]))


def metric_name(search: dict[str, Any]) -> str:
    """What the metric is called."""
    return METRICS.get(search["metric"], (str(search["metric"]),))[0]


def outcome_words(search: dict[str, Any]) -> str:
    """How many trials there were, how they were proposed, how they ended, and which was best."""
    trials, halving = search["trials"], str(search.get("halving") or "")
    ends = Counter(trial["state"] for trial in trials)
    told = ", ".join(f"{ends[state]:,} {words}" for state, words in STATES.items() if ends[state])
    how = f"sampler {search['sampler']}" + (f", halving {halving}" if halving and halving != "none" else "")
    seconds = sum(trial["seconds"] for trial in trials if known(trial["seconds"]))
    words = f"{plural(len(trials), 'trial')} ({how}) in {number(seconds)} seconds of training: {told}."
    ranked = best_first(trials)
    if not ranked:
        return f"{words} None has a score."
    return f"{words} The best is trial {ranked[0]['number']}: {_measured(search, ranked[0]['metric'])}."


def optimism_words(search: dict[str, Any]) -> str:
    """How much better the best looks than it is, being chosen by the rows it is measured on; nothing if not known."""
    found = search.get("optimism") or {}
    if not (known(found.get("apparent")) and known(found.get("corrected"))):
        return ""
    name = str(found.get("score") or metric_name(search)).replace("_", " ")
    words = (
        "The best of many looks better than it is on the rows that chose it: "
        f"{name} {number(found['apparent'])} there, {number(found['corrected'])} expected of fresh rows"
    )
    if known(found.get("low")) and known(found.get("high")):
        words += f" (95{SPACE}% interval {number(found['low'])} to {number(found['high'])})"
    return f"{words}. The search never saw the test rows."


def bag_words(search: dict[str, Any]) -> str:
    """Which trials' recipes the networks of the bag have.

    >>> bag_words({"chosen": [{"trial": 12, "networks": 8}, {"trial": 3, "networks": 1}]})
    'The bag: 8 networks by the recipe of trial 12, 1 by that of trial 3.'
    """
    chosen = search.get("chosen") or []
    parts = [
        f"{plural(c['networks'], 'network')} by the recipe of trial {c['trial']}"
        if i == 0
        else f"{c['networks']:,} by that of trial {c['trial']}"
        for i, c in enumerate(chosen)
    ]
    return f"The bag: {', '.join(parts)}." if parts else ""


def refit_words(search: dict[str, Any]) -> str:
    """What became of the chosen networks before they answered.

    >>> refit_words({"refit": "all"})
    'Their networks were trained anew on all rows but the test rows.'
    """
    rows = {"all": "all rows but the test rows", "train": "the rows that the search trained on"}
    refit = search.get("refit")
    return f"Their networks were trained anew on {rows[refit]}." if refit in rows else ""


def difference_words(policy: dict[str, Any], name: str) -> str:
    """What the search is worth against random policies, and no more."""
    found = policy.get("difference") or {}
    if not known(found.get("estimate")):
        return "The difference to random policies is not known, so nothing is claimed."
    low, high = (found.get(name) if known(found.get(name)) else None for name in ("low", "high"))
    words = f"Difference in {name} to random policies: {number(found['estimate'])}"
    if low is None or high is None:
        return f"{words}, without an interval."
    words += f" (95{SPACE}% interval {number(low)} to {number(high)})."
    return f"{words} The interval holds 0: a difference is not shown." if low <= 0 <= high else words


def score_frame(trials: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """`trial`, `score`, `best`, `state`: the best is the lowest score of a complete trial until then."""
    best, rows = None, []
    for trial in trials:
        score = trial["score"]
        if known(score) and trial["state"] == "complete" and (best is None or score < best):
            best = score
        rows.append({"trial": trial["number"], "score": score, "best": best, "state": trial["state"]})
    return pd.DataFrame(rows, columns=["trial", "score", "best", "state"]).astype({"score": float, "best": float})


def trial_frame(trials: Sequence[dict[str, Any]], name: str) -> pd.DataFrame:
    """Every trial in its order, with what came of it."""
    rows = [
        [t["number"], t["generation"], t["state"], t["epochs"], t["score"], t["metric"], t["seconds"]] for t in trials
    ]
    return pd.DataFrame(rows, columns=["trial", "generation", "state", "epochs", "score", name, "seconds"])


def choice_frame(trials: Sequence[dict[str, Any]], search: dict[str, Any], name: str) -> pd.DataFrame:
    """What these trials chose, one column for each dimension that one of them has."""
    networks = {c["trial"]: c["networks"] for c in search.get("chosen") or []}
    names = [d["name"] for d in search["dimensions"] if any(d["name"] in trial["values"] for trial in trials)]
    rows = [
        [t["number"], t["state"], t["score"], t["metric"], networks.get(t["number"], 0)]
        + [t["values"].get(name) for name in names]
        for t in trials
    ]
    frame = pd.DataFrame(rows, columns=["trial", "state", "score", name, "in the bag", *names], dtype=object)
    return frame if networks else frame.drop(columns="in the bag")


def value_frame(trials: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """`trial`, `score`, `name`, `value`: one row for each dimension that exists for a trial."""
    rows = [
        [trial["number"], trial["score"], name, value] for trial in trials for name, value in trial["values"].items()
    ]
    return pd.DataFrame(rows, columns=["trial", "score", "name", "value"], dtype=object)


def dimension_frame(dimensions: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """`name`, `kind`, `low`, `high`, `log`, `options`."""
    return pd.DataFrame(dimensions, columns=["name", "kind", "low", "high", "log", "options"], dtype=object)


def importance_frame(search: dict[str, Any]) -> pd.DataFrame:
    """`name`, `share`, the greatest first."""
    shares = sorted(search["importance"].items(), key=lambda item: -item[1])
    return pd.DataFrame(shares, columns=["name", "share"])


def main_dimensions(search: dict[str, Any]) -> list[dict[str, Any]]:
    """The dimensions to draw, in the order of the space: where there are many, those that explain or occur most."""
    counts = Counter(name for trial in search["trials"] for name in trial["values"])
    weight = search.get("importance") or counts
    present = [d for d in search["dimensions"] if counts[d["name"]]]
    kept = sorted(present, key=lambda d: -weight.get(d["name"], 0))[:N_DIMENSIONS]
    return [d for d in present if d in kept]


def _value_sections(search: dict[str, Any], ranked: Sequence[dict[str, Any]]) -> list[Section]:
    """Where the best lie, if anything varies."""
    axes, n_axes = main_dimensions(search), len(search["dimensions"])
    if not axes:
        return []
    caption = "Line: one trial; it is broken where a dimension does not exist for the trial."
    if len(axes) < n_axes:
        by = "that explain most" if search.get("importance") else "that most trials have"
        caption += f" {len(axes)} of {n_axes} dimensions are drawn, those {by}."
    values, dimensions = value_frame(ranked[:: 1 + len(ranked) // N_LINES]), dimension_frame(axes)
    section = Section(
        title="Where the best recipes lie",
        sentence="Where the strong lines of the best meet, the choice mattered; where they spread, it did not.",
        chart=charts.parallel_coordinates(values, dimensions=dimensions, score="validation score"),
        caption=caption,
        table=choice_frame(ranked, search, metric_name(search)),
        label="What each trial chose, the best first",
    )
    return [section]


def _importance_sections(search: dict[str, Any]) -> list[Section]:
    """What mattered, if it is known."""
    if not search.get("importance"):
        return []
    shares = importance_frame(search)
    section = Section(
        title="What mattered",
        sentence="The longest bars are what to tune first; short ones may stay as they are.",
        chart=charts.importance_bars(shares.head(N_DIMENSIONS)),
        caption="Bar: what a dimension explains on its own (functional analysis of variance).",
        table=shares,
    )
    return [section]


def _measured(search: dict[str, Any], value: float | None) -> str:
    return f"{metric_name(search)} {number(value)} on validation rows"
