"""Ten places: each technique acts in exactly one, through that place's own method."""

import pytest

from wellposed.techniques import TECHNIQUES, places
from wellposed.techniques.technique import Technique

PLACES = [
    kind
    for kind in vars(places).values()
    if isinstance(kind, type) and issubclass(kind, Technique) and kind not in (Technique, places.InnerTechnique)
]
FOLDERS = {
    **dict.fromkeys(("data", "sample", "growth"), "data"),
    **dict.fromkeys(("weight", "start"), "weights"),
    **dict.fromkeys(("batch", "text"), "batch"),
    **dict.fromkeys(("layer", "branch", "parametrization"), "layers"),
    **dict.fromkeys(("loss", "answer"), "loss"),
    **dict.fromkeys(("gradient", "point"), "gradient"),
    "update": "update",
    **dict.fromkeys(("average", "snapshot"), "average"),
    "end": "end",
    **dict.fromkeys(("pass", "output", "prediction"), "prediction"),
}
"""The folder of each kind of technique: ten."""


def test_all_places_are_abstract() -> None:
    assert len(set(FOLDERS.values())) == 10
    assert len(PLACES) == len(FOLDERS)
    assert all(kind.__abstractmethods__ for kind in PLACES)


@pytest.mark.parametrize("kind", TECHNIQUES.values(), ids=lambda k: k.__name__)
def test_a_technique_has_one_place_and_is_final(kind: type[Technique]) -> None:
    (base,) = kind.__bases__
    assert base in PLACES
    assert not kind.__subclasses__()
    assert all(name in vars(kind) for name in base.__abstractmethods__)


@pytest.mark.parametrize("kind", TECHNIQUES.values(), ids=lambda k: k.__name__)
def test_a_technique_lies_in_the_folder_of_its_place(kind: type[Technique]) -> None:
    place = kind.__bases__[0].__name__.removesuffix("Technique").lower()
    assert kind.__module__.split(".")[-2] == FOLDERS[place]
