"""Tables as numbers and category codes, by rules fitted to the training rows alone and kept as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.inputs.columns import column_kind, days, numbers, texts
from wellposed.inputs.fields import CategoryField, DateField, Field, NumericField, field_from_json
from wellposed.inputs.frame import as_pandas, check_frame, require_columns
from wellposed.inputs.images import ImageEncoder
from wellposed.inputs.target import Target

__all__ = ["ImageEncoder", "TableEncoder", "Target"]

MANY_VALUES = 50
DIFFERING = "of text that differs in nearly every row"


@dataclass(frozen=True, kw_only=True)
class TableEncoder:
    """How a table is encoded: one field for each column that is kept.

    Columns without a value, with one value only, equal to an earlier column, or with a text that nearly every row has
    for itself (an identifier) are dropped and told.

    Attributes:
        fields: The columns that are kept, in the order of the training table.
        infinite_is_missing: Take infinities as missing instead of refusing them.
        notes: What was told and carried on with.

    >>> encoder = TableEncoder.fit(pd.DataFrame({"area": [1.0, None, 3.0], "town": ["B", "A", "B"]}))
    >>> x, codes = encoder.encode(pd.DataFrame({"town": ["A", "C", None], "area": [5.0, None, 2.0]}))
    >>> encoder.numeric_names, x.tolist()
    (('area', 'area is missing'), [[5.0, 0.0], [2.0, 1.0], [2.0, 0.0]])
    >>> encoder.category_names, encoder.cardinalities, codes.tolist()
    (('town',), (4,), [[2], [1], [0]])
    """

    fields: tuple[Field, ...]
    infinite_is_missing: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, features: object, *, infinite_is_missing: bool = False, where: str = "The table") -> "TableEncoder":
        """Learn the type, the fill and the categories of each column from training rows.

        Args:
            features: Any table that `as_pandas` takes.
            infinite_is_missing: Take infinities as missing instead of refusing them.
            where: What a message calls the table.
        """
        frame = as_pandas(features)
        check_frame(frame, where)
        fields: list[Field] = []
        notes: list[str] = []
        dropped: dict[str, list[str]] = {}
        seen: dict[bytes, str] = {}
        for name, column in _columns(frame):
            field, content, note = _fit_field(column, name, where, infinite_is_missing)
            if isinstance(field, str):
                dropped.setdefault(field, []).append(_shown(name))
            elif content in seen:
                dropped.setdefault("equal to an earlier one", []).append(f"{_shown(name)} (= {seen[content]})")
            else:
                seen[content] = _shown(name)
                fields.append(field)
                notes += [note] if note else []
        told = [f"Dropped {_n_columns(names)} {why}: {_listed(names)}." for why, names in dropped.items()]
        if not fields:
            do = "Name a column of texts in --text." if DIFFERING in dropped else ""
            raise BadInput(" ".join([f"{where} must have a column to learn from. Got none.", *told, do]).rstrip())
        return cls(fields=tuple(fields), infinite_is_missing=infinite_is_missing, notes=(*told, *notes))

    def encode(
        self, features: object, *, dtype: torch.dtype = torch.float32, where: str = "The table"
    ) -> tuple[Float[Tensor, "N D"], Int64[Tensor, "N J"]]:
        """Finite numbers and category codes (0 missing, 1 unseen in training, 2 and up known).

        Columns are found by name, in any order; others than those trained on are ignored (`ignored` names them).

        Args:
            features: Any table that `as_pandas` takes.
            dtype: Type of the numbers.
            where: What a message calls the table.
        """
        frame = as_pandas(features)
        names = [field.name for field in self.fields]
        require_columns(frame, names, where)
        check_frame(frame[names], where)
        x = np.empty((len(frame), self.n_numeric), dtype=np.float64 if dtype == torch.float64 else np.float32)
        codes = np.empty((len(frame), len(self.category_names)), dtype=np.int64)
        i = j = 0
        for field in self.fields:
            column = frame[field.name]
            if isinstance(field, CategoryField):
                codes[:, j] = field.encode(*texts(column))
                j += 1
                continue
            if isinstance(field, DateField):
                values = field.encode(days(column, where=where))
            else:
                values = field.encode(numbers(column, where=where, infinite_is_missing=self.infinite_is_missing))
            x[:, i : i + values.shape[1]] = values
            i += values.shape[1]
        return torch.from_numpy(x).to(dtype), torch.from_numpy(codes)

    def ignored(self, features: object) -> tuple[str, ...]:
        """A note that names the columns which `encode` does not use, or no note."""
        known = {field.name for field in self.fields}
        extra = [_shown(name) for name, _ in _columns(as_pandas(features)) if name not in known]
        return (f"Ignored {_n_columns(extra)} not trained on: {_listed(extra)}.",) if extra else ()

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """Names of the numbers, one for each column of `x`."""
        return tuple(name for field in self.fields if not isinstance(field, CategoryField) for name in field.names)

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the categorical columns, one for each column of `codes`."""
        return tuple(field.name for field in self.fields if isinstance(field, CategoryField))

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each categorical column has, missing and unseen included."""
        return tuple(field.cardinality for field in self.fields if isinstance(field, CategoryField))

    @property
    def n_numeric(self) -> int:
        """How many numbers a row has."""
        return len(self.numeric_names)

    def to_json(self) -> dict[str, Any]:
        """Plain types that JSON keeps exactly."""
        fields = [field.to_json() for field in self.fields]
        return {"fields": fields, "infinite_is_missing": self.infinite_is_missing, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "TableEncoder":
        """The value that `to_json` wrote."""
        fields = tuple(field_from_json(field) for field in plain["fields"])
        return cls(fields=fields, infinite_is_missing=plain["infinite_is_missing"], notes=tuple(plain["notes"]))


def _fit_field(column: pd.Series, name: str, where: str, infinite_is_missing: bool) -> tuple[Field | str, bytes, str]:
    """The field of a column (or why it has none), its content to be compared, and a note."""
    if column.isna().all():
        return "without a value", b"", ""
    kind = column_kind(column)
    if kind == "category":
        codes, known = texts(column)
        if len(known) == 1 and (codes >= 0).all():
            return "with one value only", b"", ""
        if len(known) > MANY_VALUES and 2 * len(known) > len(codes):
            return DIFFERING, b"", ""
        content = "\0".join(["category", *known, ""]).encode(errors="surrogatepass") + codes.tobytes()
        return CategoryField(name=name, known=tuple(known)), content, ""
    if kind == "date":
        moments = days(column, where=where)
        if moments.notna().all() and moments.nunique() == 1:
            return "with one value only", b"", ""
        content = b"date" + moments.dt.tz_convert(None).to_numpy(dtype="datetime64[us]").tobytes()
        return DateField.fit(moments, name=name), content, ""
    values = numbers(column, where=where, infinite_is_missing=infinite_is_missing)
    if np.isnan(values).all():
        return "without a value", b"", ""
    if values.min() == values.max():  # false where one is missing: then at least the indicator differs
        return "with one value only", b"", ""
    field = NumericField.fit(values, name=name)
    content = np.where(np.isnan(values), np.nan, values + 0.0).tobytes()
    return field, content, field.note(values)


def _columns(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    return ((str(name), column) for name, column in frame.items())


def _n_columns(names: list[str]) -> str:
    return "1 column" if len(names) == 1 else f"{len(names)} columns"


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:57]}...")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
