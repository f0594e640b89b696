"""A bag: networks of one recipe trained on one data set, with all that is needed to answer for new rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.files import read_json, read_tensors, sha256, write_json, write_tensors
from wellposed.inputs.dataset import Features, Part, Rows, Task
from wellposed.inputs.encode import ImageEncoder, TableEncoder, Target
from wellposed.nets.net import Inputs
from wellposed.population.population import Population, Progress
from wellposed.recipe import Recipe
from wellposed.techniques.places import DataTechnique

Encoder: TypeAlias = TableEncoder | ImageEncoder
FORMAT = 1
"""Of the model folder; a reader refuses what is newer than itself."""
ENCODERS: dict[str, type[TableEncoder] | type[ImageEncoder]] = {"table": TableEncoder, "images": ImageEncoder}


@dataclass(frozen=True, eq=False)
class Bag:
    """Networks of one recipe, and how raw rows become what they see.

    Attributes:
        task: What is asked.
        encoder: Raw features to numbers and codes, fitted on the training rows.
        target: Raw targets to codes or scaled numbers, and back.
        fitted: What each of the recipe's data techniques remembers of the training rows, in their order.
        population: The networks.
    """

    task: Task
    encoder: Encoder
    target: Target
    fitted: tuple[dict[str, Tensor], ...]
    population: Population

    @classmethod
    def prepare(
        cls,
        train: Part,
        *,
        task: Task,
        recipe: Recipe,
        members: int,
        seed: int,
        weight: np.ndarray | None = None,
        infinite_is_missing: bool = False,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> "tuple[Bag, Rows]":
        """An untrained bag, fitted to training rows as far as encoding and scaling go; and those rows, encoded.

        Args:
            train: The rows to train on.
            task: What is asked.
            recipe: What each member is.
            members: How many.
            seed: Of the population.
            weight: `N` weights of the rows, or None.
            infinite_is_missing: Take infinities in a table as missing instead of refusing them.
            dtype: Of the networks: float32 or float64.
            device: Where they train.
        """
        encoder: Encoder
        if isinstance(train.features, pd.DataFrame):
            encoder = TableEncoder.fit(train.features, infinite_is_missing=infinite_is_missing)
        else:
            encoder = ImageEncoder.fit(train.features)
        target = Target.fit(train.target, task, weight)
        x, codes = encoder.encode(train.features, dtype=dtype)  # type: ignore[arg-type]
        weights = None if weight is None else torch.as_tensor(weight, dtype=dtype)
        fitted = []
        for technique in recipe.of(DataTechnique):
            fitted.append(technique.fit(x, weights))
            x = technique.data(x, fitted[-1])
        cardinalities = encoder.cardinalities if isinstance(encoder, TableEncoder) else ()
        population = Population(
            recipe,
            inputs=Inputs(tuple(x.shape[1:]), cardinalities),
            outputs=len(target.classes) if task == "classification" else 1,
            task=task,
            members=members,
            seed=seed,
            dtype=dtype,
            device=device,
        )
        rows = Rows(x, codes, target.encode(train.target, dtype), weights)
        return cls(task, encoder, target, tuple(fitted), population), rows

    def rows(self, features: Features, target: np.ndarray | None = None, weight: np.ndarray | None = None) -> Rows:
        """Raw rows as the networks see them; without a target, `y` is all zeros."""
        dtype = self.population.dtype
        x, codes = self.encoder.encode(features, dtype=dtype)  # type: ignore[arg-type]
        for technique, fitted in zip(self.population.recipe.of(DataTechnique), self.fitted, strict=True):
            x = technique.data(x, fitted)
        if target is None:
            y = torch.zeros(len(x), dtype=torch.int64)
        else:
            y = self.target.encode(target, dtype)
        return Rows(x, codes, y, None if weight is None else torch.as_tensor(weight, dtype=dtype))

    def train(self, rows: Rows, validation: Rows | None) -> Iterator[Progress]:
        """Train all members; see `Population.train`."""
        return self.population.train(rows, validation)

    def answer(self, features: Features) -> Float[np.ndarray, "N C"]:
        """Class probabilities, in the order of `target.classes`; or one column of numbers in the target's own unit."""
        answer = self.population.predict(self.rows(features)).double().cpu().numpy()
        return answer if self.task == "classification" else self.target.decode(answer).reshape(-1, 1)

    def predict(self, features: Features) -> np.ndarray:
        """The class of each row, as it was written in the training data; or a number in the target's own unit."""
        answer = self.answer(features)
        return self.target.decode(answer.argmax(1)) if self.task == "classification" else answer[:, 0]

    def save(self, folder: Path) -> None:
        """Write the model folder: tensors and JSON, no pickle. The manifest comes last, with a digest of each file."""
        folder.mkdir(parents=True, exist_ok=True)
        population = self.population
        ids = population.usable()
        write_tensors(folder / "weights.safetensors", {n: t[ids].cpu() for n, t in population.record.best.items()})
        scales = {f"{i}.{name}": t for i, fitted in enumerate(self.fitted) for name, t in fitted.items()}
        write_tensors(folder / "scales.safetensors", scales)
        manifest = {
            "format": FORMAT,
            "wellposed": own_version(),
            "task": self.task,
            "kind": "table" if isinstance(self.encoder, TableEncoder) else "images",
            "encoder": self.encoder.to_json(),
            "target": self.target.to_json(),
            "recipe": population.recipe.to_toml(),
            "inputs": {"shape": list(population.inputs.shape), "cardinalities": list(population.inputs.cardinalities)},
            "outputs": population.outputs,
            "members": len(ids),
            "dtype": str(population.dtype).removeprefix("torch."),
            "files": {name: sha256(folder / name) for name in ("weights.safetensors", "scales.safetensors")},
        }
        write_json(folder / "manifest.json", manifest)

    @classmethod
    def load(cls, folder: Path, *, device: str | torch.device = "cpu") -> "Bag":
        """Read a model folder.

        Raises:
            BadInput: The folder is no model, is newer than this package, or a file is missing or damaged.
        """
        path = folder / "manifest.json"
        if not path.is_file():
            raise BadInput(f"{folder} must hold a model. Got no manifest.json in it. Give a folder that `fit` wrote.")
        manifest = read_json(path)
        try:
            return cls._from_manifest(folder, manifest, device)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(f"{path} is damaged: {type(error).__name__} {error}. Restore or train again.") from error

    @classmethod
    def _from_manifest(cls, folder: Path, manifest: dict[str, Any], device: str | torch.device) -> "Bag":
        if manifest["format"] > FORMAT:
            newer = f"{folder} has format {manifest['format']}, this wellposed reads up to {FORMAT}"
            raise BadInput(f"{newer}. It was written by wellposed {manifest['wellposed']}: upgrade.")
        for name, digest in manifest["files"].items():
            if Path(name).name != name or not (folder / name).is_file():
                raise BadInput(f"{folder} must hold the file {name!r}. Got none. Restore it, or train again.")
            if sha256(folder / name) != digest:
                raise BadInput(f"{folder / name} is damaged: its SHA-256 differs from the manifest's. Train again.")
        recipe = Recipe.from_toml(manifest["recipe"], file=str(folder / "manifest.json"))
        population = Population(
            recipe,
            inputs=Inputs(tuple(manifest["inputs"]["shape"]), tuple(manifest["inputs"]["cardinalities"])),
            outputs=manifest["outputs"],
            task=manifest["task"],
            members=manifest["members"],
            dtype={"float32": torch.float32, "float64": torch.float64}[manifest["dtype"]],
            device=device,
        )
        population.restore(read_tensors(folder / "weights.safetensors"))
        scales = read_tensors(folder / "scales.safetensors")
        fitted = tuple(
            {name.split(".", 1)[1]: t for name, t in scales.items() if name.startswith(f"{i}.")}
            for i in range(len(recipe.of(DataTechnique)))
        )
        encoder = ENCODERS[manifest["kind"]].from_json(manifest["encoder"])
        return cls(manifest["task"], encoder, Target.from_json(manifest["target"]), fitted, population)


def own_version() -> str:
    """The installed version of this package; "0+unknown" where it is used without being installed."""
    try:
        return version("wellposed")
    except PackageNotFoundError:
        return "0+unknown"
