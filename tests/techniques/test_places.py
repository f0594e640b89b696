"""Ten places: each technique acts in exactly one, through that place's own method."""

import pytest

from wellposed.techniques import TECHNIQUES, places
from wellposed.techniques.technique import Technique

PLACES = [
    kind
    for kind in vars(places).values()
    if isinstance(kind, type) and issubclass(kind, Technique) and kind is not Technique
]


def test_all_places_are_abstract() -> None:
    assert len(PLACES) == 11  # the first place has two sides: values, and whose rows
    assert all(kind.__abstractmethods__ for kind in PLACES)


@pytest.mark.parametrize("kind", TECHNIQUES.values(), ids=lambda k: k.__name__)
def test_a_technique_has_one_place_and_is_final(kind: type[Technique]) -> None:
    (base,) = kind.__bases__
    assert base in PLACES
    assert not kind.__subclasses__()
    assert all(name in vars(kind) for name in base.__abstractmethods__)


@pytest.mark.parametrize("kind", TECHNIQUES.values(), ids=lambda k: k.__name__)
def test_a_technique_lies_in_the_folder_of_its_place(kind: type[Technique]) -> None:
    folder = {"sample": "data", "weight": "weights", "layer": "layers"}
    place = kind.__bases__[0].__name__.removesuffix("Technique").lower()
    assert kind.__module__.split(".")[-2] == folder.get(place, place)
