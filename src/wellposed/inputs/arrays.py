"""NumPy archives: `X` and `y` of a `.npz`, never unpickled."""

import io
import zipfile
from pathlib import Path

import numpy as np

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput
from wellposed.inputs.table import read_bytes


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """`X` with 2 axes (a table), 3 or 4 (images), and `y` with as many entries."""
    raw = read_bytes(path)
    if not raw.startswith(b"PK"):
        raise refusal(path.name, "be a whole .npz archive", raw[:8], "numpy.savez writes one.")
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            names = [str(name) for name in archive.files]
            for name in ("X", "y"):
                if name not in names:
                    raise refusal(path.name, "hold the arrays X and y", sorted(names), nearest(name, names))
            features, target = np.asarray(archive["X"]), np.asarray(archive["y"])  # bytes where it is no array
    except BadInput:
        raise
    except ValueError as fault:
        if "allow_pickle" in str(fault):
            do = "Save numbers or fixed-width text; pickles are never read."
            raise refusal(path.name, "hold no pickled objects", "an object array", do) from fault
        raise refusal(path.name, "be a whole .npz archive", str(fault), "It is damaged: save it again.") from fault
    except (OSError, EOFError, zipfile.BadZipFile, KeyError, NotImplementedError) as fault:
        raise refusal(path.name, "be a whole .npz archive", str(fault), "It is damaged: save it again.") from fault
    for name, array, kinds in (("X", features, "biufUM" if features.ndim == 2 else "biuf"), ("y", target, "biufUM")):
        if array.dtype.kind not in kinds:
            must = "be numbers, text or dates" if "U" in kinds else "be numbers"
            raise refusal(f"{name} in {path.name}", must, str(array.dtype))
    if features.ndim not in (2, 3, 4):
        raise refusal(f"X in {path.name}", "have 2 axes (a table) or 3 or 4 (images)", features.shape)
    labels = target.reshape(-1) if target.ndim and target.size == len(target) else target
    if labels.ndim != 1:
        raise refusal(f"y in {path.name}", "have one axis", target.shape)
    if len(features) != len(labels):
        raise BadInput(f"X and y in {path.name} must be of one length. Got {len(features)} and {len(labels)}.")
    if 0 in features.shape:
        raise refusal(f"X in {path.name}", "hold rows and columns", features.shape)
    return features, labels
