"""Checked access to the fields of a decoded JSON object. Each function raises ValueError with one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

Choice = TypeVar("Choice", bound=StrEnum)

MAX_COUNT = 2**63 - 1
"""Largest integer that a 64-bit column or a CRD status holds."""


def as_object(value: object, what: str) -> dict[str, Any]:
    """Return a JSON object; `what` names it in the error."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object")
    return value


def text(fields: Mapping[str, Any], name: str, max_length: int | None = None) -> str:
    """Return a string that is not empty."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a string, and not empty")
    if max_length is not None and len(value) > max_length:
        raise ValueError(f"{name} must be at most {max_length} characters long")
    return value


def optional_text(fields: Mapping[str, Any], name: str, max_length: int | None = None) -> str | None:
    """Return a string that is not empty, or None when it is absent or null."""
    return None if fields.get(name) is None else text(fields, name, max_length)


def texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of strings, none of them empty."""
    value = fields.get(name)
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
        raise ValueError(f"{name} must be a list of strings, none of them empty")
    return tuple(value)


def boolean(fields: Mapping[str, Any], name: str) -> bool:
    """Return a boolean; false when it is absent or null."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    return value is True


def integer(fields: Mapping[str, Any], name: str, minimum: int = 0, maximum: int = MAX_COUNT) -> int:
    """Return an integer between two bounds, both included."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be an integer")
    if not minimum <= value <= maximum:
        raise ValueError(f"{name} must be between {minimum} and {maximum}")
    return value


def optional_integer(fields: Mapping[str, Any], name: str, minimum: int = 0, maximum: int = MAX_COUNT) -> int | None:
    """Return an integer between two bounds, both included, or None when it is absent or null."""
    return None if fields.get(name) is None else integer(fields, name, minimum, maximum)


def optional_number(fields: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number that is not negative, or None when it is absent or null."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a number, not negative")
    return float(value)


def choice(fields: Mapping[str, Any], name: str, choices: type[Choice]) -> Choice:
    """Return one of an enumeration's values."""
    value = fields.get(name)
    if not isinstance(value, str) or value not in set(choices):
        raise ValueError(f"{name} must be one of {', '.join(choices)}")
    return choices(value)
