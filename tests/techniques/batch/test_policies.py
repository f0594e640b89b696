"""Against the policies that Kornia lists."""

import importlib

import pytest

from wellposed.techniques.batch.policies import POLICIES
from wellposed.techniques.batch.spaces import LEARNED


@pytest.mark.parametrize("name", ["cifar10", "imagenet", "svhn"])
def test_is_what_kornia_lists(name: str) -> None:
    listed = getattr(importlib.import_module("kornia.augmentation.auto.autoaugment.autoaugment"), f"{name}_policy")
    expected = tuple(
        tuple((operation.title().replace("_", ""), probability, float(m or 0)) for operation, probability, m in sub)
        for sub in listed
    )
    assert POLICIES[name] == expected
    assert all(operation in LEARNED for sub in expected for operation, _, _ in sub)
