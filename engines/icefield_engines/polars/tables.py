"""The workspace's tables, as a workload names and reads them."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFileContent, ManifestContent
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from icefield_crds.wire.outcome import FailureKind
from icefield_crds.wire.workload import Workload
from icefield_engines.catalog_client import RetryingCatalog

from .errors import WorkloadError

Identifier = tuple[str, ...]
"""Levels of a namespace, then the table."""
DEFAULT_SCHEMA = "default"
_LOADS_AT_ONCE = 8
_STORE_OPTIONS = {
    "s3.endpoint": "aws_endpoint_url",
    "s3.region": "aws_region",
    "s3.access-key-id": "aws_access_key_id",
    "s3.secret-access-key": "aws_secret_access_key",
    "s3.session-token": "aws_session_token",
}


def resolve(name: str, names: Iterable[str]) -> Identifier:
    """Return the table that a name means: [catalog.]database[.schema].table, schema `default` being the database.

    Args:
        name: as the workload names it.
        names: names of the catalog; a first part that is one of these, in any case, is the catalog.

    Raises:
        WorkloadError: TABLE_NOT_FOUND; the name has too few or too many parts.
    """
    parts = name.split(".")
    if len(parts) > 1 and _is_one_of(parts[0], names):
        parts = parts[1:]
    if not all(parts) or not 2 <= len(parts) <= 3:
        raise WorkloadError(
            FailureKind.TABLE_NOT_FOUND,
            f"'{name}' is no name of a table: write namespace.table or namespace.schema.table",
        )
    if len(parts) == 3 and parts[1] == DEFAULT_SCHEMA:
        del parts[1]
    return tuple(parts)


def _is_one_of(name: str, names: Iterable[str]) -> bool:
    return name.lower() in map(str.lower, names)


class Tables:
    """Reads tables; each is loaded once, so that a workload sees one state of it."""

    def __init__(self, workload: Workload) -> None:
        """Prepare; nothing is called yet.

        Raises:
            WorkloadError: QUERY; the workload names another catalog.
        """
        if workload.catalog is not None and not _is_one_of(workload.catalog, workload.catalog_names):
            known = " or ".join(workload.catalog_names)
            raise WorkloadError(
                FailureKind.QUERY, f"there is no catalog '{workload.catalog}'; this one is named {known}"
            )
        self._workload = workload
        self._catalog: Catalog | None = None
        self._loaded: dict[Identifier, Table] = {}

    @property
    def catalog(self) -> Catalog:
        """The catalog, opened at first use."""
        if self._catalog is None:
            access = self._workload.access
            properties = {"uri": access.catalog_uri, "warehouse": access.warehouse, "token": access.token}
            self._catalog = RetryingCatalog(access.warehouse, **properties, **self.file_properties)
        return self._catalog

    @property
    def file_properties(self) -> dict[str, str]:
        """What opens the object store, as PyIceberg wants it."""
        store = self._workload.access.object_store
        return {
            "s3.endpoint": store.endpoint,
            "s3.region": store.region,
            "s3.access-key-id": store.access_key_id,
            "s3.secret-access-key": store.secret_access_key,
            "s3.force-virtual-addressing": "false",
        }

    def identifier(self, name: str) -> Identifier:
        """Return the table that a name means.

        Raises:
            WorkloadError: TABLE_NOT_FOUND; it is no name of a table.
        """
        return resolve(name, self._workload.catalog_names)

    def scan(self, name: str) -> pl.LazyFrame:
        """Return a table's rows, not yet read; the name may be an alias that the workload gives a table.

        Raises:
            WorkloadError: TABLE_NOT_FOUND; or QUERY, when only a SQL warehouse can read it.
        """
        if not isinstance(name, str):
            raise TypeError(f"scan takes the name of a table, such as 'default.flowers', not {type(name).__name__}")
        name = self._workload.tables.get(name, name)
        identifier = self.identifier(name)
        table = self._loaded.get(identifier) or self._loaded.setdefault(identifier, self._load(name, identifier))
        refuse_equality_deletes(name, table)
        # Both spellings: where a plan is computed elsewhere, PyIceberg opens the metadata with what the plan carries.
        return pl.scan_iceberg(table, storage_options={**self.file_properties, **store_options(table.io)})

    def scan_all(self, names: dict[str, str]) -> dict[str, pl.LazyFrame]:
        """Return the rows of tables by alias; the tables are loaded at once.

        Raises:
            WorkloadError: as `scan`.
        """
        _ = self.catalog
        with ThreadPoolExecutor(_LOADS_AT_ONCE) as pool:
            return dict(zip(names, pool.map(self.scan, names.values()), strict=True))

    def _load(self, name: str, identifier: Identifier) -> Table:
        try:
            return self.catalog.load_table(identifier)
        except (NoSuchTableError, NoSuchNamespaceError) as error:
            catalog = self._workload.catalog_name
            raise WorkloadError(
                FailureKind.TABLE_NOT_FOUND, f"there is no table '{name}' in the catalog '{catalog}'"
            ) from error


def store_options(io: FileIO) -> dict[str, str]:
    """Return what Polars needs to open a table's files: it does not read the catalog's properties itself."""
    options = {ours: io.properties[theirs] for theirs, ours in _STORE_OPTIONS.items() if io.properties.get(theirs)}
    is_plain = options.get("aws_endpoint_url", "").startswith("http://")
    return {**options, "aws_virtual_hosted_style_request": "false", "aws_allow_http": str(is_plain).lower()}


def refuse_equality_deletes(name: str, table: Table) -> None:
    """Refuse a table that Polars cannot read.

    Raises:
        WorkloadError: QUERY; rows of it are deleted by equality.
    """
    snapshot = table.current_snapshot()
    if snapshot is not None and _has_equality_deletes(snapshot, table.io):
        raise WorkloadError(
            FailureKind.QUERY,
            f"Polars cannot read '{name}': rows of it are deleted by equality (by a streaming writer, as a rule); "
            "read it through a SQL warehouse, or compact it there first",
        )


def _has_equality_deletes(snapshot: Snapshot, io: FileIO) -> bool:
    summary: dict[str, Any] = snapshot.summary.additional_properties if snapshot.summary else {}
    counted = summary.get("total-equality-deletes")
    if counted is not None:
        return int(counted) > 0
    return any(
        entry.data_file.content is DataFileContent.EQUALITY_DELETES
        for manifest in snapshot.manifests(io)
        if manifest.content is ManifestContent.DELETES
        for entry in manifest.fetch_manifest_entry(io)
    )
