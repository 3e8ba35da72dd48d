"""PyIceberg."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyiceberg
from pyiceberg.catalog import load_catalog

from .place import DATABASE, Place

VERSION = pyiceberg.__version__


def use(place: Place, table: str) -> Iterator[str]:
    """Create, write, update and read a table; yield each thing that worked."""
    catalog = load_catalog("icefield", type="rest", uri=place.uri, warehouse=place.workspace, token=place.token)
    schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    made = catalog.create_table(f"{DATABASE}.{table}", schema)
    yield "create"
    made.append(pa.table({"id": [1, 2], "name": ["a", "b"]}, schema))
    yield "write"
    made.upsert(pa.table({"id": [2], "name": ["c"]}, schema), join_cols=["id"])
    yield "update"
    rows = catalog.load_table(f"{DATABASE}.{table}").scan().to_arrow().sort_by("id").to_pylist()
    if rows != [{"id": 1, "name": "a"}, {"id": 2, "name": "c"}]:
        raise ValueError(f"other rows: {rows}")
    yield "read"
