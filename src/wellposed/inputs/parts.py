"""The three parts of a data set: to train on, to stop by, and to be judged by."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wellposed.inputs.dataset import Data, Features, Part, Sequences, Texts
from wellposed.inputs.split import holdout

VALIDATION_SHARE = 0.2
"""Of the rows that are not test rows."""


@dataclass(frozen=True, eq=False)
class Split:
    """Three parts of a data set that share no row: to train on, to stop by, and to be judged by."""

    train: Part
    validation: Part
    test: Part


def split(data: Data, *, test_share: float, seed: int) -> Split:
    """Split a data set; its own test rows stay its test rows.

    Args:
        data: The rows.
        test_share: Share of the rows held out for the test, where the data bring none of their own.
        seed: The same seed gives the same split.
    """
    rest, test = data.rows, data.test
    if test is None:
        kept, held = holdout(data.task, rest.target, share=test_share, seed=seed)
        rest, test = rest.take(kept), rest.take(held)
    kept, held = holdout(data.task, rest.target, share=VALIDATION_SHARE, seed=seed + 1)
    return Split(rest.take(kept), rest.take(held), test)


def join_parts(first: Part, second: Part) -> Part:
    """The rows of both, one part behind the other.

    >>> part = Part(np.zeros((2, 4, 4)), np.array(["a", "b"]))
    >>> len(join_parts(part, part))
    4
    """
    return Part(_joined(first.features, second.features), np.concatenate([first.target, second.target]))


def _joined(first: Features, second: Features) -> Features:
    if isinstance(first, pd.DataFrame) and isinstance(second, pd.DataFrame):
        return pd.concat([first, second], ignore_index=True)
    if isinstance(first, Texts) and isinstance(second, Texts):
        return Texts(np.concatenate([first.values, second.values]), first.column)
    if isinstance(first, Sequences) and isinstance(second, Sequences):
        steps = pd.concat([first.steps, second.steps], ignore_index=True)
        lengths, ids = (np.concatenate([getattr(p, name) for p in (first, second)]) for name in ("lengths", "ids"))
        return Sequences(steps, lengths, ids, first.column, first.step)
    return np.concatenate([np.asarray(first), np.asarray(second)])
