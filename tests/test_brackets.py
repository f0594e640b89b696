"""The published table for R = 81, and what holds for any R."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.brackets import list_brackets
from wellposed.errors import BadInput


def test_the_published_case() -> None:
    """R = 81, eta = 3: by the formula, and not by the table of the early paper."""
    assert [[tuple(rung) for rung in bracket] for bracket in list_brackets(81, eta=3)] == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


def test_powers_are_not_lost_to_rounding() -> None:
    assert len(list_brackets(243, eta=3)) == 6
    assert math.floor(math.log(243, 3)) == 4  # what a logarithm says


@given(st.integers(1, 5000), st.integers(2, 5))
def test_every_bracket_ends_with_all_of_the_resource(most: int, eta: int) -> None:
    brackets = list_brackets(most, eta=eta)
    for bracket in brackets:
        assert bracket[-1].resource == most
        assert bracket[-1].candidates >= 1
        assert all(a.candidates >= b.candidates and a.resource <= b.resource for a, b in itertools.pairwise(bracket))
        assert bracket[0].candidates == math.ceil(len(brackets) * eta ** (len(bracket) - 1) / len(bracket))


@pytest.mark.parametrize(("most", "eta"), [(0, 3), (81, 1), (2.5, 3), (81, True)])
def test_what_makes_no_brackets_is_refused(most: int, eta: int) -> None:
    with pytest.raises(BadInput):
        list_brackets(most, eta=eta)
