"""What a catalog says of one table or view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Namespace = tuple[str, ...]
"""Levels of an Iceberg namespace: (database,) or (database, schema)."""


@dataclass(frozen=True)
class LoadedTable:
    """A table as the catalog answered for it.

    Attributes:
        metadata_location: URI of the metadata file; the file never changes, so neither does what is derived of it.
        metadata: the file's content (Iceberg, "Table Metadata and Snapshots"); to be read only.
        etag: what makes the next load conditional; None where the catalog gives none.
    """

    metadata_location: str
    metadata: Mapping[str, Any]
    etag: str | None = None


@dataclass(frozen=True)
class LoadedView:
    """A view as the catalog answered for it.

    Attributes:
        metadata: the view's metadata (Iceberg, "View Spec"); to be read only.
    """

    metadata_location: str
    metadata: Mapping[str, Any]


def dotted(namespace: Namespace, name: str) -> str:
    """Return a name as people write it: `sales.orders`, `sales.raw.orders`."""
    return ".".join((*namespace, name))


def called(namespace: Namespace) -> str:
    """Return what people call a namespace: `database sales`, `schema sales.raw`."""
    return f"{'database' if len(namespace) <= 1 else 'schema'} {'.'.join(namespace)}"
