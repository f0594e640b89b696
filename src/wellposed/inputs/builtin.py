"""Data sets that have a name: five small ones that come with scikit-learn, and two that OpenML keeps."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from wellposed.errors import BadInput

TABLES = ("breast_cancer", "diabetes", "digits", "iris", "wine")
OPENML = {"mnist": "mnist_784", "fashion_mnist": "Fashion-MNIST"}
BUILT_IN = (*TABLES, *OPENML)
N_TRAIN = 60_000  # the rest is the customary test set of both


def builtin_table(name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A table of scikit-learn with its `target` as the last column, and what its class labels mean."""
    from sklearn import datasets  # takes a second to import, and few commands need it

    loaders = {
        "breast_cancer": datasets.load_breast_cancer,
        "diabetes": datasets.load_diabetes,
        "digits": datasets.load_digits,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
    }
    bunch = loaders[name](as_frame=True)
    if name in ("diabetes", "digits"):
        return bunch.frame, ()
    meanings = ", ".join(f"{label} {meaning}" for label, meaning in enumerate(bunch.target_names))
    return bunch.frame, (f"The classes of {name} are {meanings}.",)


def builtin_folder(name: str) -> Path | None:
    """The folder `$WELLPOSED_DATA/NAME`, where that exists."""
    root = os.environ.get("WELLPOSED_DATA", "")
    folder = Path(root) / name
    return folder if root and folder.is_dir() else None


def fetch_images(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All 70000 images (`N 28 28`, uint8) and labels of a data set that OpenML keeps, training rows first."""
    from sklearn.datasets import fetch_openml

    try:
        bunch = fetch_openml(OPENML[name], version=1, as_frame=False, parser="auto")
    except (OSError, ValueError) as fault:  # no network, or an answer that is none
        do = f"Put its four IDX files into a folder {name!r} and set WELLPOSED_DATA to the folder above."
        raise BadInput(f"{name} must be fetched from OpenML. Got {type(fault).__name__}: {fault}. {do}") from fault
    return bunch.data.reshape(-1, 28, 28).astype(np.uint8), bunch.target.astype(np.int64)
