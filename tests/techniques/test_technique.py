"""Values, their strengths and their structure."""

from dataclasses import FrozenInstanceError, dataclass

import pytest
import torch

from wellposed.errors import BadInput
from wellposed.techniques.technique import (
    Strength,
    Technique,
    Vector,
    spread,
    stack_values,
    stack_vectors,
    strength,
    strength_fields,
    strengths,
    structure,
    vector,
    vector_fields,
    vectors,
)


@dataclass(frozen=True, kw_only=True)
class Toy(Technique):
    rate: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.1, 0.9))
    kind: str = "a"


@dataclass(frozen=True, kw_only=True)
class Melody(Technique):
    notes: Vector = vector(("c", "e"), read=lambda notes: tuple(float(ord(note)) for note in notes))
    rate: Strength = strength(0.5, valid=(0.0, 1.0), search=(0.1, 0.9))
    kind: str = "a"


def test_refuses_what_is_out_of_range_in_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"^Toy\.rate must be in \[0, 1\]\. Got 1\.5\.$"):
        Toy(rate=1.5)


@pytest.mark.parametrize("value", [float("nan"), True, "0.5", None, [0.5]])
def test_refuses_what_is_no_number(value: object) -> None:
    with pytest.raises(BadInput, match=r"Toy\.rate must"):
        Toy(rate=value)  # type: ignore[arg-type]


def test_is_frozen_and_equal_by_content() -> None:
    assert Toy(rate=0.25) == Toy(rate=0.25) != Toy(rate=0.5)
    assert len({Toy(), Toy(), Toy(kind="b")}) == 2
    with pytest.raises(FrozenInstanceError):
        Toy().rate = 0.1  # type: ignore[misc]


def test_strengths_and_structure_share_the_fields() -> None:
    toy = Toy(rate=0.25, kind="b")
    assert [f.name for f in strength_fields(Toy)] == ["rate"]
    assert strengths(toy) == {"rate": 0.25}
    assert structure(toy) == structure(Toy(kind="b")) != structure(Toy())


def test_bound_takes_one_value_a_member_unchecked() -> None:
    values = torch.tensor([0.1, 0.2])
    assert Toy().bound({"rate": values}).rate is values


def test_vectors_are_read_as_numbers_and_written_as_they_were() -> None:
    melody = Melody()
    assert [f.name for f in vector_fields(Melody)] == ["notes"]
    assert vectors(melody) == {"notes": (99.0, 101.0)}
    assert (strengths(melody), vectors(Toy())) == ({"rate": 0.5}, {})
    assert melody.bound({"rate": 0.1}).notes == ("c", "e")


def test_vectors_of_one_size_share_the_structure() -> None:
    assert structure(Melody()) == structure(Melody(notes=("g", "h")))
    assert structure(Melody()) != structure(Melody(notes=("g",)))
    assert structure(Melody()) != structure(Melody(kind="b"))
    bound = Melody().bound({"notes": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
    assert structure(bound) == structure(Melody())
    assert vectors(bound)["notes"] is bound.notes


def test_stacking_vectors_gives_one_set_a_member() -> None:
    stacked = stack_vectors([(1.0, 2.0), (1.0, 2.0)], dtype=torch.float64, device=torch.device("cpu"))
    assert torch.equal(stacked, torch.tensor([[1.0, 2.0], [1.0, 2.0]], dtype=torch.float64))


def test_stacking_keeps_a_float_where_all_agree() -> None:
    device = torch.device("cpu")
    assert stack_values([0.5, 0.5], dtype=torch.float64, device=device) == 0.5
    stacked = stack_values([0.5, 0.1], dtype=torch.float64, device=device)
    assert torch.equal(torch.as_tensor(stacked), torch.tensor([0.5, 0.1], dtype=torch.float64))


def test_spread_puts_members_first() -> None:
    like = torch.zeros(2, 5, 3)
    assert spread(torch.tensor([1.0, 2.0]), like).shape == (2, 1, 1)  # type: ignore[union-attr]
    assert spread(0.5, like) == 0.5
