"""Records: curves of all members, with a gap for those who no longer live."""

import torch

from wellposed.population.record import Failure, Record


def test_members_that_no_longer_live_have_no_value() -> None:
    record = Record.empty({"w": torch.ones(3, 2)}, 3, torch.device("cpu"))
    record.add(record.train_loss, torch.tensor([0, 1, 2]), torch.tensor([1.0, 2.0, 3.0]))
    record.add(record.train_loss, torch.tensor([2, 0]), torch.tensor([0.5, 0.25]))
    record.add(record.validation_loss, torch.tensor([], dtype=torch.int64), torch.tensor([]))
    curve = torch.stack(record.train_loss)
    assert curve.dtype == torch.float64
    assert curve[0].tolist() == [1.0, 2.0, 3.0]
    assert curve[1, [0, 2]].tolist() == [0.25, 0.5]
    assert curve.isnan().tolist() == [[False, False, False], [False, True, False]]
    assert record.validation_loss[0].isnan().all()
    assert record.epochs == 2


def test_before_the_first_epoch_the_start_is_kept_in_memory_of_its_own() -> None:
    start = {"w": torch.ones(3, 2)}
    record = Record.empty(start, 3, torch.device("cpu"))
    start["w"].zero_()
    assert torch.equal(record.best["w"], torch.ones(3, 2))
    assert record.best_score.tolist() == [float("inf")] * 3
    assert record.best_epoch.tolist() == record.ended.tolist() == [0, 0, 0]
    assert record.failures == {}
    assert record.epochs == 0


def test_failures_are_values() -> None:
    assert Failure(3, "0") == Failure(step=3, where="0") != Failure(3, "1")
