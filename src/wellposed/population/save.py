"""A population in the middle of training, in a folder and back: tensors and JSON, consistent whenever it is killed."""

from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.files import read_json, read_tensors, sha256, write_json, write_tensors
from wellposed.population.population import Population
from wellposed.population.record import Failure

FORMAT = 1


def save_training(population: Population, folder: Path) -> None:
    """Write all that training needs to go on.

    The tensors go to a new file; the manifest, which is replaced last, names it. So a process that is killed at any
    moment leaves the old or the new training, whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state, record = population.state, population.record
    tensors = {
        "ids": state.ids,
        "seeds": state.seeds,
        "loss_sum": state.loss_sum,
        "best_score": record.best_score,
        "best_epoch": record.best_epoch,
        "ended": record.ended,
        **{f"parameters/{name}": t for name, t in state.parameters.items()},
        **{f"buffers/{name}": t for name, t in state.buffers.items()},
        **{f"means/{name}": t for name, t in state.means.items()},
        **{f"strengths/{name}": t for name, t in state.strengths.items() if isinstance(t, Tensor)},
        **{f"slots/{slot}/{name}": t for slot, named in state.slots.items() for name, t in named.items()},
        **{f"best/{name}": t for name, t in record.best.items()},
        **({} if state.owned is None else {"owned": state.owned}),
        **{name: torch.stack(rows) for name, rows in curves(population).items() if rows},
    }
    names = (f"training-{state.step}-{i}.safetensors" for i in count())
    file = next(name for name in names if not (folder / name).exists())
    write_tensors(folder / file, {name: t.cpu() for name, t in tensors.items()})
    failures = {str(k): asdict(failure) for k, failure in record.failures.items()}
    manifest = {**identity(population), "step": state.step, "failures": failures, "seconds": record.seconds}
    manifest["fired"] = sorted(record.fired)
    write_json(folder / "training.json", manifest | {"file": file, "sha256": sha256(folder / file)})
    for old in folder.glob("training-*.safetensors"):
        if old.name != file:
            old.unlink()


def resume_training(population: Population, folder: Path) -> None:
    """Put a population, built as the saved one was, where the saved one stood.

    Raises:
        BadInput: Nothing was saved there, it is damaged, or it belongs to another recipe, size or seed.
    """
    path = folder / "training.json"
    if not path.is_file():
        raise BadInput(f"{folder} must hold a training to resume. Got no training.json in it.")
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not {"step", "failures"} <= manifest.keys():
        raise BadInput(f"{path} must be the manifest of a training. Got another content.")
    for key, mine in identity(population).items():
        if manifest.get(key) != mine:
            raise BadInput(f"{path} must belong to this run. Got another {key}: {manifest.get(key)!r}, not {mine!r}.")
    file = folder / Path(str(manifest.get("file"))).name
    if not file.is_file() or sha256(file) != manifest.get("sha256"):
        raise BadInput(f"{file} is damaged: its SHA-256 differs from the manifest's. Train again with a new --out.")
    tensors = {name: t.to(population.device) for name, t in read_tensors(file).items()}
    state, record = population.state, population.record
    best = _under(tensors, "best")
    if {name: t.shape for name, t in best.items()} != {name: t.shape for name, t in record.best.items()}:
        raise BadInput(f"{file} must belong to this network. Got tensors of other names or shapes.")
    population.state = replace(
        state,
        ids=tensors["ids"],
        seeds=tensors["seeds"],
        loss_sum=tensors["loss_sum"],
        parameters=_under(tensors, "parameters"),
        buffers=_under(tensors, "buffers"),
        means=_under(tensors, "means"),
        strengths={**state.strengths, **_under(tensors, "strengths")},
        slots={slot: _under(tensors, f"slots/{slot}") for slot in state.slots},
        owned=tensors.get("owned"),
        step=manifest["step"],
    )
    record.best_score, record.best_epoch, record.ended = (
        tensors[name] for name in ("best_score", "best_epoch", "ended")
    )
    record.best = best
    record.fired = {int(i) for i in manifest.get("fired", [])}
    record.seconds = float(manifest.get("seconds", 0.0))
    record.failures = {int(k): Failure(**failure) for k, failure in manifest["failures"].items()}
    for name, rows in curves(population).items():
        rows[:] = list(tensors[name]) if name in tensors else []


def curves(population: Population) -> dict[str, list[Tensor]]:
    """The record's curves by name."""
    return {"train_loss": population.record.train_loss, "validation_loss": population.record.validation_loss}


def identity(population: Population) -> dict[str, Any]:
    """What must agree between a saved training and the population that takes it up."""
    return {
        "format": FORMAT,
        "recipe": population.recipe.digest(),
        "strengths": population.strengths_digest,
        "members": len(population),
        "seeds": population.seeds.tolist(),
        "dtype": str(population.dtype),
    }


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}
