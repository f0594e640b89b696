"""Pixels as a network sees them: channels first, between 0 and 1."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.checks import refusal


@dataclass(frozen=True, kw_only=True)
class ImageEncoder:
    """How images are encoded, fitted to the training images alone.

    Attributes:
        shape: Channels, height and width; other images are refused.
        top: The number that floats are divided by (1 or 255); None where it was fitted to whole numbers, and then each
            array of floats is read by its own largest value. Whole numbers are always divided by 255.
        notes: What was told and carried on with.

    >>> encoder = ImageEncoder.fit(np.full((2, 4, 4), 255, dtype=np.uint8))
    >>> encoder.encode(np.full((1, 4, 4), 51, dtype=np.uint8))[0].unique().tolist()
    [0.20000000298023224]
    """

    shape: tuple[int, int, int]
    top: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, features: np.ndarray) -> "ImageEncoder":
        """Learn size, channels and the range of the pixels from `N H W` or `N H W C`."""
        shape, top = _shape(features), _top(features)
        return cls(shape=shape, top=top if features.dtype.kind == "f" else None)

    def encode(
        self, features: np.ndarray, *, dtype: torch.dtype = torch.float32
    ) -> tuple[Float[Tensor, "N C H W"], Int64[Tensor, "N 0"]]:
        """Pixels in [0, 1], channels first, and no categories."""
        shape = _shape(features)
        if shape != self.shape:
            want = "{} x {} x {} (channels, height, width)".format(*self.shape)
            raise refusal("Images", f"be of the size trained on, {want}", shape)
        channels_last = features[..., None] if features.ndim == 3 else features
        plain = features.dtype.newbyteorder("=") if features.dtype.itemsize <= 8 else np.float64  # what torch knows
        pixels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(channels_last, -1, 1), dtype=plain)).to(dtype)
        return pixels / self._divisor(features), torch.empty((len(features), 0), dtype=torch.int64)

    def _divisor(self, features: np.ndarray) -> float:
        top = _top(features)
        if self.top is None or features.dtype.kind != "f":
            return top
        if top > self.top:
            raise refusal("Pixels", "be in [0, 1] like those trained on", float(features.max()), "Divide them by 255.")
        return self.top

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        return {"shape": list(self.shape), "top": self.top, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "ImageEncoder":
        """The value that `to_json` wrote."""
        channels, height, width = plain["shape"]
        return cls(shape=(channels, height, width), top=plain["top"], notes=tuple(plain["notes"]))


def _shape(features: np.ndarray) -> tuple[int, int, int]:
    if features.ndim not in (3, 4) or 0 in features.shape[1:]:
        raise refusal("Images", "have the axes N H W or N H W C", features.shape)
    if features.ndim == 3:
        return 1, int(features.shape[1]), int(features.shape[2])
    if features.shape[3] > 4:
        do = "Move the channels to the end." if features.shape[1] <= 4 else ""
        raise refusal("The last axis of images", "be 1 to 4 channels", features.shape, do)
    return int(features.shape[3]), int(features.shape[1]), int(features.shape[2])


def _top(features: np.ndarray) -> float:
    """What the pixels are divided by, so that they end in [0, 1]."""
    if features.dtype.kind not in "uifb":
        raise refusal("Pixels", "be numbers", str(features.dtype))
    low, high = float(features.min(initial=0)), float(features.max(initial=0))
    if not (low >= 0 and high <= 255):  # also true of NaN
        raise refusal("Pixels", "be in [0, 1] or in [0, 255]", f"{low:g} to {high:g}")
    whole = features.dtype.kind in "ui"
    return 255.0 if whole or high > 1 else 1.0
