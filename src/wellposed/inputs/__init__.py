"""Rows in, tensors out."""

from wellposed.inputs.dataset import Data, Part, Rows, Sequences, Task, Texts
from wellposed.inputs.encode import TableEncoder
from wellposed.inputs.frame import as_pandas
from wellposed.inputs.images import ImageEncoder
from wellposed.inputs.load import load
from wellposed.inputs.sequences import SequenceEncoder
from wellposed.inputs.split import holdout
from wellposed.inputs.target import Target
from wellposed.inputs.text import TextEncoder

__all__ = [
    "Data",
    "ImageEncoder",
    "Part",
    "Rows",
    "SequenceEncoder",
    "Sequences",
    "TableEncoder",
    "Target",
    "Task",
    "TextEncoder",
    "Texts",
    "as_pandas",
    "holdout",
    "load",
]
