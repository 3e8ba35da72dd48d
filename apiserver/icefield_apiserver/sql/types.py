"""Spark SQL's types: read from their names, written for DuckDB, and what arithmetic makes of them (Spark, "ANSI")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .errors import SqlError

MAX_PRECISION = 38
_MIN_SCALE = 6


@dataclass(frozen=True)
class Type:
    """A type of Spark; `inner` has the element of an array, key and value of a map, or the fields of a struct."""

    kind: str
    precision: int = 0
    scale: int = 0
    inner: tuple[Type, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.kind == "struct":
            fields = zip(self.names, self.inner, strict=True)
            return f"struct<{','.join(f'{name}:{kind}' for name, kind in fields)}>"
        return f"{self.kind}<{','.join(map(str, self.inner))}>" if self.inner else self.kind


TINYINT, SMALLINT, INT, BIGINT = Type("tinyint"), Type("smallint"), Type("int"), Type("bigint")
FLOAT, DOUBLE, STRING, BINARY, BOOLEAN = Type("float"), Type("double"), Type("string"), Type("binary"), Type("boolean")
DATE, TIMESTAMP, TIMESTAMP_NTZ, VOID = Type("date"), Type("timestamp"), Type("timestamp_ntz"), Type("void")
INTERVAL = Type("interval")

INTEGERS = ("tinyint", "smallint", "int", "bigint")
FRACTIONS = ("float", "double")
NUMBERS = (*INTEGERS, *FRACTIONS, "decimal")
TIMES = ("timestamp", "timestamp_ntz")

_WIDTH = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
_SYNONYMS = {
    "integer": "int", "long": "bigint", "short": "smallint", "byte": "tinyint", "real": "float", "text": "string",
    "varchar": "string", "char": "string", "character": "string", "dec": "decimal", "numeric": "decimal",
    "bool": "boolean", "timestamptz": "timestamp", "timestamp_ltz": "timestamp", "timestampntz": "timestamp_ntz",
    "blob": "binary",
}  # fmt: skip
_DUCKDB = {
    "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT", "float": "FLOAT",
    "double": "DOUBLE", "string": "VARCHAR", "binary": "BLOB", "boolean": "BOOLEAN", "date": "DATE",
    "timestamp": "TIMESTAMPTZ", "timestamp_ntz": "TIMESTAMP", "void": "INTEGER", "interval": "INTERVAL",
}  # fmt: skip
_TOKEN = re.compile(r"\s*([A-Za-z_][\w$ -]*?(?=\s*[<>(),:]|\s*$)|`(?:[^`]|``)*`|\d+|[<>(),:])")


def decimal(precision: int, scale: int) -> Type:
    """Return a decimal type."""
    return Type("decimal", precision, scale)


def array(item: Type) -> Type:
    """Return an array type."""
    return Type("array", inner=(item,))


@lru_cache(maxsize=4096)
def parse_type(name: str) -> Type:
    """Return the type of a name such as `bigint`, `decimal(10,2)` or `array<struct<a:int>>`.

    Raises:
        SqlError: it is no type that we know.
    """
    words = _TOKEN.findall(name)
    try:
        found, rest = _read(words)
    except (IndexError, ValueError, RecursionError):
        raise SqlError(f"The type {name} is not known.") from None
    if rest:
        raise SqlError(f"The type {name} is not known.")
    return found


def _read(words: list[str]) -> tuple[Type, list[str]]:
    kind = words[0].lower().strip()
    kind = _SYNONYMS.get(kind, kind)
    rest = words[1:]
    if kind in ("array", "map", "struct") and rest[:1] == ["<"]:
        return _read_nested(kind, rest[1:])
    if rest[:1] == ["("]:
        end = rest.index(")")
        numbers = [int(word) for word in rest[1:end] if word != ","]
        rest = rest[end + 1 :]
        if kind == "decimal":
            return decimal(numbers[0], numbers[1] if len(numbers) > 1 else 0), rest
    if kind == "decimal":
        return decimal(10, 0), rest
    if kind not in _DUCKDB:
        raise ValueError(kind)
    return Type(kind), rest


def _read_nested(kind: str, rest: list[str]) -> tuple[Type, list[str]]:
    inner: list[Type] = []
    names: list[str] = []
    while rest[0] != ">":
        if rest[0] == ",":
            rest = rest[1:]
        if kind == "struct":
            names.append(rest[0].strip("`").replace("``", "`"))
            rest = rest[2:] if rest[1] == ":" else rest[1:]
        item, rest = _read(rest)
        inner.append(item)
    if len(inner) != {"array": 1, "map": 2}.get(kind, len(inner)):
        raise ValueError(kind)
    return Type(kind, inner=tuple(inner), names=tuple(names)), rest[1:]


def duckdb_name(kind: Type) -> str:
    """Return DuckDB's name of a type."""
    if kind.kind == "decimal":
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if kind.kind == "array":
        return f"{duckdb_name(kind.inner[0])}[]"
    if kind.kind == "map":
        return f"MAP({duckdb_name(kind.inner[0])}, {duckdb_name(kind.inner[1])})"
    if kind.kind == "struct":
        fields = (f'"{_escaped(name)}" {duckdb_name(item)}' for name, item in zip(kind.names, kind.inner, strict=True))
        return f"STRUCT({', '.join(fields)})"
    return _DUCKDB[kind.kind]


def _escaped(name: str) -> str:
    return name.replace('"', '""')


def as_decimal(kind: Type) -> Type:
    """Return the decimal type that holds every value of an integer type; a decimal stays what it is."""
    return kind if kind.kind == "decimal" else decimal(_WIDTH[kind.kind], 0)


def bounded(precision: int, scale: int) -> Type:
    """Return a decimal type of at most 38 digits, giving up digits after the point first (Spark's rule)."""
    if precision <= MAX_PRECISION:
        return decimal(precision, scale)
    return decimal(MAX_PRECISION, max(MAX_PRECISION - (precision - scale), min(scale, _MIN_SCALE)))


def arithmetic(operator: str, left: Type, right: Type) -> Type | None:
    """Return the type of `left operator right` for numbers; None when they are none. `/` of integers is a double."""
    if left.kind not in NUMBERS or right.kind not in NUMBERS:
        return None
    if left.kind in FRACTIONS or right.kind in FRACTIONS:
        return FLOAT if left.kind == right.kind == "float" and operator != "/" else DOUBLE
    if left.kind != "decimal" and right.kind != "decimal":
        return DOUBLE if operator == "/" else _wider(left, right)
    return _decimals(operator, as_decimal(left), as_decimal(right))


def _decimals(operator: str, left: Type, right: Type) -> Type:
    whole = max(left.precision - left.scale, right.precision - right.scale)
    scale = max(left.scale, right.scale)
    if operator in "+-":
        return bounded(whole + scale + 1, scale)
    if operator == "*":
        return bounded(left.precision + right.precision + 1, left.scale + right.scale)
    if operator == "/":
        scale = max(_MIN_SCALE, left.scale + right.precision + 1)
        return bounded(left.precision - left.scale + right.scale + scale, scale)
    return bounded(min(left.precision - left.scale, right.precision - right.scale) + scale, scale)


def _wider(left: Type, right: Type) -> Type:
    return left if INTEGERS.index(left.kind) >= INTEGERS.index(right.kind) else right


def common(kinds: Iterator[Type | None] | list[Type | None]) -> Type | None:
    """Return the type that values of several types have together, as in CASE or UNION; None when it is not known."""
    result: Type | None = VOID
    for kind in kinds:
        result = _common(result, kind) if result is not None and kind is not None else None
        if result is None:
            return None
    return result


def _common(left: Type, right: Type) -> Type | None:
    if left == right or right == VOID:
        return left
    if left == VOID:
        return right
    if left.kind in NUMBERS and right.kind in NUMBERS:
        if left.kind in FRACTIONS or right.kind in FRACTIONS:
            return FLOAT if {left.kind, right.kind} == {"float"} else DOUBLE
        if left.kind != "decimal" and right.kind != "decimal":
            return _wider(left, right)
        a, b = as_decimal(left), as_decimal(right)
        scale = max(a.scale, b.scale)
        return bounded(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    if {left.kind, right.kind} == {"date", "timestamp"}:
        return TIMESTAMP
    if left.kind == right.kind == "array":
        inner = _common(left.inner[0], right.inner[0])
        return array(inner) if inner else None
    return None
