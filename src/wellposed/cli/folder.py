"""The result folder of a fit: claimed or taken up again, held for the work, removed where nothing came of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wellposed.checks import refusal
from wellposed.errors import BadInput

TRAINING = "training"
"""The folder in it where trainings are saved now and then."""
MARKS = ("study.db", "policy.json", "result.json")
"""By any of these a folder is known for that of a run."""
PARTS = (*MARKS, "recipe.toml", "model", TRAINING, "report.html")
"""What a run puts there."""


@contextmanager
def held(folder: Path, *, resume: bool) -> Iterator[bool]:
    """Hold the folder for the block, which is told whether there is something in it to go on from.

    Where the block of a new run refuses before a trial or a saved training is there, all is as it was before.

    Args:
        folder: New or empty; or, to resume, that of an unfinished run.
        resume: Whether to go on.

    Raises:
        BadInput: It is not what it must be, or another process holds it.
    """
    from wellposed.files import claim_folder
    from wellposed.study.lock import hold

    new = not folder.exists()
    if resume:
        check_unfinished(folder)
    else:
        claim_folder(folder)
    with hold(folder):
        names = entries(folder)  # another process may have been there until now
        if resume:
            check_unfinished(folder)
            sweep(folder)
        elif names:
            raise refusal("--out", "be a new or empty folder", str(folder), f"It holds {names[0]!r}. Name another.")
        try:
            yield resume and bool(names)
        except BadInput:
            if not resume and not is_worth_keeping(folder):
                with suppress(OSError):  # on Windows the lock stays: it is in use
                    empty(folder, remove=new)
            raise


def check_unfinished(folder: Path) -> None:
    """Refuse to resume what is no run, or one that is finished; a run that was killed at once left an empty folder."""
    what, must = "--resume", "name the folder of an unfinished run"
    if not folder.exists():
        raise refusal(what, must, str(folder), "There is none: begin without --resume.")
    names = entries(folder)
    strange = [name for name in names if name not in PARTS]
    if strange and not any(name in MARKS for name in names):
        raise refusal(what, must, str(folder), f"It holds {strange[0]!r} and no run. Begin in another.")
    if is_finished(folder) and (folder / "report.html").is_file():
        raise refusal(what, must, str(folder), "That run is finished.")


def entries(folder: Path) -> list[str]:
    """What is in a folder, but for its lock and for files that are being written, or that a killed process left so.

    Raises:
        BadInput: It is no folder, or cannot be read.
    """
    from wellposed.study.lock import NAME

    try:
        return sorted(e.name for e in folder.iterdir() if e.name != NAME and not e.name.startswith(".tmp-"))
    except OSError as error:
        raise refusal(str(folder), "be a folder that can be read", error.strerror or str(error)) from error


def is_finished(folder: Path) -> bool:
    """Whether a whole run has put its result here."""
    from wellposed.files import read_json

    path = folder / "result.json"
    if not path.is_file():
        return False
    result = read_json(path)
    interrupted = result.get("interrupted") if isinstance(result, dict) else None
    if not isinstance(interrupted, bool):
        raise refusal(str(path), "be the result of a run", "another content", "Begin in another folder.")
    return not interrupted


def sweep(folder: Path) -> None:
    """Remove the files that a process was writing when it was killed."""
    for place in (folder, folder / "model", *(folder / "model").glob("*/")):
        for file in place.glob(".tmp-*"):
            file.unlink(missing_ok=True)


def is_worth_keeping(folder: Path) -> bool:
    """Whether a trial has ended here, or a training was saved, as far as can be seen."""
    from wellposed.study.search import STORE
    from wellposed.study.store import Store

    if (folder / STORE).is_file():
        try:
            with Store.open(folder / STORE, readonly=True) as store:
                if any(trial.state != "queued" for trial in store.trials()):
                    return True
        except BadInput:  # the disk is full, say
            return True
    return any((folder / TRAINING).glob("*/training.json"))


def empty(folder: Path, *, remove: bool) -> None:
    """Take away what is in a folder that was claimed, and the folder itself where it was new."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    if remove:
        folder.rmdir()
