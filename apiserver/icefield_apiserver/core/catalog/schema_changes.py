"""Changes of a table's schema as commits of the Iceberg REST protocol. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from icefield_apiserver.core.errors import BadRequest

from .metadata import current_schema
from .types import parse_type

_TIMESTAMP = re.compile(r"\btimestamp\b")


def iceberg_type(spark_type: str) -> str:
    """Return the name of an Iceberg type for one of Spark SQL's: its `timestamp` is an instant."""
    return _TIMESTAMP.sub("timestamptz", spark_type)


def adding_columns(
    metadata: Mapping[str, Any], columns: Sequence[tuple[str, str]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the requirements and updates of a commit that adds columns at the end of a table.

    Args:
        metadata: the table's metadata.
        columns: name and type of each column, as Spark SQL names it.

    Raises:
        BadRequest: a type has no equal in Iceberg.
    """
    schema, last = current_schema(metadata), int(metadata["last-column-id"])
    ids = itertools.count(last + 1)
    added = [_field(name, kind, ids) for name, kind in columns]
    used = next(ids) - 1
    number = max(int(each["schema-id"]) for each in metadata["schemas"]) + 1
    fields = {**schema, "schema-id": number, "fields": [*schema["fields"], *added]}
    requirements = [
        {"type": "assert-table-uuid", "uuid": metadata["table-uuid"]},
        {"type": "assert-current-schema-id", "current-schema-id": metadata["current-schema-id"]},
        {"type": "assert-last-assigned-field-id", "last-assigned-field-id": last},
    ]
    updates = [
        {"action": "add-schema", "schema": fields, "last-column-id": used},
        {"action": "set-current-schema", "schema-id": -1},
    ]
    return requirements, updates


def _field(name: str, kind: str, ids: itertools.count[int]) -> dict[str, Any]:
    number = next(ids)
    try:
        found = parse_type(iceberg_type(kind), ids.__next__)
    except ValueError as error:
        raise BadRequest(f"Column {name}: {error}.") from error
    dumped = found.model_dump(mode="json", by_alias=True) if hasattr(found, "model_dump") else str(found)
    return {"id": number, "name": name, "required": False, "type": dumped}
