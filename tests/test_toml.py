"""Frozen values in TOML: what is written is read back equal, and every refusal names file, line and key."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from wellposed.checks import refusal
from wellposed.errors import BadInput
from wellposed.toml import build, choose, encode, parse


@dataclass(frozen=True)
class Part:
    """Anything that has a kind."""


@dataclass(frozen=True)
class Wheel(Part):
    size: float = 1.0
    spokes: int = 3
    color: Literal["red", "blue"] = "red"

    def __post_init__(self) -> None:
        if self.size < 0:
            raise refusal("Wheel.size", "be positive", self.size)


@dataclass(frozen=True)
class Frame(Part):
    lengths: tuple[float, ...] = (1.0, 2.0)
    share: float | Literal["all"] = "all"
    folds: bool = False
    name: str = "x"
    front: Wheel = field(default_factory=Wheel)


KINDS: dict[str, type[Part]] = {"Wheel": Wheel, "Frame": Frame}


def read(text: str) -> Part:
    """The value under the key `part` of a file."""
    table, source = parse(text, "bike.toml")
    return choose(KINDS, table["part"], source, ("part",))


def test_what_is_encoded_is_read_back_equal() -> None:
    import tomli_w

    value = Frame(lengths=(3.0, 0.25), share=0.5, folds=True, name='a "b" = [c]', front=Wheel(size=7.5, color="blue"))
    assert read(tomli_w.dumps({"part": encode(value)})) == value


def test_equal_values_are_encoded_equally() -> None:
    """In Python 1 equals 1.0; a file must not tell them apart where a number is meant."""
    whole, broken = Frame(lengths=(1, 2), share=1, front=Wheel(size=2)), Frame(share=1.0, front=Wheel(size=2.0))
    assert whole == broken
    assert repr(encode(whole)) == repr(encode(broken))
    assert repr(encode(Wheel(spokes=4))["spokes"]) == "4"
    assert encode(Frame())["folds"] is False


def test_whole_numbers_are_read_as_numbers() -> None:
    found = read('[part]\nkind = "Wheel"\nsize = 2')
    assert found == Wheel(size=2.0)
    assert isinstance(found, Wheel)
    assert type(found.size) is float


REFUSED = {
    'part = {kind = "Wheel", size = -1}': "bike.toml, line 1: Wheel.size must be positive. Got -1.0.",
    '[part]\nkind = "Wheel"\n\nsize = -1': "bike.toml, line 4: Wheel.size must be positive. Got -1.0.",
    '[part]\nkind = "Wheel"\nsise = 1': "bike.toml, line 3: Wheel has no key 'sise'. Did you mean 'size'?",
    '[part]\nkind = "Weel"': "bike.toml, line 2: part.kind must name a known kind. Got 'Weel'. Did you mean 'Wheel'?",
    '[part]\nkind = "os.system"': (
        "bike.toml, line 2: part.kind must name a known kind. Got 'os.system'. Known: Frame, Wheel."
    ),
    "[part]\nsize = 1": "bike.toml, line 1: part must be a table with the key 'kind'. Known: Frame, Wheel.",
    "part = 3": "bike.toml, line 1: part must be a table with the key 'kind'. Known: Frame, Wheel.",
    "[part]\nkind = 3": "bike.toml, line 1: part must be a table with the key 'kind'. Known: Frame, Wheel.",
    '[part]\nkind = "Wheel"\nspokes = 3.0': "bike.toml, line 3: part.spokes must be a whole number. Got 3.0.",
    '[part]\nkind = "Wheel"\nspokes = true': "bike.toml, line 3: part.spokes must be a whole number. Got True.",
    '[part]\nkind = "Wheel"\nsize = true': "bike.toml, line 3: part.size must be a number. Got True.",
    '[part]\nkind = "Wheel"\nsize = "2"': "bike.toml, line 3: part.size must be a number. Got '2'.",
    '[part]\nkind = "Wheel"\ncolor = "green"': (
        "bike.toml, line 3: part.color must be one of 'red', 'blue'. Got 'green'."
    ),
    '[part]\nkind = "Frame"\nlengths = 3': (
        "bike.toml, line 3: part.lengths must be a list, each item a number. Got 3."
    ),
    '[part]\nkind = "Frame"\nlengths = [1, "a"]': "bike.toml, line 3: part.lengths 2 must be a number. Got 'a'.",
    '[part]\nkind = "Frame"\nshare = "al"': (
        "bike.toml, line 3: part.share must be a number or one of 'all'. Got 'al'."
    ),
    '[part]\nkind = "Frame"\nfolds = 1': "bike.toml, line 3: part.folds must be true or false. Got 1.",
    '[part]\nkind = "Frame"\nname = 1': "bike.toml, line 3: part.name must be a text. Got 1.",
    '[part]\nkind = "Frame"\nfront = 1': "bike.toml, line 3: part.front must be a table with the key 'kind'. Got 1.",
    '[part]\nkind = "Frame"\n[part.front]\nkind = "Wheel"\nspokes = 0.5': (
        "bike.toml, line 5: part.front.spokes must be a whole number. Got 0.5."
    ),
    '[part]\nkind = "Frame"\nfront.kind = "Frame"': (
        "bike.toml, line 3: part.front.kind must name a known kind. Got 'Frame'. Known: Wheel."
    ),
    'part.kind = "Wheel"\npart.spokes = "3"': "bike.toml, line 2: part.spokes must be a whole number. Got '3'.",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_is_named_with_its_place(text: str) -> None:
    with pytest.raises(BadInput) as error:
        read(text)
    assert str(error.value) == REFUSED[text]


@pytest.mark.parametrize("text", ["a = ", "a", "[a\nb = 1", "a = 1\na = 2", "a = " + "[" * 5000, "a = " + "9" * 5000])
def test_a_text_that_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"^bike.toml must be TOML. Got a syntax error: "):
        parse(text, "bike.toml")


def test_a_syntax_error_names_its_line() -> None:
    with pytest.raises(BadInput, match=r"\(at line 2, column 5\)"):
        parse("a = 1\nb = ]", "bike.toml")


def test_lines_of_keys_are_counted_from_one() -> None:
    text = 'a = 1 # [b]\n\n[t]\n  "b" = "x = [[y]]"\n[[list]]\nc = 1\n[[list]]\nc = 2\n[t.u]\nd.e = 3\n'
    _, source = parse(text, "f")
    assert source.lines == {
        ("a",): 1, ("t",): 3, ("t", "b"): 4, ("list",): 5, ("list", 0): 5, ("list", 0, "c"): 6, ("list", 1): 7,
        ("list", 1, "c"): 8, ("t", "u"): 9, ("t", "u", "d", "e"): 10,
    }  # fmt: skip


def test_where_no_line_is_known_the_nearest_one_above_is_named() -> None:
    _, source = parse("[[list]]\n[[list]]\nc = 2", "f")
    assert str(source.refuse(("list", 1, "c", "d"), "no.")) == "f, line 3: no."
    assert str(source.refuse(("list", 1, "x"), "no.")) == "f, line 2: no."
    assert str(source.refuse(("other",), "no.")) == "f: no."


def test_build_takes_defaults_for_what_is_not_named() -> None:
    _, source = parse("", "f")
    assert build(Frame, {}, source, (), KINDS) == Frame()


@dataclass(frozen=True)
class Bell(Part):
    tone: str


def test_a_key_that_must_be_there_is_named() -> None:
    table, source = parse('[part]\nkind = "Bell"\n', "bike.toml")
    with pytest.raises(BadInput, match=r"^bike\.toml, line 1: Bell must have the key 'tone'\. Got none\.$"):
        choose({"Bell": Bell}, table["part"], source, ("part",))
