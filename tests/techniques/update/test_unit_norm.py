"""Against Keras' UnitNorm (whose kernels are `in out`) and torch.nn.functional.normalize."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import torch
import torch.nn.functional as F

from wellposed.techniques import UnitNorm
from wellposed.techniques.update.unit_norm import normalize_units_


def drawn() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (2, 5, 4), "0.bias": (2, 5), "1.weight": (2, 3, 5, 2, 2)}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes.items()}


def test_equals_keras() -> None:
    """Which adds 1e-7 to the length: hence 1e-6."""
    found = drawn()
    UnitNorm().update_(found, 0.1)
    for k in range(2):
        dense = keras.constraints.UnitNorm(axis=0)(drawn()["0.weight"][k].T)
        torch.testing.assert_close(found["0.weight"][k], dense.T.double(), rtol=1e-6, atol=1e-7)
        kernel = keras.constraints.UnitNorm(axis=[0, 1, 2])(drawn()["1.weight"][k].permute(2, 3, 1, 0))
        torch.testing.assert_close(found["1.weight"][k], kernel.permute(3, 2, 0, 1).double(), rtol=1e-6, atol=1e-7)


def test_equals_normalize_and_leaves_biases() -> None:
    found = drawn()
    normalize_units_(found)
    for name in ("0.weight", "1.weight"):
        expected = F.normalize(drawn()[name].flatten(2), dim=2).view_as(found[name])
        torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=0)
    assert torch.equal(found["0.bias"], drawn()["0.bias"])


def test_where_names_who_is_kept_so() -> None:
    found = drawn()
    UnitNorm(where="1.*").update_(found, 0.1)
    assert torch.equal(found["0.weight"], drawn()["0.weight"])
    assert not torch.equal(found["1.weight"], drawn()["1.weight"])


def test_a_unit_of_zeros_stays() -> None:
    weight = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]])
    normalize_units_({"weight": weight})
    torch.testing.assert_close(weight, torch.tensor([[[0.0, 0.0], [0.6, 0.8]]]))
