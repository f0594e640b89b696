"""Data as a caller has it: loaded, named, or as arrays in memory; one value whatever it was."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from wellposed.checks import refusal
from wellposed.inputs.dataset import Data, Features
from wellposed.inputs.frame import as_pandas, check_frame
from wellposed.inputs.labels import check_rows, decide_task, settle_rows
from wellposed.inputs.load import fingerprint, load

Given: TypeAlias = Data | str | Path | tuple[Any, Any]
"""Data from `load`; what `load` reads by its defaults; or features and target: a frame or an array, and as many labels
or numbers."""


def read_given(given: Given, *, name: str = "The data") -> Data:
    """The data set that a caller gave.

    >>> read_given((np.arange(20.0).reshape(10, 2), np.arange(10) % 2)).task
    'classification'

    Args:
        given: Loaded data, a path or a built-in name, or features and target.
        name: What arrays are called.

    Raises:
        BadInput: It is none of these, or whatever `load` refuses.
    """
    if isinstance(given, Data):
        return given
    if isinstance(given, str | Path):
        return load(str(given))
    if not isinstance(given, tuple) or len(given) != 2:
        raise refusal(name, "be loaded data, a path, a built-in name, or (X, y)", type(given).__name__)
    x, y = given
    images = isinstance(x, np.ndarray) and x.ndim in (3, 4)
    features: Features = x if images else as_pandas(x)
    if isinstance(features, pd.DataFrame):
        check_frame(features, name)
    label = pd.Series(np.asarray(y).reshape(-1), name="y")
    if len(features) != len(label):
        raise refusal(name, "have as many rows as targets", (len(features), len(label)))
    task, notes = decide_task(label, "auto", kind="images" if images else "table", where=name)
    rows, told = settle_rows(features, label, task=task, where=name, infinite_is_missing=False)
    notes = (*notes, *told, *check_rows(rows, task, where=name, target="y"))
    return Data(name, "images" if images else "table", task, "y", rows, None, notes, fingerprint(rows, None))
