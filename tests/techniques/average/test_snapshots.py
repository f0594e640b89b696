"""Where cycles end, against a list of them; and the schedule that is made for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellposed.errors import BadInput
from wellposed.schedules import CosineRestarts
from wellposed.techniques import SnapshotEnsemble


@given(st.integers(1, 60), st.integers(1, 60))
def test_every_slot_is_filled_once_in_order_and_the_last_at_the_end(count: int, more: int) -> None:
    epochs = count + more - 1
    ensemble = SnapshotEnsemble(count=count)
    slots = [ensemble.slot(epoch, epochs) for epoch in range(1, epochs + 1)]
    kept = [epoch for epoch, slot in enumerate(slots, start=1) if slot is not None]
    assert [slot for slot in slots if slot is not None] == list(range(ensemble.slots))
    assert kept == [i * epochs // count for i in range(1, count + 1)]
    assert kept[-1] == epochs


@pytest.mark.parametrize(("count", "epochs"), [(1, 4), (5, 20), (4, 12)])
def test_the_learning_rate_starts_anew_after_each_snapshot(count: int, epochs: int) -> None:
    """With 7 steps an epoch: highest at the first step, and behind each snapshot but the last."""
    steps, schedule = 7, CosineRestarts(cycles=count)
    restarts = [step for step in range(epochs * steps) if schedule.factor(step, epochs * steps) == 1.0]
    kept = [epoch for epoch in range(1, epochs + 1) if SnapshotEnsemble(count=count).slot(epoch, epochs) is not None]
    assert restarts == [0, *(epoch * steps for epoch in kept[:-1])]


def test_more_snapshots_than_epochs_are_refused() -> None:
    with pytest.raises(BadInput, match=r"SnapshotEnsemble.count must be at most the number of epochs, 3. Got 4."):
        SnapshotEnsemble(count=4).slot(1, 3)
