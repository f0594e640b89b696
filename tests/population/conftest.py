"""A small problem that every test of the engine trains on."""

import pytest
import torch

from wellposed.inputs.dataset import Rows


def made_rows(
    n: int = 120, *, width: int = 6, classes: int = 3, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Rows:
    """Rows of three overlapping clouds."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    x = torch.randn(n, width, generator=draw, dtype=torch.float64) + torch.nn.functional.one_hot(y, width).double()
    return Rows(x.to(dtype), torch.zeros(n, 0, dtype=torch.int64), y)


@pytest.fixture
def rows() -> Rows:
    """120 training rows in float64."""
    return made_rows()


@pytest.fixture
def validation() -> Rows:
    """60 further rows."""
    return made_rows(60, seed=1)
