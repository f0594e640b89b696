import pytest

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput


@pytest.mark.parametrize(
    ("do", "sentence"),
    [
        ("", "K must be positive. Got 0."),
        ("Give members=1.", "K must be positive. Got 0. Give members=1."),
    ],
)
def test_refusal_is_must_be_got_do(do: str, sentence: str) -> None:
    error = refusal("K", "be positive", 0, do)
    assert type(error) is BadInput
    assert str(error) == sentence


def test_refusal_shows_hostile_text_escaped() -> None:
    assert str(refusal("name", "be short", "a\nb\x1b[31m")) == r"name must be short. Got 'a\nb\x1b[31m'."


def test_nearest_names_the_near_else_all_else_nothing() -> None:
    assert nearest("dropuot", ["dropout", "mixup"]) == "Did you mean 'dropout'?"
    assert nearest("zzz", ["b", "a", "b"]) == "Known: a, b."
    assert nearest("zzz", []) == ""
    assert nearest("zzz", [f"name{i}" for i in range(31)]) == ""
