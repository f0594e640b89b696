"""Each kind of features finds its encoder."""

import numpy as np
import pandas as pd
import pytest

from wellposed.inputs.dataset import Features, Kind, Sequences, Texts
from wellposed.inputs.encoders import ENCODERS, FORMS, fit_encoder, kind_of

TABLE = pd.DataFrame({"a": [1.0, 2.0]})
FEATURES: dict[Kind, Features] = {
    "table": TABLE,
    "images": np.zeros((2, 3, 3)),
    "text": Texts(np.array(["a a", "b"], dtype=object), "said"),
    "sequence": Sequences(TABLE, np.array([1, 1]), np.array([1, 2]), "id"),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_kind(kind: Kind) -> None:
    encoder = fit_encoder(FEATURES[kind])
    assert isinstance(encoder, ENCODERS[kind]) and kind_of(encoder) == kind and kind in FORMS
    assert ENCODERS[kind].from_json(encoder.to_json()) == encoder
    assert isinstance(encoder.notes, tuple)


def test_infinities_are_handed_on() -> None:
    table = pd.DataFrame({"a": [np.inf, 1.0, 2.0]})
    for features in (table, Sequences(table, np.array([2, 1]), np.array([1, 2]), "id")):
        assert fit_encoder(features, infinite_is_missing=True).encode(features)[0].isfinite().all()
