"""`fit --augment auto`: a policy of augmentation is searched first, and then is one option of the space."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from wellposed.checks import refusal
from wellposed.cli.progress import leaving, show

if TYPE_CHECKING:
    from wellposed.inputs.dataset import Data
    from wellposed.study.searching import Source
    from wellposed.techniques import Policy

FILE = "policy.json"
SHARE = 0.4
"""Of the time that is left, at most, for the policy."""


class _Late(Exception):
    """The time for the policy is over."""


def find_policy(
    data: "Data",
    source: "Source",
    *,
    trials: int,
    seed: int,
    test_share: float,
    ends: float,
    device: str,
    folder: Path,
    console: Console,
    signals: list[int],
) -> "Policy | None":
    """The policy that a search finds, or has found before in this folder; None where the time was too short for one."""
    from wellposed.files import write_json
    from wellposed.study.policy import search_policy

    of = {"data": data.fingerprint, "seed": seed}
    if (folder / FILE).is_file():
        return read_policy(folder, of=of)
    recipe = base_of(source)
    began = time.monotonic()
    last = began + SHARE * (ends - began)
    with show(console) as shown:

        def look(share: float) -> None:
            shown(f"augmentation policy: {share:.0%}", share, time.monotonic() - began)
            if signals:
                raise leaving(signals)
            if time.monotonic() > last:
                raise _Late

        try:
            found = search_policy(
                data, recipe=recipe, strategy="reinforce", trials=trials, rounds=max(2, trials // 8), seed=seed,
                test_share=test_share, device=device, progress=look,  # type: ignore[arg-type]  # checked before
            )  # fmt: skip
        except _Late:
            console.print("The time was too short to search a policy of augmentation.", highlight=False)
            return None
    write_json(folder / FILE, {**of, "policy": found.policy.policy, "page": found.summary()})
    return found.policy


def read_policy(folder: Path, *, of: dict[str, Any]) -> "Policy":
    """The policy that was found before, of the same data and seed."""
    from wellposed.files import read_json
    from wellposed.techniques import Policy

    path = folder / FILE
    written = read_json(path)
    if not isinstance(written, dict) or not {"policy", "page"} <= written.keys():
        raise refusal(str(path), "be a policy that was found", "another content", "Begin in another folder.")
    for name, value in of.items():
        if written.get(name) != value:
            do = "Resume with the former, or begin in another folder."
            raise refusal(f"The {name} of {path}", f"stay {written.get(name)!r}", value, do)
    return Policy(policy=tuple(tuple(tuple(operation) for operation in sub) for sub in written["policy"]))


def read_page(folder: Path) -> dict[str, Any]:
    """What a page says of the policy, if one was searched."""
    from wellposed.files import read_json

    return {"policy": read_json(folder / FILE)["page"]} if (folder / FILE).is_file() else {}


def base_of(source: "Source") -> Any:
    """The recipe with which policies are tried: as the space is written, with no changes of batches but of labels."""
    from dataclasses import replace

    from wellposed.search_space import Space
    from wellposed.techniques import LabelSmoothing
    from wellposed.techniques.places import BatchTechnique

    recipe = source.recipe({}) if isinstance(source, Space) else source[0]
    kept = (t for t in recipe.techniques if not isinstance(t, BatchTechnique) or isinstance(t, LabelSmoothing))
    return replace(recipe, techniques=tuple(kept))


def with_policy(source: "Source", policy: "Policy | None") -> "Source":
    """The space in which the policy may be there or not."""
    from dataclasses import replace

    from wellposed.search_space import Choice, Option, Space

    if policy is None or not isinstance(source, Space):
        return source
    choice = Choice(name="policy", options=(Option("none"), Option("found", (policy,))))
    return replace(source, slots=(choice, *source.slots))
