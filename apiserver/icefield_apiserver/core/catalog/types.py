"""Formats and parses Iceberg types as text.

They are formatted with the names of Iceberg's table spec, without spaces (`long`, `decimal(10,2)`, `list<string>`), as
in the API reference; parsing accepts the SQL names as well (`bigint`, `varchar`, `array<int>`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

MAX_TEXT = 16_384
MAX_DEPTH = 32
MAX_PRECISION = 38

_PRIMITIVES: dict[str, Callable[[], PrimitiveType]] = {
    **dict.fromkeys(("boolean", "bool"), BooleanType),
    **dict.fromkeys(("int", "integer", "tinyint", "smallint", "byte", "short"), IntegerType),
    **dict.fromkeys(("long", "bigint"), LongType),
    **dict.fromkeys(("float", "real"), FloatType),
    **dict.fromkeys(("double", "double precision"), DoubleType),
    **dict.fromkeys(("string", "text", "varchar", "char", "character", "character varying"), StringType),
    **dict.fromkeys(("binary", "varbinary", "blob", "bytes", "bytea"), BinaryType),
    "date": DateType,
    "time": TimeType,
    "uuid": UUIDType,
    **dict.fromkeys(("timestamp", "timestamp_ntz", "timestamp without time zone", "datetime"), TimestampType),
    **dict.fromkeys(("timestamptz", "timestamp_ltz", "timestamp with time zone"), TimestamptzType),
}
_SPARK_NAMES = {
    "long": "bigint",
    "timestamp": "timestamp_ntz",
    "timestamp_ns": "timestamp_ntz",
    "timestamptz": "timestamp",
    "timestamptz_ns": "timestamp",
    "uuid": "string",
    "time": "string",
    "unknown": "void",
}
_WITH_LENGTH = frozenset({"varchar", "char", "character", "character varying"})
_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z_]\w*)|(?P<number>\d+)|`(?P<quoted>(?:[^`]|``)+)`|(?P<sign>[<>()\[\],:]))")
_PLAIN_FIELD = re.compile(r"[A-Za-z_]\w*")


def type_name(type_: str | Mapping[str, Any]) -> str:
    """Return the text of a type from a schema's JSON (Iceberg, "Appendix C")."""
    if isinstance(type_, str):
        return type_.replace(" ", "")
    match type_["type"]:
        case "list":
            return f"list<{type_name(type_['element'])}>"
        case "map":
            return f"map<{type_name(type_['key'])},{type_name(type_['value'])}>"
        case _:
            fields = (f"{_field_name(field['name'])}:{type_name(field['type'])}" for field in type_["fields"])
            return f"struct<{','.join(fields)}>"


def spark_type_name(type_: str | Mapping[str, Any]) -> str:
    """Return the Spark SQL name of a type, in lower case: `bigint`, `array<struct<a:int>>`."""
    if isinstance(type_, str):
        name = type_.replace(" ", "")
        return "binary" if name.startswith("fixed[") else _SPARK_NAMES.get(name, name)
    match type_["type"]:
        case "list":
            return f"array<{spark_type_name(type_['element'])}>"
        case "map":
            return f"map<{spark_type_name(type_['key'])},{spark_type_name(type_['value'])}>"
        case _:
            fields = (f"{field['name']}:{spark_type_name(field['type'])}" for field in type_["fields"])
            return f"struct<{','.join(fields)}>"


def parse_type(text: str, next_id: Callable[[], int]) -> IcebergType:
    """Parse a type.

    Args:
        text: such as `decimal(10,2)` or `array<struct<a: int>>`.
        next_id: returns ids for nested fields.

    Raises:
        ValueError: it is not a type; the message is the reason.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"the type is longer than {MAX_TEXT} characters")
    parser = _TypeParser(text, next_id)
    found = parser.type(0)
    parser.end()
    return found


def _field_name(name: str) -> str:
    return name if _PLAIN_FIELD.fullmatch(name) else f"`{name.replace('`', '``')}`"


class _TypeParser:
    """A recursive-descent parser of the tokens of a type."""

    def __init__(self, text: str, next_id: Callable[[], int]) -> None:
        self._text = text
        self._next_id = next_id
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            if not (found := _TOKEN.match(text, position)):
                raise ValueError(f"{text!r} is not a type")
            kind = found.lastgroup or ""
            value = found[kind]
            self._tokens.append((kind, value.replace("``", "`") if kind == "quoted" else value))
            position = found.end()
        self._at = 0

    def type(self, depth: int) -> IcebergType:
        if depth > MAX_DEPTH:
            raise ValueError(f"types are nested more than {MAX_DEPTH} deep")
        name = self._words()
        if name in ("list", "array"):
            self._expect("<")
            element = self._below(depth, ">")
            return ListType(element_id=self._next_id(), element_type=element, element_required=False)
        if name == "map":
            self._expect("<")
            key = self._below(depth, ",")
            value = self._below(depth, ">")
            return MapType(
                key_id=self._next_id(),
                key_type=key,
                value_id=self._next_id(),
                value_type=value,
                value_required=False,
            )
        if name in ("struct", "row"):
            return self._struct(depth)
        return self._primitive(name)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise ValueError(f"{self._text!r} is not a type")

    def _struct(self, depth: int) -> StructType:
        self._expect("<")
        fields: list[NestedField] = []
        while not (fields and self._accept(">")):
            if fields:
                self._expect(",")
            kind, name = self._next()
            if kind not in ("word", "quoted"):
                raise ValueError(f"a field of {self._text!r} has no name")
            self._accept(":")
            fields.append(NestedField(self._next_id(), name, self.type(depth + 1), required=False))
        return StructType(*fields)

    def _primitive(self, name: str) -> PrimitiveType:
        if name in ("decimal", "numeric", "dec"):
            precision, scale = [*self._numbers("(", ")"), 0][:2] if self._peek("(") else (10, 0)
            if not (1 <= precision <= MAX_PRECISION and scale <= precision):
                raise ValueError(f"decimal({precision},{scale}) has a precision beyond 1..38 or a larger scale")
            return DecimalType(precision, scale)
        if name == "fixed":
            opening, closing = ("[", "]") if self._peek("[") else ("(", ")")
            return FixedType(self._numbers(opening, closing)[0])
        make = _PRIMITIVES.get(name)
        if make is None:
            raise ValueError(f"{name or self._text!r} is not a type")
        if name in _WITH_LENGTH and self._peek("("):
            raise ValueError(f"{self._text!r} has a length, which Iceberg does not keep; use string")
        return make()

    def _below(self, depth: int, closing: str) -> IcebergType:
        found = self.type(depth + 1)
        self._expect(closing)
        return found

    def _words(self) -> str:
        words = []
        while self._at < len(self._tokens) and self._tokens[self._at][0] == "word":
            words.append(self._tokens[self._at][1].lower())
            self._at += 1
        return " ".join(words)

    def _numbers(self, opening: str, closing: str) -> list[int]:
        self._expect(opening)
        numbers: list[int] = []
        while not numbers or self._accept(","):
            kind, value = self._next()
            if kind != "number" or len(value) > 9:
                raise ValueError(f"{self._text!r} is not a type")
            numbers.append(int(value))
        self._expect(closing)
        return numbers

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise ValueError(f"{self._text!r} is not a complete type")
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self, sign: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign)

    def _accept(self, sign: str) -> bool:
        if self._peek(sign):
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise ValueError(f"{self._text!r} is not a type: {sign} is missing")
