"""Reading one value of a JSON object, or an error that says where it stands and what would be right.

Duty: the checks that every part of a manifest shares. Knows no field of a manifest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from models.errors import ManifestError

T = TypeVar("T")


def an_object(raw: Any, where: str) -> Mapping[str, Any]:
    """A JSON object. Raises ManifestError."""
    if not isinstance(raw, dict):
        raise ManifestError(f"{where} is {type(raw).__name__}; expected an object")
    return raw


def only(fields: Mapping[str, Any], where: str, known: set[str], optional: set[str]) -> None:
    """Raises ManifestError for a field that nobody knows, and for one that is missing and not optional."""
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ManifestError(f"{where} has unknown fields {unknown}; known are {sorted(known)}")
    missing = sorted(known - optional - set(fields))
    if missing:
        raise ManifestError(f"{where} lacks {', '.join(missing)}")


def text_at(fields: Mapping[str, Any], where: str, field: str) -> str:
    """A field that is text. Raises ManifestError."""
    return as_text(fields[field], f"{where}.{field}")


def list_at(fields: Mapping[str, Any], where: str, field: str) -> list[Any]:
    """A field that is a list. Raises ManifestError."""
    value = fields[field]
    if not isinstance(value, list):
        raise ManifestError(f"{where}.{field} is {type(value).__name__}; expected a list")
    return value


def each(fields: Mapping[str, Any], where: str, field: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
    """The items of a list, each read and named by its position. Raises ManifestError."""
    return tuple(read(item, f"{where}.{field}[{i}]") for i, item in enumerate(list_at(fields, where, field)))


def as_text(value: Any, where: str) -> str:
    """Text. Raises ManifestError."""
    if not isinstance(value, str):
        raise ManifestError(f"{where} is {value!r}; expected text")
    return value


def as_integer(value: Any, where: str) -> int:
    """A whole number. Raises ManifestError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ManifestError(f"{where} is {value!r}; expected a whole number")
    return value


def as_number(value: Any, where: str) -> float:
    """A finite number. Raises ManifestError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ManifestError(f"{where} is {value!r}; expected a finite number")
    return float(value)
