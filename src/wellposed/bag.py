"""A bag: networks of one recipe trained on one data set, with all that is needed to answer for new rows."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.files import read_json, read_tensors, sha256, write_json, write_tensors
from wellposed.inputs.dataset import Features, Part, Rows, Task, Texts
from wellposed.inputs.encode import TableEncoder, Target
from wellposed.inputs.encoders import ENCODERS, FORMS, Encoder, fit_encoder, kind_of
from wellposed.inputs.sequences import SequenceEncoder, within
from wellposed.inputs.text import TextEncoder
from wellposed.nets.net import Inputs
from wellposed.population.population import Population, Progress
from wellposed.recipe import Recipe
from wellposed.techniques.places import DataTechnique, TextTechnique

FORMAT = 2
"""Of the model folder; a reader refuses what is newer than itself. 1 had one recipe for all members."""


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
        recipe: Recipe | Sequence[Recipe],
        members: int,
        seed: int | Sequence[int],
        weight: np.ndarray | None = None,
        infinite_is_missing: bool = False,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> "tuple[Bag, Rows]":
        """An untrained bag, fitted to training rows as far as encoding and scaling go; and those rows, encoded.

        Where the recipe makes further versions of texts, these follow as rows of their own.

        Args:
            train: The rows to train on.
            task: What is asked.
            recipe: What each member is; or one recipe a member, of one structure.
            members: How many, where there is one recipe.
            seed: Of the population; or one seed a member.
            weight: `N` weights of the rows, or None.
            infinite_is_missing: Take infinities in a table as missing instead of refusing them.
            dtype: Of the networks: float32 or float64.
            device: Where they train.
        """
        recipes, recipe = recipe, recipe if isinstance(recipe, Recipe) else recipe[0]
        texts = with_versions(train.features, recipe)
        encoder = fit_encoder(texts, infinite_is_missing=infinite_is_missing)
        refuse_misplaced(recipe, encoder)
        target = Target.fit(train.target, task, weight)
        times = len(texts) // len(train.features)
        x, codes = encoder.encode(texts, dtype=dtype)  # type: ignore[arg-type]
        weights = None if weight is None else torch.as_tensor(weight, dtype=dtype).repeat(times)
        fitted = []
        for technique in recipe.of(DataTechnique):
            fitted.append(technique.fit(*real_rows(x, codes, weights, encoder)))
            x = scaled(technique, x, codes, fitted[-1], encoder)
        population = Population(
            recipes,
            inputs=inputs_of(encoder, x),
            outputs=len(target.classes) if task == "classification" else 1,
            task=task,
            members=members,
            seed=seed,
            dtype=dtype,
            device=device,
        )
        y = target.encode(train.target, dtype)
        rows = Rows(x, codes, y.repeat(times, *[1] * (y.dim() - 1)), weights, words_of(encoder))
        return cls(task, encoder, target, tuple(fitted), population), rows

    def rows(self, features: Features, target: np.ndarray | None = None, weight: np.ndarray | None = None) -> Rows:
        """Raw rows as the networks see them; without a target, `y` is all zeros."""
        dtype = self.population.dtype
        x, codes = self.encoder.encode(features, dtype=dtype)  # type: ignore[arg-type]
        for technique, fitted in zip(self.population.recipe.of(DataTechnique), self.fitted, strict=True):
            x = scaled(technique, x, codes, fitted, self.encoder)
        if target is None:
            y = torch.zeros(len(x), dtype=torch.int64)
        else:
            y = self.target.encode(target, dtype)
        weights = None if weight is None else torch.as_tensor(weight, dtype=dtype)
        return Rows(x, codes, y, weights, words_of(self.encoder))

    def train(self, rows: Rows, validation: Rows | None) -> Iterator[Progress]:
        """Train all members; see `Population.train`."""
        return self.population.train(rows, validation)

    def refuse_untrained(self) -> None:
        """Raise BadInput where no network has weights to answer with, saying where the first one failed."""
        record = self.population.record
        if len(self.population.usable()):
            return
        got, do = "none: it was left before its first step", ""
        if record.failures:
            member, failure = min(record.failures.items())
            got = f"none: member {member} failed at step {failure.step} in {failure.where}"
            do = "Lower the learning rate."
        raise refusal("Training", "give finite numbers in at least one member", got, do)

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
        for i, fitted in enumerate(population.corrections):
            scales |= {f"correction.{i}.{name}": t.cpu() for name, t in fitted.items()}
        write_tensors(folder / "scales.safetensors", scales)
        manifest = {
            "format": FORMAT,
            "wellposed": own_version(),
            "task": self.task,
            "kind": kind_of(self.encoder),
            "encoder": self.encoder.to_json(),
            "target": self.target.to_json(),
            "recipes": [population.recipes[k].to_toml() for k in population.networks().tolist()],
            "inputs": asdict(population.inputs),
            "corrections": len(population.corrections),
            "outputs": population.outputs,
            "members": len(ids),
            "seeds": population.seeds_of_usable().tolist(),
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
        written = manifest["recipes"] if manifest["format"] > 1 else [manifest["recipe"]] * manifest["members"]
        read = {text: Recipe.from_toml(text, file=str(folder / "manifest.json")) for text in dict.fromkeys(written)}
        recipe, inputs = read[written[0]], manifest["inputs"]
        population = Population(
            [read[text] for text in written],
            inputs=Inputs(tuple(inputs["shape"]), tuple(inputs["cardinalities"]), inputs.get("vocabulary", 0)),
            outputs=manifest["outputs"],
            task=manifest["task"],
            seed=manifest.get("seeds", 0),
            dtype={"float32": torch.float32, "float64": torch.float64}[manifest["dtype"]],
            device=device,
        )
        population.restore(read_tensors(folder / "weights.safetensors"))
        scales = read_tensors(folder / "scales.safetensors")
        fitted = tuple(_beneath(scales, f"{i}.") for i in range(len(recipe.of(DataTechnique))))
        corrections = [_beneath(scales, f"correction.{i}.") for i in range(manifest.get("corrections", 0))]
        population.corrections = [{name: t.to(device) for name, t in found.items()} for found in corrections]
        encoder = ENCODERS[manifest["kind"]].from_json(manifest["encoder"])
        return cls(manifest["task"], encoder, Target.from_json(manifest["target"]), fitted, population)


def with_versions(features: Features, recipe: Recipe) -> Features:
    """Texts, and behind them the other versions that the recipe's text techniques make; other features unchanged."""
    techniques = recipe.of(TextTechnique)
    if not techniques or not isinstance(features, Texts):
        return features
    texts = [str(text) for text in features.values]
    versions = [np.array([*technique.texts(texts), None], dtype=object)[:-1] for technique in techniques]
    return Texts(np.concatenate([features.values, *versions]), features.column)


def refuse_misplaced(recipe: Recipe, encoder: Encoder) -> None:
    """Refuse techniques for texts where there are none, and scales of numbers where there are none."""
    of_texts = isinstance(encoder, TextEncoder)
    for technique in recipe.of(DataTechnique) if of_texts else recipe.of(TextTechnique):
        must = "go with numbers" if of_texts else "go with texts"
        raise refusal(type(technique).__name__, must, FORMS[kind_of(encoder)], "Leave it out of the recipe.")


def inputs_of(encoder: Encoder, x: Tensor) -> Inputs:
    """What one row looks like to a network."""
    cardinalities = encoder.cardinalities if isinstance(encoder, TableEncoder) else ()
    return Inputs(tuple(x.shape[1:]), cardinalities, len(words_of(encoder)))


def words_of(encoder: Encoder) -> tuple[str, ...]:
    """The word of each token; none where the data are no texts."""
    return encoder.words if isinstance(encoder, TextEncoder) else ()


def real_rows(x: Tensor, codes: Tensor, weight: Tensor | None, encoder: Encoder) -> tuple[Tensor, Tensor | None]:
    """The rows that a scale is fitted to, and their weights: those given, or the steps of sequences without padding."""
    if not isinstance(encoder, SequenceEncoder):
        return x, weight
    lengths = codes[:, 0]
    return x[within(lengths, encoder.length)], None if weight is None else weight.repeat_interleave(lengths)


def scaled(technique: DataTechnique, x: Tensor, codes: Tensor, fitted: dict[str, Tensor], encoder: Encoder) -> Tensor:
    """Rows as a data technique makes them; of sequences step by step, the padding staying 0."""
    if not isinstance(encoder, SequenceEncoder):
        return technique.data(x, fitted)
    real = within(codes[:, 0], encoder.length)
    out = torch.zeros_like(x)
    out[real] = technique.data(x[real], fitted)
    return out


def _beneath(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def own_version() -> str:
    """The installed version of this package; "0+unknown" where it is used without being installed."""
    try:
        return version("wellposed")
    except PackageNotFoundError:
        return "0+unknown"
