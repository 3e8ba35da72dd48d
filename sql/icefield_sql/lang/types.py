"""Spark SQL's types: read from their names, written for DuckDB, and what arithmetic makes of them (Spark, "ANSI")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from .errors import SqlError
from .quoting import quote, quote_standard
from .timed import timed, written

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
_DUCKDB = {
    "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT", "float": "FLOAT",
    "double": "DOUBLE", "string": "VARCHAR", "binary": "BLOB", "boolean": "BOOLEAN", "date": "DATE",
    "timestamp": "TIMESTAMPTZ", "timestamp_ntz": "TIMESTAMP", "void": "INTEGER", "interval": "INTERVAL",
}  # fmt: skip
_PLAIN = {
    exp.DType.TINYINT: TINYINT, exp.DType.SMALLINT: SMALLINT, exp.DType.INT: INT, exp.DType.BIGINT: BIGINT,
    exp.DType.FLOAT: FLOAT, exp.DType.DOUBLE: DOUBLE, exp.DType.BOOLEAN: BOOLEAN, exp.DType.DATE: DATE,
    exp.DType.TEXT: STRING, exp.DType.VARCHAR: STRING, exp.DType.CHAR: STRING, exp.DType.BINARY: BINARY,
    exp.DType.VARBINARY: BINARY, exp.DType.TIMESTAMPTZ: TIMESTAMP, exp.DType.TIMESTAMPLTZ: TIMESTAMP,
    exp.DType.TIMESTAMPNTZ: TIMESTAMP_NTZ, exp.DType.INTERVAL: INTERVAL, exp.DType.NULL: VOID,
}  # fmt: skip


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
        SqlError: the type is unknown.
    """
    if name.lower().strip() == VOID.kind:  # the one name that sqlglot's grammar does not have
        return VOID
    try:
        return type_of(exp.DataType.build(name, dialect=timed("spark")))
    except (ParseError, TokenError, RecursionError):
        raise SqlError(f"The type {name} is not known.") from None


def type_of(node: exp.DataType) -> Type:
    """Return the type that a part of a syntax tree means.

    Raises:
        SqlError: the type is unknown.
    """
    kind, inner = node.this, node.expressions
    if kind is exp.DType.DECIMAL:
        if not all(re.fullmatch(r"[0-9]{1,9}", parameter.name) for parameter in inner):
            raise SqlError(f"The type {written(node, 'spark').lower()[:100]} is not known.")
        numbers = [int(parameter.name) for parameter in inner]
        return decimal(numbers[0] if numbers else 10, numbers[1] if len(numbers) > 1 else 0)
    if kind is exp.DType.ARRAY and len(inner) == 1:
        return array(type_of(inner[0]))
    if kind is exp.DType.MAP and len(inner) == 2:
        return Type("map", inner=(type_of(inner[0]), type_of(inner[1])))
    if kind is exp.DType.STRUCT and all(_is_plain_field(field) for field in inner):
        names = tuple(field.name for field in inner)
        return Type("struct", inner=tuple(type_of(field.args["kind"]) for field in inner), names=names)
    if kind not in _PLAIN:
        raise SqlError(f"The type {written(node, 'spark').lower()[:100]} is not known.")
    return _PLAIN[kind]


def _is_plain_field(field: exp.Expr) -> bool:
    is_typed = isinstance(field, exp.ColumnDef) and isinstance(field.args.get("kind"), exp.DataType)
    return is_typed and not field.args.get("constraints")


def duckdb_name(kind: Type) -> str:
    """Return DuckDB's name of a type."""
    if kind.kind == "decimal":
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if kind.kind == "array":
        return f"{duckdb_name(kind.inner[0])}[]"
    if kind.kind == "map":
        return f"MAP({duckdb_name(kind.inner[0])}, {duckdb_name(kind.inner[1])})"
    if kind.kind == "struct":
        fields = zip(kind.names, kind.inner, strict=True)
        return f"STRUCT({', '.join(f'{quote_standard(name)} {duckdb_name(item)}' for name, item in fields)})"
    return _DUCKDB[kind.kind]


def spark_name(kind: Type) -> str:
    """Return a type in Spark SQL, which reads it back whatever its fields are called."""
    if kind.kind == "struct":
        fields = zip(kind.names, kind.inner, strict=True)
        return f"struct<{','.join(f'{quote(name)}:{spark_name(item)}' for name, item in fields)}>"
    return f"{kind.kind}<{','.join(map(spark_name, kind.inner))}>" if kind.inner else str(kind)


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
