"""A committee: bags of different recipes that answer together, each network with one voice.

A bag holds networks of one structure. What a search finds best together has often several structures; then there is a
bag for each of them, and the committee's answer is the mean over all networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from wellposed.bag import FORMAT, Bag, own_version
from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.files import read_json, write_json
from wellposed.inputs.dataset import Features, Task
from wellposed.inputs.encode import Target
from wellposed.inputs.encoders import Encoder

MANIFEST = "committee.json"


@dataclass(frozen=True, eq=False)
class Committee:
    """Bags that were trained on the same rows.

    Attributes:
        bags: One at least.
    """

    bags: tuple[Bag, ...]

    @property
    def task(self) -> Task:
        """What is asked."""
        return self.bags[0].task

    @property
    def target(self) -> Target:
        """Raw targets to codes or scaled numbers, and back."""
        return self.bags[0].target

    @property
    def encoder(self) -> Encoder:
        """What raw rows must look like."""
        return self.bags[0].encoder

    def answer(self, features: Features) -> Float[np.ndarray, "N C"]:
        """Class probabilities, in the order of `target.classes`; or one column of numbers in the target's own unit."""
        return np.average([bag.answer(features) for bag in self._heard()], axis=0, weights=voices(self._heard()))

    def predict(self, features: Features) -> np.ndarray:
        """The class of each row, as it was written in the training data; or a number in the target's own unit."""
        answer = self.answer(features)
        return self.target.decode(answer.argmax(1)) if self.task == "classification" else answer[:, 0]

    def save(self, folder: Path) -> None:
        """Write the model folder: that of the bag, or of several a folder each, and last of all a list of them."""
        if len(self.bags) == 1:
            self.bags[0].save(folder)
            return
        heard = self._heard()
        for number, bag in enumerate(heard):
            bag.save(folder / str(number))
        names = [str(number) for number in range(len(heard))]
        write_json(folder / MANIFEST, {"format": FORMAT, "wellposed": own_version(), "bags": names})

    @classmethod
    def load(cls, folder: Path, *, device: str | torch.device = "cpu") -> "Committee":
        """Read a model folder.

        Raises:
            BadInput: The folder is no model, is newer than this package, or a file is missing or damaged.
        """
        path = folder / MANIFEST
        if not path.is_file():
            return cls((Bag.load(folder, device=device),))
        manifest = read_json(path)
        names = manifest.get("bags") if isinstance(manifest, dict) else None
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise BadInput(f"{path} must list the bags of a model. Got another content. Restore it, or train again.")
        if manifest.get("format", 0) > FORMAT:
            newer = f"{folder} has format {manifest['format']}, this wellposed reads up to {FORMAT}"
            raise BadInput(f"{newer}. It was written by wellposed {manifest.get('wellposed')}: upgrade.")
        if any(Path(name).name != name for name in names):
            raise refusal(str(path), "name folders beside it", names)
        return cls(tuple(Bag.load(folder / name, device=device) for name in names))

    def _heard(self) -> list[Bag]:
        """The bags with a network that can answer."""
        return [bag for bag in self.bags if len(bag.population.usable())]


def voices(bags: Sequence[Bag]) -> list[int]:
    """How many networks of each bag can answer; a network with several snapshots has one voice."""
    return [len(set(bag.population.networks().tolist())) for bag in bags]
