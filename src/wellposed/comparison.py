"""Which of several recipes is better: the same splits, seeds, batches and masks for all, and a verdict on each pair."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from wellposed.charts import critical_difference, forest
from wellposed.checks import check_number, nearest, refusal
from wellposed.document import Section, render, show
from wellposed.inputs.given import Given, read_given
from wellposed.judging import is_higher_better
from wellposed.presets import Preset
from wellposed.recipe import Recipe
from wellposed.repeats import Repeats, run_repeats
from wellposed.verdicts import Pair, Ranking, failures, frame_of, judge_pairs, rank_recipes, scope
from wellposed.words import number, percent, plural


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What came of comparing recipes.

    Attributes:
        metric: What the scores are.
        level: Of the intervals; 1 - level is the chance of any false alarm on a data set.
        paired: Whether the networks of a repeat had the same seed.
        repeats: What came of each recipe, data set by data set.
        pairs: The verdicts, data set by data set.
        ranking: Over the data sets, where there are several.
    """

    metric: str
    level: float
    paired: bool
    repeats: tuple[Repeats, ...]
    pairs: tuple[Pair, ...]
    ranking: Ranking | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers mean, and what failed."""
        return tuple(note for found in self.repeats for note in (scope(found), *failures(found)))

    def scores(self) -> pd.DataFrame:
        """Each score: one line for each data set, recipe and repeat."""
        return pd.DataFrame(
            [
                {"data": found.name, "recipe": name, "repeat": r, "score": float(score)}
                for found in self.repeats
                for name, run in found.runs.items()
                for r, score in enumerate(run.scores)
            ]
        )

    def to_frame(self) -> pd.DataFrame:
        """One line a pair."""
        return frame_of(self.pairs)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "metric": self.metric,
            "higher_is_better": is_higher_better(self.metric),
            "level": self.level,
            "paired": self.paired,
            "data": [plain(found) for found in self.repeats],
            "pairs": [asdict(pair) | {"advice": pair.advice} for pair in self.pairs],
            "ranking": None if self.ranking is None else asdict(self.ranking),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        parts = []
        for found in self.repeats:
            pairs = [pair for pair in self.pairs if pair.data == found.name]
            parts += [heading(found), means(found), table_of(pairs, level=self.level)]
            parts += ["\n".join(advice)] if (advice := advice_of(pairs)) else []
        parts += [told(self.ranking)] if self.ranking is not None else []
        return "\n\n".join([*parts, "\n".join(self.notes)])

    def show(self, *, path: str | Path | None = None) -> Path | None:
        """Show the page.

        Args:
            path: The file to write; None for a temporary one, or, in a notebook, for none.
        """
        return show(self.page(), path=path)

    def page(self) -> str:
        """A page with the differences and their intervals, and the ranks where there are several data sets."""
        sections = []
        for found in self.repeats:
            pairs = [pair for pair in self.pairs if pair.data == found.name]
            sections.append(section_of(found.name, heading(found), pairs, metric=self.metric))
        if self.ranking is not None:
            ranks = pd.DataFrame({"name": list(self.ranking.ranks), "rank": list(self.ranking.ranks.values())})
            chart = critical_difference(ranks, cliques=self.ranking.cliques, cd=self.ranking.critical_difference)
            sections.append(Section(title="All data sets", sentence=told(self.ranking), chart=chart, table=ranks))
        title = f"{', '.join(self.repeats[0].runs)} compared"
        return render(title, " ".join(self.notes), sections)


def compare(
    recipes: Mapping[str, Recipe | Preset],
    data: Given | Mapping[str, Given],
    *,
    repeats: int = 20,
    seed: int = 0,
    paired: bool = True,
    test_share: float = 0.2,
    metric: str | None = None,
    against: str | None = None,
    device: str = "auto",
    level: float = 0.95,
    progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Train recipes on the same splits from the same seeds, and judge each pair.

    Each repeat is one network of each recipe on a split of its own; networks of one structure train as one population.

    Args:
        recipes: At least two, by name: recipes, or presets that make them.
        data: A data set: loaded, a path or a name that `load` takes, or features and target; or several, by name.
        repeats: How often each is trained, each time on another split; at least two.
        seed: The same seed gives the same result.
        paired: Give the networks of a repeat the same seed; False lets the seeds differ from recipe to recipe.
        test_share: Share of the rows to test on, where the data bring no test rows.
        metric: Accuracy by default, or the root mean squared error of numbers; "auc", "cross_entropy", "mae" and so on.
        against: Judge each recipe against this one only, not all pairs.
        device: Where training runs; "auto" is a GPU where there is one.
        level: Of the intervals; 1 - level is the chance of any false alarm among the pairs of a data set.
        progress: Told the share of the work that is done, again and again.

    Raises:
        BadInput: Fewer than two recipes, data sets that ask different things, or what `load` and training refuse.
    """
    check_number("level", level, low=0, high=1, open="()")
    check_recipes(recipes)
    if against is not None and against not in recipes:
        raise refusal("against", "name one of the recipes", against, nearest(against, list(recipes)))
    given: dict[str, Given] = dict(data) if isinstance(data, Mapping) else {"": data}
    if not given:
        raise refusal("The data sets", "be at least one", 0)
    sets = {name: read_given(one, name=name or "The data") for name, one in given.items()}
    if len({one.task for one in sets.values()}) > 1:
        asked = {name: one.task for name, one in sets.items()}
        raise refusal("The data sets of one comparison", "ask the same", asked, "Compare each task alone.")
    found = [
        run_repeats(
            recipes, one, name=name, repeats=repeats, seed=seed, paired=paired, test_share=test_share, metric=metric,
            device=device, progress=None if progress is None else _part(progress, i, len(sets)),
        )
        for i, (name, one) in enumerate(sets.items())
    ]  # fmt: skip
    chosen = list(combinations(recipes, 2)) if against is None else [(n, against) for n in recipes if n != against]
    return Comparison(
        metric=found[0].metric,
        level=level,
        paired=paired,
        repeats=tuple(found),
        pairs=tuple(pair for one in found for pair in judge_pairs(one, chosen, level=level, seed=seed)),
        ranking=None if len(found) < 2 else rank_recipes(found, chosen, level=level),
    )


def check_recipes(recipes: Mapping[str, Recipe | Preset]) -> None:
    """Refuse what is no mapping of at least two names to recipes or presets."""
    if not isinstance(recipes, Mapping) or len(recipes) < 2:
        got = list(recipes) if isinstance(recipes, Mapping) else type(recipes).__name__
        raise refusal("The recipes to compare", "be at least two, by name", got)
    for name, recipe in recipes.items():
        if not isinstance(recipe, Recipe) and not callable(recipe):
            raise refusal(f"The recipe {name!r}", "be a Recipe or a preset", type(recipe).__name__)


def plain(found: Repeats) -> dict[str, Any]:
    """What came of the recipes on one data set, as plain values."""
    runs = {
        name: {
            "recipe": run.recipe.to_toml(),
            "digest": run.recipe.digest(),
            "scores": run.scores.tolist(),
            "failed": list(run.failed),
            "unanswered": list(run.unanswered),
            "epochs": run.epochs,
            "flops": run.flops,
            "seconds": run.seconds,
        }
        for name, run in found.runs.items()
    }
    own = found.data.test is not None
    rows = {"learning": found.n_learning, "test": found.n_test, "own_test": own}
    return {"name": found.name, "fingerprint": found.data.fingerprint, "rows": rows, "runs": runs}


def heading(found: Repeats) -> str:
    """What was measured, where, and how often."""
    better = "higher" if is_higher_better(found.metric) else "lower"
    n = len(next(iter(found.runs.values())).scores)
    return f"{found.name}: {found.metric} on the test rows, {better} is better, {plural(n, 'repeat')}."


def means(found: Repeats) -> str:
    """The mean score of each recipe, and how it varies over the repeats."""
    lines = [("recipe", "mean", "deviation", "epochs", "failed")]
    for name, run in found.runs.items():
        each = f"{run.epochs / len(run.scores):.0f}"
        lines.append((name, number(run.scores.mean()), number(run.scores.std(ddof=1)), each, str(len(run.failed))))
    return aligned(lines)


def table_of(pairs: Sequence[Pair], *, level: float) -> str:
    """One line a pair, for a terminal."""
    lines = [("pair", "difference", f"{level:.0%} interval", "P(better)", "p (Holm)", "cost", "verdict")]
    for pair in pairs:
        interval = f"[{number(pair.difference.low)}, {number(pair.difference.high)}]"
        numbers = (number(pair.difference.estimate), interval, percent(pair.probability), f"{pair.holm:.4f}")
        lines.append((f"{pair.first} - {pair.second}", *numbers, f"x{pair.cost:.2f}", pair.verdict))
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first and the last to the left, as words stand, the others to the right, as numbers do.

    >>> print(aligned([("name", "mean", "verdict"), ("a", "0.25", "worse")]))
    name  mean  verdict
    a     0.25  worse
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    last = len(widths) - 1
    shown = [
        [cell.ljust(width) if i in (0, last) else cell.rjust(width) for i, (cell, width) in enumerate(cells)]
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join("  ".join(line).rstrip() for line in shown)


def advice_of(pairs: Sequence[Pair]) -> list[str]:
    """What more repeats would bring, pair by pair."""
    return [f"{pair.first} against {pair.second}: {pair.advice}" for pair in pairs if pair.advice]


def told(ranking: Ranking) -> str:
    """The ranks and what they show, in sentences."""
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in sorted(ranking.ranks.items(), key=lambda item: item[1]))
    test = ranking.friedman
    alike = [f"{' = '.join(clique)}" for clique in ranking.cliques]
    apart = f"not told apart: {'; '.join(alike)}" if alike else "all are told apart"
    signed = [f"{p.first} against {p.second}: {p.verdict} (p {p.holm:.4f})" for p in ranking.pairs]
    return (
        f"Mean ranks: {ranks}. Friedman chi-square {number(test.chi_square)} (p {test.p_value:.4f}), Iman-Davenport F "
        f"{number(test.f)} (p {test.f_p_value:.4f}). Critical difference {ranking.critical_difference:.2f}; {apart}. "
        f"Signed ranks: {'; '.join(signed)}."
    )


def section_of(title: str, sentence: str, pairs: Sequence[Pair], *, metric: str) -> Section:
    """A part of a page: the differences as a forest plot, and the table behind it.

    Args:
        title: Its heading.
        sentence: What was measured.
        pairs: From top to bottom.
        metric: What the scores are.
    """
    lines = [
        {
            "label": f"{pair.first} against {pair.second}",
            "estimate": pair.difference.estimate,
            "low": pair.difference.low,
            "high": pair.difference.high,
            "verdict": pair.verdict,
        }
        for pair in pairs
    ]
    better = "higher" if is_higher_better(metric) else "lower"
    chart = forest(pd.DataFrame(lines), effect=f"difference in {metric}, {better} is better")
    table = frame_of(pairs).drop(columns="data")
    table.insert(0, "pair", [line["label"] for line in lines])
    return Section(title=title, sentence=sentence, chart=chart, notes=advice_of(pairs), table=table)


def _part(progress: Callable[[float], None], i: int, n: int) -> Callable[[float], None]:
    """Progress of the i-th of n parts."""
    return lambda share: progress((i + share) / n)
