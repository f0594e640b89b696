"""Which techniques of a recipe earn their place: each left out in turn, and each alone.

The whole recipe is compared with itself without one technique, and each technique alone is compared with the bare
recipe, stripped of all techniques but those that scale the data and start the weights. All are trained on the same
splits from the same seeds; the verdicts of each of the two families are adjusted for their number.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from wellposed.bag import Bag
from wellposed.checks import check_number, refusal
from wellposed.comparison import aligned, heading, plain, section_of
from wellposed.document import render, show
from wellposed.errors import BadInput
from wellposed.inputs.dataset import Part, Task
from wellposed.inputs.given import Given, read_given
from wellposed.inputs.parts import split
from wellposed.judging import is_higher_better
from wellposed.presets import Preset
from wellposed.recipe import Recipe
from wellposed.repeats import Repeats, run_repeats, split_seed
from wellposed.techniques import Vote
from wellposed.techniques.places import DataTechnique, StartTechnique, WeightTechnique
from wellposed.verdicts import Pair, failures, frame_of, judge_pairs, scope
from wellposed.words import number, percent, plural

KEPT = (DataTechnique, WeightTechnique, StartTechnique)
"""What the bare recipe keeps."""
WHOLE, BARE = "whole", "bare"
Way: TypeAlias = Literal["left out", "alone"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """What is known of one technique.

    Attributes:
        technique: Its name in the recipe; a second one of a kind is `Dropout#2`.
        way: "left out" of the whole recipe, or "alone" in the bare one.
        pair: The recipe with it against the recipe without it; so "better" means that it helps. None where it was not
            tried.
        note: Why it was not tried.
    """

    technique: str
    way: Way
    pair: Pair | None
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ablation:
    """What came of taking a recipe apart.

    Attributes:
        recipe: The whole.
        bare: What is left without the techniques.
        metric: What the scores are.
        level: Of the intervals; 1 - level is the chance of any false alarm in each of the two families.
        lines: One a technique and way.
        repeats: What came of each recipe.
    """

    recipe: Recipe
    bare: Recipe
    metric: str
    level: float
    lines: tuple[Line, ...]
    repeats: Repeats

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers mean, what failed, and what was not tried."""
        untried = [f"{line.technique}, {line.way}, was not tried: {line.note}" for line in self.lines if line.note]
        return (scope(self.repeats), *failures(self.repeats), *untried)

    def to_frame(self) -> pd.DataFrame:
        """One line a technique and way: what a forest plot shows."""
        tried = [line for line in self.lines if line.pair is not None]
        frame = frame_of([line.pair for line in tried if line.pair is not None])
        frame = frame.drop(columns=["data", "first", "second"])
        frame.insert(0, "technique", [line.technique for line in tried])
        frame.insert(1, "way", [line.way for line in tried])
        return frame

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "metric": self.metric,
            "higher_is_better": is_higher_better(self.metric),
            "level": self.level,
            "recipe": self.recipe.to_toml(),
            "bare": self.bare.to_toml(),
            "lines": [asdict(line) for line in self.lines],
            "data": plain(self.repeats),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [("technique", "way", "effect", f"{self.level:.0%} interval", "P(helps)", "p (Holm)", "verdict")]
        for line in self.lines:
            if (pair := line.pair) is not None:
                interval = f"[{number(pair.difference.low)}, {number(pair.difference.high)}]"
                effect = (number(pair.difference.estimate), interval, percent(pair.probability), f"{pair.holm:.4f}")
                lines.append((line.technique, line.way, *effect, pair.verdict))
        about = f"{heading(self.repeats)} The effect of a technique is the score with it minus that without it."
        return "\n\n".join([about, aligned(lines), "\n".join(self.notes)])

    def show(self, *, path: str | Path | None = None) -> Path | None:
        """Show the page.

        Args:
            path: The file to write; None for a temporary one, or, in a notebook, for none.
        """
        return show(self.page(), path=path)

    def page(self) -> str:
        """A page with a forest plot of each family."""
        says: dict[Way, tuple[str, str]] = {
            "left out": ("Left out", "The whole recipe against the one without each technique"),
            "alone": ("Alone", "Each technique alone against the bare recipe"),
        }
        sections = []
        for way, (title, sentence) in says.items():
            tried = [line.pair for line in self.lines if line.way == way and line.pair is not None]
            if tried:
                about = f"{sentence}; {heading(self.repeats)}"
                sections.append(section_of(title, about, tried, metric=self.metric))
        n = plural(len({line.technique for line in self.lines}), "technique")
        return render(f"What {n} bring", " ".join(self.notes), sections)


def ablate(
    recipe: Recipe | Preset,
    data: Given,
    *,
    repeats: int = 20,
    seed: int = 0,
    test_share: float = 0.2,
    metric: str | None = None,
    device: str = "auto",
    level: float = 0.95,
    progress: Callable[[float], None] | None = None,
) -> Ablation:
    """Leave each technique of a recipe out in turn, and put each alone into the bare recipe.

    `Vote` is passed over: a repeat is one network. Ramps of a technique go where it goes.

    Args:
        recipe: The whole recipe, or a preset that makes it.
        data: A data set: loaded, a path or a name that `load` takes, or features and target.
        repeats: How often each recipe is trained, each time on another split; at least two.
        seed: The same seed gives the same result.
        test_share: Share of the rows to test on, where the data bring no test rows.
        metric: Accuracy by default, or the root mean squared error of numbers.
        device: Where training runs; "auto" is a GPU where there is one.
        level: Of the intervals; 1 - level is the chance of any false alarm in each of the two families.
        progress: Told the share of the work that is done, again and again.

    Raises:
        BadInput: The recipe has no technique that could be left out, or what `load` and training refuse.
    """
    check_number("level", level, low=0, high=1, open="()")
    check_number("test_share", test_share, low=0, high=1, open="()")
    found = read_given(data)
    parts = split(found, test_share=test_share, seed=split_seed(seed, 0))
    whole = recipe if isinstance(recipe, Recipe) else recipe(found.kind, len(parts.train))
    bare, variants = taken_apart(whole)
    if not variants:
        raise refusal("The recipe to take apart", "have a technique that could be left out", [])
    no_bare = why_not(bare, parts.train, found.task)
    reasons = {
        key: no_bare if key[1] == "alone" and no_bare else why_not(made, parts.train, found.task)
        for key, made in variants.items()
    }
    tried = {key: made for key, made in variants.items() if isinstance(made, Recipe) and not reasons[key]}
    recipes = {WHOLE: whole} | ({} if no_bare else {BARE: bare})
    recipes |= {name_of(*key): made for key, made in tried.items()}
    outcome = run_repeats(
        recipes, found, repeats=repeats, seed=seed, test_share=test_share, metric=metric, device=device,
        progress=progress,
    )  # fmt: skip
    pairs = {
        "left out": [(WHOLE, name_of(*key)) for key in tried if key[1] == "left out"],
        "alone": [(name_of(*key), BARE) for key in tried if key[1] == "alone"],
    }
    judged = {
        (pair.first, pair.second): pair
        for family in pairs.values()
        for pair in judge_pairs(outcome, family, level=level, seed=seed)
    }
    lines = []
    for technique, way in variants:
        name = name_of(technique, way)
        pair = judged.get((WHOLE, name) if way == "left out" else (name, BARE))
        lines.append(Line(technique=technique, way=way, pair=pair, note=reasons[technique, way]))
    return Ablation(recipe=whole, bare=bare, metric=outcome.metric, level=level, lines=tuple(lines), repeats=outcome)


def taken_apart(whole: Recipe) -> tuple[Recipe, dict[tuple[str, Way], Recipe | BadInput]]:
    """The bare recipe; and, by technique and way, each recipe that differs from it or the whole by this one technique.

    Where the rest of a recipe cannot do without a technique, the refusal stands in its place.
    """
    names = list(whole.named())[1:]  # without the optimizer
    judged = [i for i, t in enumerate(whole.techniques) if not isinstance(t, Vote)]
    kept = [i for i, t in enumerate(whole.techniques) if isinstance(t, KEPT)]
    everything = range(len(whole.techniques))
    found: dict[tuple[str, Way], Recipe | BadInput] = {}
    for i in judged:
        found[names[i], "left out"] = attempted(whole, [j for j in everything if j != i])
    for i in judged:
        if i not in kept:
            found[names[i], "alone"] = attempted(whole, sorted([*kept, i]))
    return with_only(whole, kept), found


def attempted(whole: Recipe, kept: Sequence[int]) -> Recipe | BadInput:
    """The recipe with these techniques only, or why there is none."""
    try:
        return with_only(whole, kept)
    except BadInput as error:
        return error


def with_only(recipe: Recipe, kept: Sequence[int]) -> Recipe:
    """The recipe with these of its techniques only, and with their ramps, under the names that they carry then.

    >>> from wellposed.techniques import L2, Dropout, He
    >>> list(with_only(Recipe(techniques=(He(), Dropout(), Dropout(), L2())), [0, 2]).named())
    ['optimizer', 'He', 'Dropout']

    Args:
        recipe: The whole.
        kept: Positions among its techniques, rising.
    """
    before = list(recipe.named())[1:]
    fewer = replace(recipe, techniques=tuple(recipe.techniques[i] for i in kept), ramps=())
    renamed = dict(zip([before[i] for i in kept], list(fewer.named())[1:], strict=True))
    ramps = []
    for ramp in recipe.ramps:
        owner, _, strength = ramp.strength.rpartition(".")
        if owner in renamed:
            ramps.append(replace(ramp, strength=f"{renamed[owner]}.{strength}"))
    return replace(fewer, ramps=tuple(ramps))


def why_not(made: Recipe | BadInput, train: Part, task: Task) -> str:
    """Why a recipe cannot be trained on these rows; empty where it can."""
    if isinstance(made, BadInput):
        return str(made)
    try:
        Bag.prepare(train, task=task, recipe=made, members=1, seed=0)
    except BadInput as error:
        return str(error)
    return ""


def name_of(technique: str, way: Way) -> str:
    """What a recipe is called."""
    return f"without {technique}" if way == "left out" else f"{technique} alone"
