"""The device of a name."""

import pytest
import torch

from wellposed.devices import find_device
from wellposed.errors import BadInput


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert find_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


def test_unknown_and_missing_devices_are_refused() -> None:
    with pytest.raises(BadInput, match=r"^--device must be 'auto', 'cpu' or 'cuda'\. Got 'tpu'"):
        find_device("tpu", what="--device")
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="There is no GPU"):
            find_device("cuda")
