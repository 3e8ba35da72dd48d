"""Values of a request's parameters as literals of our SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from . import planning_time
from .errors import SqlError
from .quoting import quote_standard_string

Params = Sequence[Any] | Mapping[str, Any] | None

_BIGINT = 2**63


def render(value: Any, dialect: str = "icefield") -> str:
    """Return the literal of a value in a dialect: what JSON has, and date, datetime, Decimal and bytes.

    Raises:
        planning_time.OutOfTimeError: it takes too long.
        SqlError: SQL has no literal for it.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, str):
        return quote_standard_string(value if dialect == "duckdb" else value.replace("\\", "\\\\"))
    return _other(value, dialect)


def _integer(value: int) -> str:
    if abs(value) >= 10**38:
        raise SqlError("A parameter is an integer of more than 38 digits.")
    text = f"{abs(value)}" if -_BIGINT < value < _BIGINT else f"CAST('{abs(value)}' AS DECIMAL(38,0))"
    return f"(-{text})" if value < 0 else text


def _double(value: float) -> str:
    if math.isfinite(value):
        return f"CAST('{value!r}' AS DOUBLE)"
    name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"CAST('{name}' AS DOUBLE)"


def _other(value: Any, dialect: str) -> str:
    if isinstance(value, bytes):
        return f"from_hex('{value.hex()}')" if dialect == "duckdb" else f"X'{value.hex()}'"
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, Decimal) and value.is_finite():
        scale = max(0, -int(value.as_tuple().exponent))
        return f"CAST('{value:f}' AS DECIMAL(38,{scale}))"
    if isinstance(value, list | tuple):
        items = ", ".join(render(item, dialect) for item in planning_time.checked(value))
        return f"[{items}]" if dialect == "duckdb" else f"ARRAY({items})"
    raise SqlError(f"A parameter cannot be of type {type(value).__name__}.")
