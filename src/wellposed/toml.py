"""Frozen values to and from TOML tables, with refusals that name file, line and key.

A value that has a choice of classes is a table with the key `kind`; the class is looked up in a given dict by name, so
that a file can never name code.
"""

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

from torch import Tensor

from wellposed.checks import nearest
from wellposed.errors import BadInput

Path = tuple[str | int, ...]
HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
KEY = re.compile(r"^\s*[\"']?([^\"'=\s]+)[\"']?\s*=")
WORDS: dict[object, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class Source:
    """Where a table came from, to name the place of a mistake.

    Attributes:
        file: What people call it.
        lines: Line of each key, counted from 1, by its path in the table.
    """

    file: str
    lines: Mapping[Path, int]

    def refuse(self, path: Path, complaint: str) -> BadInput:
        """The error for what stands at `path`: file, line, then the complaint."""
        while path and path not in self.lines:
            path = path[:-1]
        at = f", line {self.lines[path]}" if path else ""
        return BadInput(f"{self.file}{at}: {complaint}")


def parse(text: str, file: str) -> tuple[dict[str, Any], Source]:
    """The table that a TOML text holds, and where each of its keys stands."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5000 digits and 5000 brackets are no TOMLDecodeError
        raise BadInput(f"{file} must be TOML. Got a syntax error: {error}.") from None
    lines: dict[Path, int] = {}
    here: Path = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            name = header[2].strip("\"' ")
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                here = (name, counts[name])
                lines.setdefault((name,), number)
            else:
                here = tuple(name.split("."))
            lines[here] = number
        elif key := KEY.match(line):
            lines[(*here, *key[1].split("."))] = number
    return table, Source(file, lines)


T = TypeVar("T")


def choose(kinds: Mapping[str, type[T]], table: object, source: Source, path: Path) -> T:
    """The value that a table with the key `kind` describes, one of these classes."""
    if not isinstance(table, dict) or not isinstance(table.get("kind"), str):
        raise source.refuse(path, f"{_spell(path)} must be a table with the key 'kind'. {nearest('', kinds)}".rstrip())
    name = table["kind"]
    if name not in kinds:
        complaint = f"{_spell(path)}.kind must name a known kind. Got {name!r}. {nearest(name, kinds)}"
        raise source.refuse((*path, "kind"), complaint.rstrip())
    return build(kinds[name], {key: value for key, value in table.items() if key != "kind"}, source, path, kinds)


def build(kind: type[T], table: Mapping[str, Any], source: Source, path: Path, kinds: Mapping[str, type[Any]]) -> T:
    """A dataclass from the table of its fields; `kinds` are the classes of values inside it."""
    annotations = _annotations(typing.cast(Any, kind))
    known = {f.name: annotations[f.name] for f in dataclasses.fields(typing.cast(Any, kind))}
    for key in table:
        if key not in known:
            complaint = f"{kind.__name__} has no key {key!r}. {nearest(key, known)}"
            raise source.refuse((*path, key), complaint.rstrip())
    values = {key: _value(known[key], raw, source, (*path, key), kinds) for key, raw in table.items()}
    for field in dataclasses.fields(typing.cast(Any, kind)):
        if field.name not in table and field.default is field.default_factory is dataclasses.MISSING:
            raise source.refuse(path, f"{kind.__name__} must have the key {field.name!r}. Got none.")
    try:
        return kind(**values)
    except BadInput as error:
        blamed = next((key for key in table if f".{key} " in str(error)), None)
        raise source.refuse(path if blamed is None else (*path, blamed), str(error)) from None


@lru_cache(maxsize=512)
def _annotations(kind: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields; looking them up takes longer than all the rest."""
    return typing.get_type_hints(kind)


def _value(annotation: Any, raw: Any, source: Source, path: Path, kinds: Mapping[str, type[Any]]) -> Any:
    """A raw TOML value as the annotated type, or a refusal."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        for option in arguments:
            if _fits(option, raw):
                return _value(option, raw, source, path, kinds)
    elif origin is tuple and isinstance(raw, list):
        return tuple(_value(arguments[0], item, source, (*path, i), kinds) for i, item in enumerate(raw))
    elif isinstance(annotation, type) and dataclasses.is_dataclass(annotation) and isinstance(raw, dict):
        return choose({n: k for n, k in kinds.items() if issubclass(k, annotation)}, raw, source, path)
    elif _fits(annotation, raw):
        return float(raw) if annotation is float else raw
    raise source.refuse(path, f"{_spell(path)} must be {_describe(annotation)}. Got {raw!r}.")


def _fits(annotation: Any, raw: Any) -> bool:
    """Whether a raw value is of the annotated type (whole numbers pass as floats, truth values never as numbers)."""
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return raw in typing.get_args(annotation)
    if origin is tuple:
        return isinstance(raw, list)
    if annotation in (int, float):
        return isinstance(raw, int if annotation is int else int | float) and not isinstance(raw, bool)
    if not isinstance(annotation, type) or issubclass(annotation, Tensor):
        return False
    return isinstance(raw, dict) if dataclasses.is_dataclass(annotation) else isinstance(raw, annotation)


def _describe(annotation: Any) -> str:
    """An annotated type in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(repr(a) for a in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(a) for a in arguments if a in WORDS or not isinstance(a, type))
    if origin is tuple:
        return f"a list, each item {_describe(arguments[0])}"
    return WORDS.get(annotation, "a table with the key 'kind'")


def _spell(path: Path) -> str:
    """A path as people write it: `technique 2.rate` for the second technique."""
    parts = [f" {part + 1}" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).strip(". ") or "the file"


def encode(value: Any) -> Any:
    """A value as TOML holds it: dataclasses as tables with `kind`, tuples as lists."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    types = _annotations(type(value))
    table = {f.name: _encoded(types[f.name], getattr(value, f.name)) for f in dataclasses.fields(value)}
    return {"kind": type(value).__name__, **table}


def _encoded(annotation: Any, value: Any) -> Any:
    """A field's value; 1 is written as 1.0 where a number is meant, so that equal values make equal texts."""
    options = typing.get_args(annotation) or (annotation,)
    if isinstance(value, tuple):
        item = next((o for o in (annotation, *options) if typing.get_origin(o) is tuple), tuple[Any, ...])
        return [_encoded(typing.get_args(item)[0], part) for part in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and float in options else encode(value)
