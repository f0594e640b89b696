"""How one column of a table becomes numbers or codes; each is fitted to training values and then fixed."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

LIMIT = 1e15  # numbers of float32 up to here have finite squares, and finite sums of them


@dataclass(frozen=True, kw_only=True)
class NumericField:
    """A column of numbers: (value - center) / unit, cut at +-1e15; missing ones are the training median.

    Almost always center is 0 and unit is 1: scaling is a technique's work. But where the median is more than 10000
    times as large as any distance from it, float32 would erase the differences, so the median is taken off before.
    And where a typical value is beyond 1e15 or below 1e-15, it is divided by its power of ten, for float32 has no
    squares of it.

    Attributes:
        name: Name of the column.
        fill: The median of the training values, in the column's own unit.
        center: What is taken off.
        unit: What is divided by.
        indicator: Whether a second number says which values were missing.
    """

    name: str
    fill: float
    center: float = 0.0
    unit: float = 1.0
    indicator: bool = False

    @classmethod
    def fit(cls, values: Float64[np.ndarray, " N"], *, name: str) -> "NumericField":
        """Learn from training values, NaN where missing, at least one of them not."""
        missing = np.isnan(values)
        present = values[~missing]
        fill = float(np.median(present))
        distance = float(np.abs(present - fill).max())
        center = fill if abs(fill) > 1e4 * distance > 0 else 0.0
        sizes = np.abs(present - center)
        typical = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
        usual = 1 / LIMIT <= typical <= LIMIT
        unit = 1.0 if usual else 10.0 ** max(np.floor(np.log10(typical)), -300.0)
        return cls(name=name, fill=fill, center=center, unit=float(unit), indicator=bool(missing.any()))

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each number of a row."""
        return (self.name, f"{self.name} is missing") if self.indicator else (self.name,)

    def encode(self, values: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, "N D"]:
        """Finite numbers from values that are NaN where missing."""
        missing = np.isnan(values)
        shifted = np.where(missing, self.fill, values) - self.center
        scaled = np.clip(shifted, -LIMIT * self.unit, LIMIT * self.unit) / self.unit
        return np.stack([scaled, missing], axis=1) if self.indicator else scaled[:, None]

    def note(self, values: Float64[np.ndarray, " N"]) -> str:
        """What is told of the training values; empty where nothing is."""
        n_cut = int((np.abs(values - self.center) > LIMIT * self.unit).sum())
        did = [f"{self.center:g} was taken off"] * (self.center != 0)
        did += [f"it was divided by {self.unit:g}"] * (self.unit != 1)
        did += [f"{n_cut} of its numbers were cut at +-{LIMIT * self.unit:g}"] * (n_cut > 0)
        return f"Column {self.name!r}: {', '.join(did)}, so that 32-bit numbers can hold it." if did else ""

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        return {"kind": "numeric", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class DateField:
    """A column of dates: days since 1970, and month and weekday as points on a circle, (0, 0) where missing.

    Attributes:
        days: How the days since 1970 are encoded.
    """

    days: NumericField

    @classmethod
    def fit(cls, moments: pd.Series, *, name: str) -> "DateField":
        """Learn from training moments, NaT where missing, at least one of them not."""
        return cls(days=NumericField.fit(_days(moments), name=name))

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.days.name

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each number of a row."""
        circle = tuple(
            f"{self.name}, {part}" for part in ("month sine", "month cosine", "weekday sine", "weekday cosine")
        )
        return self.days.names[:1] + circle + self.days.names[1:]

    def encode(self, moments: pd.Series) -> Float64[np.ndarray, "N D"]:
        """Finite numbers from moments in universal time that are NaT where missing."""
        days = self.days.encode(_days(moments))
        month = 2 * np.pi * (moments.dt.month.to_numpy(dtype=np.float64, na_value=np.nan) - 1) / 12
        weekday = 2 * np.pi * moments.dt.day_of_week.to_numpy(dtype=np.float64, na_value=np.nan) / 7
        circle = np.stack([np.sin(month), np.cos(month), np.sin(weekday), np.cos(weekday)], axis=1)
        return np.concatenate([days[:, :1], np.nan_to_num(circle), days[:, 1:]], axis=1)

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        return {"kind": "date", "days": asdict(self.days)}


@dataclass(frozen=True, kw_only=True)
class CategoryField:
    """A column of categories: code 0 is missing, 1 unseen in training, 2 and up are the known ones in their order.

    Attributes:
        name: Name of the column.
        known: The texts of the training values, sorted.
    """

    name: str
    known: tuple[str, ...]

    @property
    def cardinality(self) -> int:
        """How many codes there are."""
        return len(self.known) + 2

    def encode(self, places: Int64[np.ndarray, " N"], found: list[str]) -> Int64[np.ndarray, " N"]:
        """Codes of rows, given for each the place of its text in `found`, -1 where it is missing."""
        code = {text: i + 2 for i, text in enumerate(self.known)}
        codes = np.array([*(code.get(text, 1) for text in found), 0], dtype=np.int64)
        return np.asarray(codes[places])

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        return {"kind": "category", "name": self.name, "known": list(self.known)}


Field: TypeAlias = NumericField | DateField | CategoryField


def field_from_json(plain: dict[str, Any]) -> Field:
    """The field that `to_json` wrote."""
    if plain["kind"] == "date":
        return DateField(days=_numeric(plain["days"]))
    if plain["kind"] == "category":
        return CategoryField(name=plain["name"], known=tuple(plain["known"]))
    return _numeric(plain)


def _numeric(plain: dict[str, Any]) -> NumericField:
    return NumericField(
        name=plain["name"],
        fill=plain["fill"],
        center=plain["center"],
        unit=plain["unit"],
        indicator=plain["indicator"],
    )


def _days(moments: pd.Series) -> Float64[np.ndarray, " N"]:
    since = moments - pd.Timestamp("1970-01-01", tz="UTC")
    return (since / pd.Timedelta(days=1)).to_numpy(dtype=np.float64, na_value=np.nan)
