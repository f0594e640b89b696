"""Against a loop over units, torch.renorm, and Keras' MaxNorm (whose kernels are `in out`)."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import torch

from wellposed.techniques import MaxNorm
from wellposed.techniques.update.max_norm import project_units_


def drawn() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (2, 5, 4), "0.bias": (2, 5), "1.weight": (2, 3, 5, 2, 2)}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes.items()}


def test_equals_a_loop_over_units() -> None:
    found, limits = drawn(), (1.0, 2.5)
    project_units_(found, torch.tensor(limits, dtype=torch.float64))
    for name, before in drawn().items():
        for k, limit in enumerate(limits):
            for unit, own in enumerate(before[k]):
                factor = min(1.0, limit / float(own.norm())) if before.dim() > 2 else 1.0
                torch.testing.assert_close(found[name][k, unit], own * factor, rtol=1e-12, atol=0)


def test_agrees_with_renorm() -> None:
    found = drawn()
    MaxNorm(limit=1.5).update_(found, 0.1)
    # torch.renorm adds 1e-7 to the norm.
    expected = torch.renorm(drawn()["0.weight"][0], p=2, dim=0, maxnorm=1.5)
    torch.testing.assert_close(found["0.weight"][0], expected, rtol=1e-6, atol=0)


def test_agrees_with_keras() -> None:
    """Which adds 1e-7 to the length: hence 1e-6."""
    found = drawn()
    MaxNorm(limit=1.5).update_(found, 0.1)
    for k in range(2):
        dense = keras.constraints.MaxNorm(1.5, axis=0)(drawn()["0.weight"][k].T)
        torch.testing.assert_close(found["0.weight"][k], dense.T.double(), rtol=1e-6, atol=1e-7)
        kernel = keras.constraints.MaxNorm(1.5, axis=[0, 1, 2])(drawn()["1.weight"][k].permute(2, 3, 1, 0))
        torch.testing.assert_close(found["1.weight"][k], kernel.permute(3, 2, 0, 1).double(), rtol=1e-6, atol=1e-7)


def test_within_the_ball_nothing_moves_and_zeros_stay_zero() -> None:
    weight = torch.tensor([[[0.0, 0.0], [0.3, 0.4]]])
    before = weight.clone()
    project_units_({"weight": weight}, 0.6)
    assert torch.equal(weight, before)
    project_units_({"weight": weight}, 0.0)
    assert not weight.any()
