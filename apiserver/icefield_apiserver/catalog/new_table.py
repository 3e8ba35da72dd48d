"""A request to create a table: what REST says of it, in Iceberg's words. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyiceberg.exceptions import ValidationError
from pyiceberg.schema import Schema
from pyiceberg.transforms import UnknownTransform, parse_transform
from pyiceberg.types import NestedField

from icefield_apiserver.errors import BadRequest

from .facts import Column
from .types import parse_type

FIRST_PARTITION_FIELD = 1000
"""Ids of partition fields begin here (Iceberg, "Partition Evolution")."""

_CALL = re.compile(r"(?P<transform>\w+)\(\s*(?:(?P<argument>[1-9]\d{0,8})\s*,)?\s*(?P<source>[^)]+?)\s*\)")
_SPARK_NAMES = {"years": "year", "months": "month", "days": "day", "hours": "hour", "date": "day", "date_hour": "hour"}


def create_request(
    name: str,
    columns: Sequence[Column],
    partitioning: Sequence[str],
    properties: Mapping[str, str],
    description: str | None,
) -> dict[str, Any]:
    """Return a CreateTableRequest (Iceberg REST protocol).

    Args:
        name: the table's name.
        columns: its columns.
        partitioning: columns, or transforms of them such as `day(ts)` or `bucket(16, id)`.
        properties: its properties.
        description: what it is for.

    Raises:
        BadRequest: a type, a name or a transform is none.
    """
    schema = _schema(columns)
    return {
        "name": name,
        "schema": schema.model_dump(mode="json", by_alias=True, exclude_none=True),
        "partition-spec": {"spec-id": 0, "fields": _partition_fields(partitioning, schema)},
        "stage-create": False,
        "properties": {**properties, **({"comment": description} if description else {})},
    }


def _schema(columns: Sequence[Column]) -> Schema:
    taken: set[str] = set()
    for column in columns:
        if not column.name.strip():
            raise BadRequest("Every column needs a name.")
        if column.name.lower() in taken:
            raise BadRequest(f"Two columns are called {column.name}.")
        taken.add(column.name.lower())
    nested = itertools.count(len(columns) + 1)
    fields = [_field(number, column, nested) for number, column in enumerate(columns, 1)]
    try:
        return Schema(*fields)
    except (ValueError, ValidationError) as error:
        raise BadRequest(f"The columns make no schema: {error}.") from error


def _field(number: int, column: Column, nested: itertools.count[int]) -> NestedField:
    try:
        type_ = parse_type(column.type, nested.__next__)
    except ValueError as error:
        raise BadRequest(f"Column {column.name}: {error}.") from error
    return NestedField(number, column.name, type_, required=not column.nullable, doc=column.description or None)


def _partition_fields(partitioning: Sequence[str], schema: Schema) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = []
    names = {field.name.lower() for field in schema.fields}
    for number, text in enumerate(partitioning, FIRST_PARTITION_FIELD):
        source, transform = _transform(text, schema)
        base = source.name if transform == "identity" else f"{source.name}_{transform.partition('[')[0]}"
        if any(field["name"] == base for field in fields):
            raise BadRequest(f"The table is partitioned by {text} twice.")
        if transform != "identity" and base.lower() in names:
            base = f"{base}_partition"
        fields.append({"source-id": source.field_id, "field-id": number, "name": base, "transform": transform})
    return fields


def _transform(text: str, schema: Schema) -> tuple[NestedField, str]:
    """Return the column and Iceberg's name of the transform that a partition expression means."""
    name, transform = text.strip(), "identity"
    if (call := _CALL.fullmatch(name)) and name not in schema.column_names:
        word = call["transform"].lower()
        name = call["source"].strip('`"')
        transform = _SPARK_NAMES.get(word, word) + (f"[{call['argument']}]" if call["argument"] else "")
    source = next((field for field in schema.fields if field.name == name), None)
    if source is None:
        raise BadRequest(f"Partition column {name} is not a column of the table.")
    try:
        parsed = parse_transform(transform)
        is_possible = not isinstance(parsed, UnknownTransform) and parsed.can_transform(source.field_type)
    except (ValueError, ValidationError):
        is_possible = False
    if not is_possible:
        raise BadRequest(f"A table cannot be partitioned by {text}: column {name} has type {source.field_type}.")
    return source, transform
