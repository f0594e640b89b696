"""Rows in, tensors out."""

from wellposed.inputs.dataset import Data, Part, Rows, Task
from wellposed.inputs.encode import TableEncoder
from wellposed.inputs.frame import as_pandas
from wellposed.inputs.images import ImageEncoder
from wellposed.inputs.load import load
from wellposed.inputs.split import holdout
from wellposed.inputs.target import Target

__all__ = ["Data", "ImageEncoder", "Part", "Rows", "TableEncoder", "Target", "Task", "as_pandas", "holdout", "load"]
