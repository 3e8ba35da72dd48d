"""Pure: the columns of a table as its data files have them."""

from __future__ import annotations

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema, sanitize_column_names


def file_schema(schema: Schema) -> Schema:
    """Return a table's schema with the names that its columns have in files."""
    sanitized: Schema = sanitize_column_names(schema)
    return sanitized


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema of a table's files, with the ids of its fields, and offsets of 32 bits."""
    wide = schema_to_pyarrow(schema, include_field_ids=True)
    return pa.schema([_with_short_offsets(field) for field in wide])


def _with_short_offsets(field: pa.Field) -> pa.Field:
    return field.with_type(_short(field.type))


def _short(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_struct(kind):
        return pa.struct([_with_short_offsets(field) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_with_short_offsets(kind.key_field), _with_short_offsets(kind.item_field))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_with_short_offsets(kind.value_field))
    return kind
