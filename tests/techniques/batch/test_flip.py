"""Against torch.flip, and the share that is mirrored."""

import torch
from tests.techniques.batch.pictures import changed, images

from wellposed.techniques import Flip
from wellposed.techniques.batch.flip import flip


def test_mirrors_what_was_chosen_alone() -> None:
    x = images(2, 3, 2, 4, 5)
    mask = torch.tensor([[True, False, True], [False, False, True]])
    for axis, dim in (("horizontal", 4), ("vertical", 3)):
        found = flip(x, mask, axis=axis)
        assert torch.equal(found[mask], torch.flip(x, [dim])[mask])
        assert torch.equal(found[~mask], x[~mask])


def test_share_of_mirrored_images_is_each_member_s_own() -> None:
    """Within 6 standard errors of 4000 draws: one false alarm in 5e8."""
    x = images(3, 1, 1, 2, 3).repeat(1, 4000, 1, 1, 1)
    probability = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    found = changed(Flip(probability=probability), x)
    mirrored = (found == x.flip(-1)).flatten(2).all(-1)
    assert (mirrored | (found == x).flatten(2).all(-1)).all()
    assert ((mirrored.double().mean(1) - probability).abs() < 6 * 0.5 / 4000**0.5).all()
    assert mirrored[2].all()
