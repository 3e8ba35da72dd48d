"""From the definition of a new table to a CreateTableRequest of the Iceberg REST protocol. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.exceptions import ValidationError
from pyiceberg.schema import Schema
from pyiceberg.transforms import UnknownTransform, parse_transform
from pyiceberg.types import NestedField

from icefield_apiserver.core.errors import BadRequest
from icefield_sql import property_problem

from .metadata import ColumnInfo
from .types import parse_type

FIRST_PARTITION_FIELD = 1000
"""Ids of partition fields start here (Iceberg, "Partition Evolution")."""

_CALL = re.compile(r"(?P<transform>\w+)\(\s*(?:(?P<argument>[1-9]\d{0,8})\s*,)?\s*(?P<source>[^)]+?)\s*\)")
_SPARK_NAMES = {"years": "year", "months": "month", "days": "day", "hours": "hour", "date": "day", "date_hour": "hour"}


@dataclass(frozen=True)
class TableDefinition:
    """A table to be created.

    Attributes:
        partitioning: columns, or transforms of them such as `day(ts)` or `bucket(16, id)`.
        description: becomes the property `comment`.
    """

    name: str
    columns: Sequence[ColumnInfo]
    partitioning: Sequence[str] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None


def create_request(table: TableDefinition) -> dict[str, Any]:
    """Return a CreateTableRequest (Iceberg REST protocol).

    Raises:
        BadRequest: a column type, a column name or a transform is invalid, or a property cannot be set.
    """
    for key, value in table.properties.items():
        if problem := property_problem(key, value):
            raise BadRequest(problem)
    schema = _schema(table.columns)
    comment = {"comment": table.description} if table.description else {}
    return {
        "name": table.name,
        "schema": schema.model_dump(mode="json", by_alias=True, exclude_none=True),
        "partition-spec": {"spec-id": 0, "fields": _partition_fields(table.partitioning, schema)},
        "stage-create": False,
        "properties": {**table.properties, **comment},
    }


def _schema(columns: Sequence[ColumnInfo]) -> Schema:
    taken: set[str] = set()
    for column in columns:
        if not column.name.strip():
            raise BadRequest("Every column needs a name.")
        if column.name.lower() in taken:
            raise BadRequest(f"Two columns are named {column.name}.")
        taken.add(column.name.lower())
    nested = itertools.count(len(columns) + 1)
    fields = [_field(number, column, nested) for number, column in enumerate(columns, 1)]
    try:
        return Schema(*fields)
    except (ValueError, ValidationError) as error:
        raise BadRequest(f"The columns are not a valid schema: {error}.") from error


def _field(number: int, column: ColumnInfo, nested: itertools.count[int]) -> NestedField:
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
            raise BadRequest(f"The table is partitioned by {text} more than once.")
        if transform != "identity" and base.lower() in names:
            base = f"{base}_partition"
        fields.append({"source-id": source.field_id, "field-id": number, "name": base, "transform": transform})
    return fields


def _transform(text: str, schema: Schema) -> tuple[NestedField, str]:
    """Return the source column and the Iceberg transform of a partition expression."""
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
