"""What a person wants to know first, on standard output."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from wellposed.fit import Fit


def summarize(fitting: "Fit", result: dict[str, Any], folder: Path) -> None:
    """What a person wants to know first, on standard output."""
    from rich.table import Table

    from wellposed.report.facts import answering_words, bagging_words

    console = Console(highlight=False, soft_wrap=True)
    data, count, gap = result["data"], result["members"], result["gap"]
    parts = ", ".join(f"{n} {part}" for part, n in result["split"].items())
    rows = {"table": "rows", "sequence": "sequences"}.get(data["kind"], data["kind"].rstrip("s") + "s")
    asked = f"{data['task']} of {escape(repr(data['target']))}"
    console.print(f"[bold]{escape(data['name'])}[/]: {asked}; {rows}: {parts}")
    for note in result["notes"]:
        console.print(f"  note: {escape(note)}")
    if fitting.study is not None:
        console.print(escape(search_summary(result["search"])))
    nets = dict.fromkeys(str(bag.population.recipe.net) for bag in fitting.committee.bags)
    console.print(f"{count['count']} networks, {escape('; '.join(nets))}")
    if count["snapshots"] > 1 or count["passes"] > 1:
        console.print(f"  networks: {answering_words(result)}")
    for failed in count["failed"]:
        console.print(f"  member {failed['member']} failed at step {failed['step']} in {escape(failed['where'])}")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    names = list(result["metrics"]["test"])
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for part, metrics in result["metrics"].items():
        table.add_row(part, *(f"{metrics[name]:.4f}" if name in metrics else "-" for name in names))
    console.print(table)
    console.print(
        f"generalization gap of one network, {gap['metric']}: {gap['estimate']:.4f}"
        f" \\[{gap['low']:.4f}, {gap['high']:.4f}] at {gap['level']:.0%}"
    )
    if told := bagging_words(result):
        console.print(escape(told))
    console.print(f"{result['seconds']:.1f} s. Look at [bold]{escape(str(folder / 'report.html'))}[/]")


def search_summary(found: dict[str, Any]) -> str:
    """What the search did, in a few lines."""
    count = {state: sum(t["state"] == state for t in found["trials"]) for state in ("complete", "pruned", "failed")}
    states = ", ".join(f"{n} {state}" for state, n in count.items() if n)
    chosen = ", ".join(f"{c['networks']} of trial {c['trial']}" for c in found["chosen"])
    rows = "all but the test rows" if found["refit"] == "all" else "the training rows"
    lines = [
        f"{len(found['trials'])} trials ({states}) in {found['seconds']:.1f} s",
        f"networks: {chosen}; trained on {rows}",
    ]
    if (told := found["optimism"]) is not None:
        name = told["score"].replace("_", " ")
        lines.append(
            f"the best trial's {name} is {told['apparent']:.4f} on the validation rows that chose it;"
            f" on new rows expect {told['corrected']:.4f} [{told['low']:.4f}, {told['high']:.4f}]"
        )
    return "\n".join(lines)
