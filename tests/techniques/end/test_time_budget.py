"""A clock that is read."""

import pytest
import torch

from wellposed.techniques import TimeBudget
from wellposed.techniques.places import Curves


@pytest.mark.parametrize(("seconds", "up"), [(0.0, False), (59.9, False), (60.0, True), (1e9, True)])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("validated", [0, 2])
def test_all_members_stop_when_time_is_up(seconds: float, up: bool, members: int, validated: int) -> None:
    curves = Curves(torch.zeros(members, validated), torch.zeros(members, 2), seconds, lambda: torch.zeros(0))
    found = TimeBudget(seconds=60).ended(curves)
    assert found.dtype == torch.bool
    assert found.tolist() == [up] * members
