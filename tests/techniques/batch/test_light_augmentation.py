"""Against scipy's shift; the distributions of moves and mirrors, as ramps show them."""

import torch
from scipy import ndimage
from tests.techniques.batch.pictures import (
    changed,
    equal_images,
    images,
    is_uniform,
    matrices_seen,
    n_different,
    ramps,
)

from wellposed.techniques import LightAugmentation


def test_moves_and_mirrors_are_those_of_the_paper() -> None:
    """Moves by Kolmogorov and Smirnov's test at 1e-6; share and correlations within 6 standard errors, 1 in 5e8."""
    seen = matrices_seen(changed(LightAugmentation(), ramps(4000, size=21)))
    assert is_uniform(seen[:, 1, 2], -2.1, 2.1)
    assert is_uniform(seen[:, 0, 2], -2.1, 2.1)
    draws = torch.stack([seen[:, 0, 2].abs(), seen[:, 1, 2].abs(), seen[:, 0, 0]])  # a mirror turns the first sign
    assert (draws.corrcoef() - torch.eye(3)).abs().max() < 6 / 4000**0.5
    mirrored = seen[:, 0, 0] < 0
    assert abs(float(mirrored.double().mean()) - 0.5) < 6 * 0.5 / 4000**0.5
    assert torch.allclose(seen[:, 0, 0].abs(), torch.ones(4000).double())
    assert torch.allclose(seen[:, 1, :2], torch.tensor([0.0, 1.0]).double())


def test_continues_the_edge_as_scipy_does() -> None:
    """The moves are read from a ramp that is changed by the same draws."""
    x = images(1, 20, 1, 9, 9)
    technique = LightAugmentation(shift=0.3, probability=0.0)
    moves = matrices_seen(changed(technique, ramps(20)))[..., 2]
    found = changed(technique, x)
    for n in range(20):
        right, down = moves[n].tolist()
        expected = ndimage.shift(x[0, n, 0].numpy(), (-down, -right), order=1, mode="nearest", prefilter=False)
        torch.testing.assert_close(found[0, n, 0], torch.from_numpy(expected), rtol=0, atol=1e-9)


def test_equal_images_become_different_ones() -> None:
    assert n_different(changed(LightAugmentation(), equal_images(8))) == 8
