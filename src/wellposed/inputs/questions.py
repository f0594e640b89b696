"""Rows to answer for, read in the form in which an encoder knows them."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wellposed.errors import BadInput
from wellposed.inputs.columns import numbers
from wellposed.inputs.dataset import Features
from wellposed.inputs.encode import TableEncoder
from wellposed.inputs.encoders import FORMS, Encoder, kind_of
from wellposed.inputs.fields import NumericField
from wellposed.inputs.folder import read_any_folder
from wellposed.inputs.forms import as_texts
from wellposed.inputs.frame import require_columns
from wellposed.inputs.idx import read_idx_pair
from wellposed.inputs.images import ImageEncoder
from wellposed.inputs.sequences import SequenceEncoder
from wellposed.inputs.source import RawTable, read_source
from wellposed.inputs.steps import as_sequences
from wellposed.inputs.text import TextEncoder


@dataclass(frozen=True, eq=False)
class Questions:
    """What is asked.

    Attributes:
        features: The rows.
        column: What the names of rows are called in an answer; empty where rows have none.
        names: A name for each row, or none at all.
        notes: What was told and carried on with.
    """

    features: Features
    column: str
    names: np.ndarray
    notes: tuple[str, ...]


NAMELESS = np.empty(0, dtype=object)


def read_questions(source: str, encoder: Encoder, *, missing: Collection[str] = ()) -> Questions:
    """Rows for an encoder: a table, texts in their column, sequences with their names, or images with theirs.

    Args:
        source: A path or a built-in name. Pictures may lie in a flat folder as well as in sub-folders.
        encoder: What the rows are for.
        missing: Marks of missing values besides the usual ones of a text file.
    """
    if isinstance(encoder, ImageEncoder) and os.path.isdir(source) and read_idx_pair(Path(source), "train") is None:
        channels, height, width = encoder.shape
        shape = (height, width) if channels == 1 else (height, width, channels)
        pictures = read_any_folder(Path(source), shape)
        return Questions(pictures.pixels, "file", pictures.names, pictures.notes)
    text: tuple[str, ...] = ()
    if isinstance(encoder, TableEncoder):
        text = encoder.category_names
    elif isinstance(encoder, SequenceEncoder):
        text = (encoder.column, *encoder.steps.category_names)
    raw = read_source(
        source, missing=missing, text=text, verbatim=(encoder.column,) if isinstance(encoder, TextEncoder) else ()
    )
    if isinstance(raw, RawTable) == isinstance(encoder, ImageEncoder):
        raise BadInput(f"DATA must be {FORMS[kind_of(encoder)]}, as this model was trained on. Got {source!r}.")
    if not isinstance(raw, RawTable):
        return Questions(raw.images if raw.test is None else raw.test[0], "", NAMELESS, raw.notes)
    if isinstance(encoder, TextEncoder):
        require_columns(raw.frame, [encoder.column], raw.name)
        return Questions(as_texts(raw.frame[encoder.column]), "", NAMELESS, raw.notes)
    if isinstance(encoder, SequenceEncoder):
        return _sequences(raw, encoder)
    return Questions(raw.frame, "", NAMELESS, raw.notes)


def _sequences(raw: RawTable, encoder: SequenceEncoder) -> Questions:
    """The sequences of a table, whose numbers are checked while its rows still stand where they were read."""
    infinite_is_missing = encoder.steps.infinite_is_missing
    names = [name for name in (encoder.column, encoder.step) if name] + [f.name for f in encoder.steps.fields]
    require_columns(raw.frame, names, raw.name)
    frame = pd.DataFrame({name: raw.frame[name] for name in names})
    for field in encoder.steps.fields:
        if isinstance(field, NumericField):
            frame[field.name] = numbers(frame[field.name], where=raw.name, infinite_is_missing=infinite_is_missing)
    sequences, _, notes = as_sequences(
        frame, column=encoder.column, step=encoder.step, where=raw.name, infinite_is_missing=infinite_is_missing
    )
    return Questions(sequences, encoder.column, sequences.ids, (*raw.notes, *notes, *encoder.told(sequences)))
