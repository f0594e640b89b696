"""What the page says, as plain values and sentences: everything that is computed from a result stands here.

A result is the dict that `result.json` holds. A number in it may be None or not finite; both mean "not known".
"""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from wellposed.statistics import Interval, proportion_interval
from wellposed.words import METRICS, MINUS, SPACE, known, number, plural

PARTS = ("train", "validation", "test")
N_TABLE_ROWS = 200
"""Epochs that the table shows at most."""


@dataclass(frozen=True)
class Member:
    """One network, counted from 1.

    Attributes:
        number: Which one.
        ended: Epochs that it trained for; None where it was still training.
        kept: The epochs whose weights were kept: one, or one a snapshot; empty where there is none.
        scores: By part; empty for a member without weights to answer with.
        failure: Where its numbers stopped being finite, in words; empty for the others.
    """

    number: int
    ended: int | None
    kept: tuple[int, ...]
    scores: dict[str, float]
    failure: str


@dataclass(frozen=True)
class Epoch:
    """The losses of one epoch: how many members have one, their mean and their range.

    Attributes:
        epoch: Counted from 1.
        part: "train" or "validation".
        count: Members with a finite loss.
        mean: Over them.
        low: The least of them.
        high: The greatest of them.
    """

    epoch: int
    part: str
    count: int
    mean: float
    low: float
    high: float


def main_metric(result: dict[str, Any]) -> str:
    """The metric that members are judged by."""
    return "accuracy" if result["data"]["task"] == "classification" else "rmse"


def score_interval(result: dict[str, Any]) -> Interval | None:
    """The accuracy on test rows with Wilson's interval over them; None where accuracy is not measured."""
    accuracy, rows = result["metrics"]["test"].get("accuracy"), result["split"]["test"]
    if not known(accuracy) or not rows:
        return None
    return proportion_interval(round(accuracy * rows), rows)


def structure_words(recipe: dict[str, Any]) -> str:
    """The network in a few words, from the recipe's table.

    >>> structure_words({"net": {"kind": "MLP", "widths": [128, 64], "activation": "relu"}})
    'MLP with widths 128 and 64, activation relu'
    """
    net = dict(recipe.get("net", {}))
    kind, parts = str(net.pop("kind", "MLP")), []
    for name, value in net.items():
        if isinstance(value, list):
            if value:
                *rest, last = (str(v) for v in value)
                parts.append(f"{name} {', '.join(rest)} and {last}" if rest else f"{name} {last}")
        elif isinstance(value, bool):
            parts += [name] * value
        else:
            parts.append(f"{name} {value}")
    return f"{kind} with {', '.join(parts)}" if parts else kind


def technique_names(recipe: dict[str, Any]) -> list[str]:
    """The techniques of a recipe's table, in its order."""
    return [str(t["kind"]) for t in recipe.get("technique", []) if isinstance(t, dict) and "kind" in t]


def end_words(members: list[Member], recipe: dict[str, Any]) -> str:
    """How the networks that did not fail came to their end."""
    whole = [m for m in members if not m.failure]
    early = sum(1 for m in whole if m.ended and m.ended < recipe.get("epochs", 0))
    if not early:
        return "Training ran to its end; no network stopped early."
    if early == len(whole):
        return "Training ran to its end; early stopping ended it for every network."
    return f"Training ran to its end; early stopping ended it for {early} of {plural(len(whole), 'network')}."


def gap_words(result: dict[str, Any]) -> str:
    """The generalization gap of a member, in a sentence or two."""
    gap, n = result["gap"], result["members"]["usable"]
    share = gap["metric"] == "accuracy"
    estimate, low, high = gap["estimate"], gap["low"], gap["high"]
    if not known(estimate):
        return "The gap between training rows and test rows is not known."

    if estimate < 0:
        low, high = -high if known(high) else high, -low if known(low) else low

    def size(value: float) -> str:
        return f"{100 * value:.1f}".replace("-", MINUS) if share else number(value)

    unit = " percentage points" if share else ""
    if share:
        words = f"A network alone is right {size(abs(estimate))}{unit} {'less' if estimate < 0 else 'more'} often"
    else:
        words = f"The error of a network alone is {size(abs(estimate))} {'higher' if estimate < 0 else 'lower'}"
    words += " on training rows than on test rows"
    if not (known(low) and known(high)):
        return f"{words}. One network says nothing of how much that varies, so there is no interval."
    words += f"; 95{SPACE}% interval over {plural(n, 'network')}: {size(low)} to {size(high)}{unit}."
    return f"{words} The interval holds 0: a gap is not shown." if low <= 0 <= high else words


def members(result: dict[str, Any]) -> list[Member]:
    """Every network, usable or not."""
    found, scores = result["members"], result["members"][main_metric(result)]
    failures = {f["member"]: f"step {f['step']:,}, {f['where']}" for f in found["failed"]}
    every = found.get("kept_epochs", [[best] if best else [] for best in found["best_epoch"]])
    listed, place = [], 0
    for k, (kept, ended) in enumerate(zip(every, found["ended"], strict=True)):
        own = {part: scores[part][place] for part in PARTS if known(scores[part][place])} if kept else {}
        place += bool(kept)
        listed.append(Member(k + 1, ended or None, tuple(kept), own, failures.get(k, "")))
    return listed


def answering_words(result: dict[str, Any]) -> str:
    """How many networks there are, how many of them answer, and how.

    >>> answering_words({"members": {"count": 4, "usable": 3, "snapshots": 2, "passes": 50}})
    '4, of which 3 answer, each with up to 2 snapshots, asked 50 times with dropout on'
    """
    found = result["members"]
    words = f"{found['count']}, of which {found['usable']} answer"
    snapshots, passes = found.get("snapshots", 1), found.get("passes", 1)
    words += f", each with up to {snapshots} snapshots" if snapshots > 1 else ""
    return words + (f", asked {passes} times with dropout on" if passes > 1 else "")


def bagging_words(result: dict[str, Any]) -> str:
    """What the networks' errors have in common, and what their mean makes of it; nothing for one network."""
    found = result.get("bagging", {})
    n = result["members"]["usable"] * result["members"].get("snapshots", 1)
    if n < 2 or not all(known(found.get(name)) for name in ("v", "c", "predicted", "measured")):
        return ""
    brier = main_metric(result) == "accuracy"
    error, unit = ("Brier score", "") if brier else ("squared error", " of the target's variance")
    words = (
        f"One network's {error} on test rows: {number(found['v'])}{unit}; common to two: {number(found['c'])}."
        f" Predicted for all: {number(found['predicted'])}; measured: {number(found['measured'])}."
    )
    free, name = found.get("out_of_bag", {}), main_metric(result)
    if not known(free.get(name)):
        return words
    rows, them = plural(free["rows"], "training row"), "it" if free["rows"] == 1 else "them"
    score = f"{METRICS[name][0]} {number(free[name])}"
    return f"{words} Out of the bag, {rows} answered by networks not trained on {them}: {score}."


def epochs(result: dict[str, Any]) -> list[Epoch]:
    """Mean and range of the losses, epoch by epoch, train before validation; epochs without any are left out."""
    curves, rows = result["curves"], []
    for part in ("train", "validation"):
        for i, losses in enumerate(curves[f"{part}_loss"]):
            if finite := [loss for loss in losses if known(loss)]:
                rows.append(Epoch(i + 1, part, len(finite), fmean(finite), min(finite), max(finite)))
    return rows


def thinned(numbers: Sequence[int], limit: int = N_TABLE_ROWS) -> list[int]:
    """At most `limit` of the numbers, evenly, the first and the last among them.

    >>> thinned(range(1, 11), 4), thinned([1, 2], 4)
    ([1, 4, 7, 10], [1, 2])
    """
    if len(numbers) <= limit:
        return list(numbers)
    stride = math.ceil((len(numbers) - 1) / (limit - 1))
    stride += len(range(0, len(numbers) - 1, stride)) >= limit
    return [*numbers[: len(numbers) - 1 : stride], numbers[-1]]


def command(result: dict[str, Any]) -> str:
    """The command that repeats the fit, as far as the result knows it.

    A search, which is repeated as it was, needs no recipe.
    """
    data, given = result["data"], result.get("given")
    if given is None:
        words = ["wellposed", "fit", data["name"], *data.get("flags", ())]
        words += ["--target", data["target"], "--task", data["task"]]
    else:
        words = ["wellposed", "fit", given["data"]]
        for name, value in given.items():
            for one in value if isinstance(value, list) else [value]:
                words += [] if name == "data" else [f"--{name}", one]
    if "search" in result:
        found = result["search"]
        words += ["--trials", len(found["trials"]), "--sampler", found["sampler"], "--halving", found["halving"]]
        words += ["--metric", found["minimized"], "--refit", found["refit"]]
    else:
        words += ["--recipe", "recipe.toml"]
    return shlex.join(str(word) for word in [*words, "--members", result["members"]["count"], "--seed", result["seed"]])
