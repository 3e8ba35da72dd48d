"""Namespaces, tables and views as a catalog returns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Namespace = tuple[str, ...]
"""Levels of an Iceberg namespace: (database,) or (database, schema)."""


@dataclass(frozen=True)
class LoadedTable:
    """A table as loaded from the catalog (LoadTableResult).

    Attributes:
        metadata_location: URI of the metadata file; the file never changes, so neither does what is derived from it.
        metadata: the file's content (Iceberg, "Table Metadata and Snapshots"); read-only.
        etag: makes the next load conditional; None where the catalog sends none.
    """

    metadata_location: str
    metadata: Mapping[str, Any]
    etag: str | None = None


@dataclass(frozen=True)
class LoadedView:
    """A view as loaded from the catalog (LoadViewResult).

    Attributes:
        metadata: the view's metadata (Iceberg, "View Spec"); read-only.
    """

    metadata_location: str
    metadata: Mapping[str, Any]


def full_name(namespace: Namespace, name: str) -> str:
    """Return the dotted name of a table or view: `sales.orders`, `sales.raw.orders`."""
    return ".".join((*namespace, name))


def namespace_label(namespace: Namespace) -> str:
    """Return a namespace as error messages name it: `database sales`, `schema sales.raw`."""
    return f"{'database' if len(namespace) <= 1 else 'schema'} {'.'.join(namespace)}"
