"""The encoder of each kind of data, by its name."""

from typing import TypeAlias

import numpy as np
import pandas as pd

from wellposed.inputs.dataset import Features, Kind, Sequences, Texts
from wellposed.inputs.encode import TableEncoder
from wellposed.inputs.images import ImageEncoder
from wellposed.inputs.sequences import SequenceEncoder
from wellposed.inputs.text import TextEncoder

Encoder: TypeAlias = TableEncoder | ImageEncoder | TextEncoder | SequenceEncoder

ENCODERS: dict[Kind, type[TableEncoder] | type[ImageEncoder] | type[TextEncoder] | type[SequenceEncoder]] = {
    "table": TableEncoder,
    "images": ImageEncoder,
    "text": TextEncoder,
    "sequence": SequenceEncoder,
}
FORMS: dict[Kind, str] = {"table": "a table", "images": "images", "text": "texts", "sequence": "sequences"}
"""What a person calls each kind."""


def fit_encoder(features: Features, *, infinite_is_missing: bool = False) -> Encoder:
    """The encoder of these features' kind, fitted to them.

    >>> fit_encoder(np.zeros((2, 3, 4))).shape
    (1, 3, 4)
    """
    if isinstance(features, pd.DataFrame):
        return TableEncoder.fit(features, infinite_is_missing=infinite_is_missing)
    if isinstance(features, Texts):
        return TextEncoder.fit(features)
    if isinstance(features, Sequences):
        return SequenceEncoder.fit(features, infinite_is_missing=infinite_is_missing)
    return ImageEncoder.fit(np.asarray(features))


def kind_of(encoder: Encoder) -> Kind:
    """The kind of data that an encoder is for.

    >>> kind_of(ImageEncoder(shape=(1, 2, 2)))
    'images'
    """
    return next(kind for kind, encoders in ENCODERS.items() if isinstance(encoder, encoders))
